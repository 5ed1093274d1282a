#!/bin/sh
# Brings services into this guest. The host sends this script with a program beside it, in a folder of
# its own below /run, and reads what it prints:
#
#   steps/0007      a step: lines of a word and its fields, with tabs between them; a field is as
#                   `printf %b` reads it, and `-` is the empty one
#   payload/DIGEST  what a step writes
#   token           the word that the script's own lines begin with; everything else is some command's
#
#   provision.sh check    tells what the guest is, and how each step stands
#   provision.sh run      takes the steps, one after the other, until one fails
#   provision.sh follow   tells more of a run, from the byte on that its input names
#   provision.sh unit     tells whether the units of the steps run
#
# A run goes on when the connection is lost: a package manager that dies half-way leaves a mess. A step
# that is done is recorded below /var/lib/trustnet-vm/state, and taken again only when it changes.
# `local` is no word of POSIX, but one of every shell that is a guest's /bin/sh.
# shellcheck disable=SC3043
set -u
umask 077
export LC_ALL=C DEBIAN_FRONTEND=noninteractive
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Every process that is started takes its time, in a small guest a hundredth of a second: `check` starts few.
here=${0%/*}
root=/var/lib/trustnet-vm
states=$root/state
sent=/var/cache/trustnet-vm
disk=/run/trustnet-vm/cache
lock=/run/trustnet-vm/provision.lock
tab='	'
read -r token <"$here/token" || exit 1

main() {
    [ -d "$states" ] && [ -d "$sent" ] || mkdir -p "$states" "$sent" || exit 1
    case $1 in
    check) check ;;
    run) run ;;
    follow) follow "$2" ;;
    guard) guard ;;
    apply) apply "$2" ;;
    unit) units ;;
    esac
}

# Says something to the host, in one piece. What a command has printed before may lack its line's end.
say() {
    local line="$token" word
    for word; do line="$line$tab$word"; done
    printf '\n%s\n' "$line"
}

fail() {
    echo "$*"
    exit 1
}

# --- steps -------------------------------------------------------------------------------------------

# with FILE WORD CALL: calls CALL with the fields of each of the file's lines that begin with the word.
with() {
    local line
    while IFS= read -r line <&4; do
        case $line in "$2$tab"*) fields "$3" "${line#*"$tab"}" 4<&- || return ;; esac
    done 4<"$1"
}

# fields CALL LINE: calls CALL with the fields of a line.
fields() {
    local call="$1" field
    set -f
    IFS=$tab
    # Splitting at tabs is what is wanted.
    # shellcheck disable=SC2086
    set -- $2
    unset IFS
    set +f
    for field; do
        shift
        case $field in
        -) field= ;;
        *\\*)
            field=$(printf '%b_' "$field")
            field=${field%_}
            ;;
        esac
        set -- "$@" "$field"
    done
    "$call" "$@"
}

# Reads what every step has: the lines up to its action. A shell reads byte by byte, and what a step brings
# is long; it is read only where it is needed.
read_step() {
    local line word
    file=$here/steps/$1
    while IFS= read -r line; do
        word=${line%%"$tab"*}
        line=${line#*"$tab"}
        case $word in
        service) service=${line%%"$tab"*} version=${line#*"$tab"} ;;
        key) key=$line ;;
        digest) digest=$line ;;
        limit) limit=$line ;;
        follow) follow=$line ;;
        action)
            action_line=$line
            action=${line%%"$tab"*}
            break
            ;;
        esac
    done <"$file"
    mine=$states/$service
}

# --- check -------------------------------------------------------------------------------------------

check() {
    facts
    mount_cache_disk
    : >"$here/sums"
    : >"$here/modes"
    find_init
    started=
    for path in "$here"/steps/*; do
        [ -e "$path" ] || continue
        number=${path##*/}
        read_step "$number"
        why=
        known=
        if [ -r "$mine/$key" ]; then read -r known <"$mine/$key"; fi
        if [ -z "$known" ]; then
            why='not done yet'
        elif [ "$known" != "$digest" ]; then
            why='changed'
        else
            fields look "$action_line"
        fi
        if [ -n "$why" ]; then
            say step "$number" stale "$why"
            fields have_artifact "$action_line"
            with "$path" deb have_deb
        else
            say step "$number" good
        fi
    done
    look_at_units
    look_at_files
    for path in "$states"/*/version; do
        [ -e "$path" ] || continue
        service=${path%/version}
        read -r version <"$path"
        say service "${service##*/}" "$version"
    done
    # Where nobody has ever locked it, nobody holds it.
    busy=
    if [ -e "$lock" ] && command -v flock >/dev/null && ! flock -n "$lock" true; then busy=yes && say busy; fi
    say end
    tidy </dev/null >/dev/null 2>&1 &
}

# This folder, and those of earlier runs. Nobody waits for it.
tidy() {
    # One that still works needs its folder, however long that takes.
    [ -n "$busy" ] || find /run/trustnet-vm -maxdepth 1 -name 'run.*' -mmin +60 -exec rm -rf {} +
    rm -rf "$here"
}

facts() {
    # shellcheck source=/dev/null
    os=$(. /etc/os-release 2>/dev/null && printf '%s-%s' "${ID-}" "${VERSION_ID-}")
    case $os in alpine-*.*.*) os=${os%.*} ;; esac
    say fact os "$os"
    machine=
    if [ -r /proc/sys/kernel/arch ]; then read -r machine </proc/sys/kernel/arch; fi
    say fact machine "${machine:-$(uname -m)}"
    find_init
    say fact init "$init"
    find_packages
    say fact packages "$manager"
    read -r uptime _ </proc/uptime
    say fact uptime "${uptime%%.*}"
}

uptime() {
    read -r seconds _ </proc/uptime
    echo "${seconds%%.*}"
}

find_init() {
    if [ -d /run/systemd/system ]; then
        init=systemd
    elif command -v rc-service >/dev/null && [ -d /run/openrc ]; then
        init=openrc
    else
        init=none
    fi
}

find_packages() {
    manager=none
    for name in apt-get:apt dnf:dnf apk:apk; do
        if command -v "${name%:*}" >/dev/null; then
            manager=${name#*:}
            return
        fi
    done
}

# Whether what a done step has made is still there. Says why not in `why`.
look() {
    case $1 in
    user) grep -q "^$2:" /etc/passwd || why='the user is gone' ;;
    directory)
        [ -d "$2" ] || why='the folder is gone'
        [ -z "$3" ] || mounted "$2" || why='the data disk is not mounted there'
        ;;
    install) [ -x "$3" ] || [ -f "$3" ] || why='the file is gone' ;;
    unpack) [ -d "$4" ] || why='the folder is gone' ;;
    file) look_later "$2" "$3" "$4" "$5" ;;
    unit)
        case $init in
        systemd) look_later "$3" "/etc/systemd/system/$2.service" root:root 0644 ;;
        openrc) look_later "$4" "/etc/init.d/$2" root:root 0755 ;;
        esac
        ;;
    start)
        if [ -e "$mine/restart" ] || [ -e "$mine/reload" ]; then
            why='its configuration changed'
        elif [ "$init" = systemd ]; then
            started="$started $number:$2"
        elif ! unit_runs "$2" "$3"; then
            why='it does not run'
        fi
        ;;
    ready)
        [ ! -e "$mine/restart" ] || why='it was not restarted yet'
        [ ! -e "$mine/unready" ] || why='it was not seen ready since it was started'
        ;;
    packages) with "$path" "$manager" installed ;;
    esac
}

# Units in one go. One line of the answer stands for each, in their order.
look_at_units() {
    [ -n "$started" ] || return
    set --
    for one in $started; do set -- "$@" "${one#*:}"; done
    answer=$(systemctl is-active -- "$@")
    for one in $started; do
        state=${answer%%"
"*}
        answer=${answer#*"
"}
        [ "$state" = active ] || say step "${one%%:*}" stale 'it does not run'
    done
}

look_later() {
    printf '%s  %s\n' "$1" "$2" >>"$here/sums"
    printf '%s\t%s\t%s\t%s\n' "$number" "$2" "$3" "$4" >>"$here/modes"
}

# Files in one go: a process for each would take its time.
look_at_files() {
    [ -s "$here/sums" ] || return
    right=$(sha256sum -c "$here/sums" 2>/dev/null)
    set --
    while IFS=$tab read -r number path owner mode; do set -- "$@" "$path"; done <"$here/modes"
    owned=$(stat -c '%a %U:%G %n' "$@" 2>/dev/null)
    while IFS=$tab read -r number path owner mode; do
        if ! has_line "$right" "$path: OK"; then
            say step "$number" stale 'the file is not what it was'
        elif ! has_line "$owned" "${mode#0} $owner $path"; then
            say step "$number" stale 'its owner or its mode is not what it was'
        fi
    done <"$here/modes"
}

has_line() {
    case "
$1
" in *"
$2
"*) return 0 ;; esac
    return 1
}

installed() {
    if [ "$manager" = apt ]; then
        # shellcheck disable=SC2016
        answer=$(dpkg-query -f '${db:Status-Status} ' -W -- "$@" 2>/dev/null)
        count=0
        for state in $answer; do
            if [ "$state" = installed ]; then count=$((count + 1)); fi
        done
        [ "$count" -ge $# ] || why='a package is gone'
        return 0
    fi
    for package; do
        is_installed "$package" || {
            why='a package is gone'
            return 0
        }
    done
}

is_installed() {
    # shellcheck disable=SC2016
    case $manager in
    apt) dpkg-query -f '${db:Status-Status}\n' -W -- "$1" 2>/dev/null | grep -q '^installed$' ;;
    dnf) rpm -q --whatprovides -- "$1" >/dev/null 2>&1 ;;
    apk) apk info -e "$1" >/dev/null 2>&1 ;;
    esac
}

have_artifact() {
    case $1 in install | unpack | image) if find_artifact "$2"; then say have "$2"; fi ;; esac
}

have_deb() { if find_artifact "$2"; then say have "$2"; fi; }

find_artifact() {
    artifact=$disk/$1
    [ -f "$artifact" ] && ! [ -e "$sent/$1.refused" ] && return
    artifact=$sent/$1
    [ -f "$artifact" ]
}

# The cache disk, known by its serial number, read-only.
mount_cache_disk() {
    for serial in /sys/block/*/serial; do
        known=
        # The kernel ends it with no line's end.
        if [ -r "$serial" ]; then read -r known <"$serial"; fi
        [ "$known" = tvm-cache ] || continue
        mounted "$disk" && return
        device=${serial%/serial}
        mkdir -p "$disk"
        mount -r -t iso9660 "/dev/${device##*/}" "$disk" 2>/dev/null
        return
    done
}

mounted() {
    case $1 in
    *[\\\ \	#]*) grep -qF " $(fstab_word "$1") " /proc/self/mounts ;;
    *) grep -qF " $1 " /proc/self/mounts ;;
    esac
}

# A path as fstab and the kernel write it.
fstab_word() { printf '%s' "$1" | sed 's/\\/\\134/g; s/ /\\040/g; s/	/\\011/g; s/#/\\043/g'; }

unit_runs() {
    find_init
    case $init in
    systemd) systemctl is-active --quiet -- "$1" ;;
    openrc) rc-service --quiet "$2" status >/dev/null 2>&1 && supervised_runs "$2" ;;
    *) return 1 ;;
    esac
}

# OpenRC's supervisor calls a service started also while what it has started dies again and again.
supervised_runs() {
    child=
    if [ -r "/run/openrc/options/$1/child_pid" ]; then read -r child <"/run/openrc/options/$1/child_pid"; fi
    [ -z "$child" ] || kill -0 "$child" 2>/dev/null
}

units() {
    find_init
    for path in "$here"/steps/*; do
        number=${path##*/}
        read_step "$number"
        fields unit_state "$action_line"
    done
    say end
    rm -rf "$here"
}

unit_state() {
    [ "$1" = ready ] && [ -n "$3" ] || return 0
    if unit_runs "$3" "$4"; then
        say unit "$number" runs
    elif [ "$init" = systemd ] && [ "$(systemctl is-active -- "$3")" = activating ]; then
        say unit "$number" starts
    else
        unit=$3 openrc=$4
        show_log
        say unit "$number" failed
    fi
}

# --- run ---------------------------------------------------------------------------------------------

# Starts the work, and tells how it goes.
run() {
    : >"$here/events"
    if command -v setsid >/dev/null; then
        setsid sh "$here/provision.sh" guard </dev/null >>"$here/events" 2>&1 &
    else
        (trap '' HUP && exec sh "$here/provision.sh" guard </dev/null >>"$here/events" 2>&1) &
    fi
    echo $! >"$here/guard"
    follow 0
}

# Tells for a moment what has happened from that byte on, and then how to ask for more.
follow() {
    told=$1
    turns=0
    over=
    read -r guard <"$here/guard"
    while [ "$turns" -lt 15 ]; do
        # One that was killed says nothing more. A dead process that nobody has waited for has no program.
        if [ -e "$here/over" ] || ! [ -e "/proc/$guard/exe" ]; then over=yes; fi
        size=$(wc -c <"$here/events")
        if [ "$size" -gt "$told" ]; then
            tail -c "+$((told + 1))" "$here/events" | head -c $((size - told))
            told=$size
        fi
        if [ -n "$over" ]; then
            say end
            rm -rf "$here"
            return
        fi
        sleep 0.1 2>/dev/null || sleep 1
        turns=$((turns + 1))
    done
    say more "${here##*/}" "$told"
}

# One run at a time. What the steps start must not hold the lock.
guard() {
    if command -v flock >/dev/null; then
        exec 9>"$lock" && flock 9 && work 9>&-
    else
        work
    fi
    # The host may never come back for the rest, and secrets may stand in these.
    rm -rf "$here/payload"
    : >"$here/over"
}

work() {
    result=0
    for path in "$here"/steps/*; do
        number=${path##*/}
        read_step "$number"
        mkdir -p "$mine"
        say begun "$number"
        # Noted before anything changes: whoever comes after a crash knows what the unit has not seen yet.
        case $follow in restart | reload) : >"$mine/$follow" ;; esac
        # Nor is what has begun still what it was, however it ends.
        rm -f "$mine/$key"
        begun=$(uptime)
        bounded "$limit" sh "$here/provision.sh" apply "$number" </dev/null
        result=$?
        why="exit status $result"
        # timeout(1) says 124, or how it had to kill; others may kill, too, and sooner.
        case $result in
        124) why="it took longer than $limit s" ;;
        137 | 143) if [ $(($(uptime) - begun)) -ge "$limit" ]; then why="it took longer than $limit s"; fi ;;
        esac
        if [ "$result" -ne 0 ]; then
            say failed "$number" "$why"
            break
        fi
        if [ "$action" = remove ]; then
            rm -rf "${mine:?}"
        else
            printf '%s\n' "$digest" >"$mine/$key.new" && mv "$mine/$key.new" "$mine/$key"
            printf '%s\n' "$version" >"$mine/version"
        fi
        say 'done' "$number"
    done
    # What was sent is not needed twice, and not before the last of the steps: several may take from it.
    if [ "$result" -eq 0 ] && [ -e "$here/last" ]; then rm -rf "${sent:?}"/*; fi
    sync
}

bounded() {
    if command -v timeout >/dev/null; then
        timeout -k 10 "$@"
    else
        shift
        "$@"
    fi
}

apply() {
    number=$1
    read_step "$number"
    find_init
    find_packages
    fields take "$action_line" || exit
}

take() {
    what=$1
    shift
    "take_a_$what" "$@"
}

# The host has seen to it.
take_a_depend() { :; }

take_a_user() {
    name=$1 home=$2 shell=$3
    [ -x "$shell" ] || shell=/sbin/nologin
    if ! grep -q "^$name:" /etc/passwd; then
        if command -v useradd >/dev/null; then
            useradd --system --user-group --no-create-home --home-dir "$home" --shell "$shell" -- "$name" || return
        else
            addgroup -S "$name" 2>/dev/null
            adduser -S -D -H -h "$home" -s "$shell" -G "$name" "$name" || return
        fi
    fi
    with "$file" groups join_groups
}

join_groups() {
    for group; do
        if command -v usermod >/dev/null; then
            usermod -a -G "$group" -- "$name" || return
        else
            addgroup "$name" "$group" || return
        fi
    done
}

take_a_directory() {
    target=$1 on=$2
    (umask 022 && mkdir -p -- "$target") || return
    if [ -n "$on" ]; then
        (umask 022 && mkdir -p -- "$on") || return
        if ! mounted "$target"; then
            if [ -z "$(ls -A "$on")" ] && [ -n "$(ls -A "$target")" ]; then
                # Half a copy is never taken for the data.
                rm -rf "$on.tvm-new"
                mkdir "$on.tvm-new" && cp -a "$target/." "$on.tvm-new/" && rmdir "$on" &&
                    mv "$on.tvm-new" "$on" || return
            fi
            line="$(fstab_word "$on") $(fstab_word "$target") none bind,nofail 0 0"
            touch /etc/fstab
            if ! grep -qxF -e "$line" /etc/fstab; then printf '%s\n' "$line" >>/etc/fstab || return; fi
            mount --bind "$on" "$target" || return
        fi
    fi
    [ -z "$3" ] || chmod -- "$3" "$target"
}

take_a_owner() {
    # A system disk made anew may number its users in another order. All of it: a package may have looked
    # after the folder itself already, and not after what a disk of an older guest holds.
    # No link in it leads further: not every chown(1) leaves links alone by itself.
    chown -R -h -- "$2" "$1"
}

take_a_packages() {
    # What packages and the scripts of services make is as open as it is elsewhere.
    umask 022
    if [ "$manager" != none ] && ! grep -q "^$manager$tab" "$file"; then
        fail "$service names no packages for this guest's package manager, $manager"
    fi
    case $manager in
    none) fail 'this guest has no package manager that is known: apt, dnf or apk' ;;
    apt)
        if [ -n "$1" ]; then
            apt_offline "$1"
            return
        fi
        ;;
    esac
    why=
    with "$file" "$manager" installed
    # A package manager without a network fails also where there is nothing to do.
    [ -n "$why" ] || return 0
    with "$file" "$manager" "${manager}_install"
}

# The closure as an archive of its own; apt takes from it what this guest lacks.
apt_offline() {
    repo=$root/repo/$service
    rm -rf "$repo"
    (umask 022 && mkdir -p "$repo/lists/partial" "$repo/archives/partial") || return
    cp "$here/payload/$1" "$repo/Packages" || return
    : >"$repo/sums"
    with "$file" deb link_deb || return
    # All at once; one after the other only where one is not what it should be.
    sha256sum -c "$repo/sums" >/dev/null 2>&1 || with "$file" deb verify_deb || return
    printf 'deb [trusted=yes] file:%s ./\n' "$repo" >"$repo/sources.list"
    cat >"$repo/apt.conf" <<EOF
Dir::Etc::SourceList "$repo/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::State::Lists "$repo/lists";
Dir::Cache::Archives "$repo/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "root";
Acquire::Languages "none";
EOF
    export APT_CONFIG="$repo/apt.conf"
    # What a run that was cut off has left half-done.
    dpkg --configure -a || return
    apt-get -q update || return
    with "$file" apt apt_install || return
    rm -rf "$repo"
}

link_deb() {
    find_artifact "$2" || fail "the package $1 is not in this guest"
    printf '%s  %s\n' "$2" "$artifact" >>"$repo/sums"
    ln -s "$artifact" "$repo/$1"
}

verify_deb() { verified "$2"; }

# dpkg would have the disk catch up after each file. Here the step as a whole is not done before it has.
apt_install() {
    apt-get -q -y --no-install-recommends -o DPkg::Lock::Timeout=300 \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
        -o Dpkg::Options::=--force-unsafe-io install -- "$@" && sync
}

dnf_install() { dnf -y --setopt=install_weak_deps=False install "$@"; }
apk_install() { apk add --no-progress "$@"; }

# verified DIGEST: leads to the artifact, whose bytes have been looked at.
verified() {
    find_artifact "$1" || fail "the artifact $1 is not in this guest"
    if echo "$1  $artifact" | sha256sum -c - >/dev/null 2>&1; then return; fi
    if [ "$artifact" = "$disk/$1" ]; then
        : >"$sent/$1.refused"
        fail "the artifact $1 on the cache disk does not have its digest; the next run sends it"
    fi
    rm -f "$artifact"
    fail "the artifact $1 does not have its digest; the next run sends it anew"
}

take_a_install() {
    verified "$1" || return
    put "$artifact" "$2" root:root "$3"
}

# put SOURCE PATH OWNER MODE: a file comes whole, or not at all.
put() {
    (umask 022 && mkdir -p -- "${2%/*}/" && enter "${2%/*}/" && place "$@") || return
    if command -v restorecon >/dev/null; then restorecon -F -- "$2"; fi
}

# enter FOLDER/: goes there, by no link that a user other than root may have laid.
enter() {
    local path="" rest="${1#/}"
    cd -P "$1" || return
    [ "${PWD%/}/" != "$1" ] || return 0
    set --
    while [ -n "$rest" ]; do
        path=$path/${rest%%/*} rest=${rest#*/}
        set -- "$@" "$path"
    done
    for owner in $(stat -c %u "$@" && stat -L -c %u "$@"); do
        [ "$owner" = 0 ] || fail "a link leads away from $path, and root has not laid all of the way"
    done
}

# Goes into a folder that nobody else gets into, also where the folder around it is a user's.
enter_staging() {
    local around="${PWD%/}"
    if [ -d .tvm-new ] && ! [ -L .tvm-new ]; then
        # What an earlier run has left, and nothing that somebody has laid in its place.
        (cd -P .tvm-new && [ "$PWD $(stat -c '%u %a' .)" = "$around/.tvm-new 0 700" ] && empty_staging) ||
            fail "$around/.tvm-new is somebody else's"
        rmdir .tvm-new || return
    fi
    rm -f .tvm-new && (umask 077 && mkdir .tvm-new) && cd -P .tvm-new || return
    [ "$PWD" = "$around/.tvm-new" ] || fail "$around changes while it is written to"
}

empty_staging() { rm -rf new new.deep old; }

leave_staging() { empty_staging && cd .. && rmdir .tvm-new; }

place() {
    local status
    enter_staging || return
    (umask 077 && cp -- "$1" new) && chown -- "$3" new && chmod -- "$4" new && mv -fT new "../${2##*/}"
    status=$?
    leave_staging && return "$status"
}

take_a_unpack() {
    verified "$1" || return
    format=$2 into=$3 strip=$4
    (umask 022 && mkdir -p -- "${into%/*}/" && enter "${into%/*}/" && place_folder "${into##*/}") || return
    with "$file" link make_link
}

# The old one stays until the new one is whole.
place_folder() {
    local status
    enter_staging || return
    # Folders that the archive does not list are made on the way, and others have to get through.
    (umask 022 && mkdir new && unpack) &&
        if [ -e "../$1" ] || [ -L "../$1" ]; then mv -T "../$1" old; fi &&
        mv -T new "../$1"
    status=$?
    leave_staging && return "$status"
}

unpack() {
    case $format in
    tar) set -- -x ;;
    tar.gz) set -- -xz ;;
    tar.xz) set -- -xJ ;;
    tar.bz2) set -- -xj ;;
    tar.zst)
        zstd -dc -- "$artifact" | tar -x --no-same-owner -C new --strip-components "$strip" -f -
        return
        ;;
    zip)
        unzip_into new
        return
        ;;
    esac
    tar "$@" --no-same-owner -C new --strip-components "$strip" -f "$artifact"
}

unzip_into() {
    if command -v unzip >/dev/null; then
        unzip -q "$artifact" -d "$1" || return
    elif command -v python3 >/dev/null; then
        # `python3 -m zipfile` would lose what is a program and what is not.
        python3 - "$artifact" "$1" <<'EOF' || return
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    for entry in archive.infolist():
        path = archive.extract(entry, sys.argv[2])
        os.chmod(path, (entry.external_attr >> 16) & 0o755 | (0o755 if entry.is_dir() else 0o644))
EOF
    else
        fail 'nothing here unpacks zip: neither unzip nor python3'
    fi
    level=0
    while [ "$level" -lt "$strip" ]; do
        strip_level "$1" || return
        level=$((level + 1))
    done
}

# What tar does with --strip-components=1: what lies in folders comes up, and other files go.
strip_level() {
    local inner
    mv "$1" "$1.deep" && mkdir "$1" || return
    for inner in "$1.deep"/*/ "$1.deep"/.[!.]*/; do
        if [ -d "$inner" ] && ! [ -L "${inner%/}" ]; then cp -a "$inner." "$1/" || return; fi
    done
    rm -rf "$1.deep"
}

make_link() {
    (umask 022 && mkdir -p -- "${1%/*}/" && enter "${1%/*}/" && ln -sfn -- "$into/$2" "./${1##*/}")
}

take_a_image() {
    verified "$1" || return
    if command -v docker >/dev/null; then
        docker load -i "$artifact"
    elif command -v podman >/dev/null; then
        podman load -i "$artifact"
    else
        fail 'neither docker nor podman is here to take the image'
    fi
}

take_a_file() { put "$here/payload/$1" "$2" "$3" "$4"; }

take_a_run() {
    user=$1 input=/dev/null
    [ -z "$2" ] || input=$here/payload/$2
    set --
    with "$file" variable add_variable
    todo=yes
    with "$file" unless is_done
    [ -n "$todo" ] || {
        echo 'nothing to do'
        return 0
    }
    with "$file" command run_as "$user"
}

add_variable() { export "${1?}"; }
is_done() { if as_user "$@" </dev/null >/dev/null 2>&1; then todo=; fi; }
run_as() { as_user "$@" <"$input"; }

as_user() {
    if [ "$user" = root ]; then
        # Never a function of this script.
        command -- "$@"
    elif command -v runuser >/dev/null; then
        runuser -u "$user" -- "$@"
    else
        # shellcheck disable=SC2016
        su -s /bin/sh "$user" -c 'exec "$@"' sh "$@"
    fi
}

take_a_unit() {
    case $init in
    systemd)
        put "$here/payload/$2" "/etc/systemd/system/$1.service" root:root 0644 && systemctl daemon-reload
        ;;
    openrc) put "$here/payload/$3" "/etc/init.d/$1" root:root 0755 ;;
    *) fail 'this guest has no init that is known: systemd or OpenRC' ;;
    esac
}

take_a_start() {
    umask 022
    : >"$mine/unready"
    case $init in
    systemd)
        # A unit that only others want cannot be enabled, and need not be.
        systemctl enable --quiet -- "$1" 2>/dev/null
        if [ -e "$mine/restart" ]; then
            systemctl restart -- "$1"
        elif [ -e "$mine/reload" ]; then
            systemctl reload-or-restart -- "$1"
        else
            systemctl start -- "$1"
        fi || {
            journalctl -q --no-pager -n 20 -u "$1" 2>/dev/null
            return 1
        }
        ;;
    openrc)
        rc-update --quiet add "$2" default 2>/dev/null
        verb=start
        if [ -e "$mine/restart" ] || [ -e "$mine/reload" ]; then verb=restart; fi
        # From where on its log is that of this start.
        if [ "$verb" = restart ] || ! unit_runs "$1" "$2"; then
            { cat "/var/log/$2.log" 2>/dev/null || :; } | wc -c >"$mine/log"
        fi
        rc-service "$2" "$verb" || {
            tail -n 20 "/var/log/$2.log" 2>/dev/null
            return 1
        }
        ;;
    *) fail 'this guest has no init that is known: systemd or OpenRC' ;;
    esac
    rm -f "$mine/restart" "$mine/reload"
}

# The unit may fail for a moment, and no longer; its time limit is the step's.
take_a_ready() {
    by=$1 unit=$2 openrc=$3 grace=$4
    [ "$by" = host ] || await_ready || return
    rm -f "$mine/unready"
}

await_ready() {
    failed=0
    good=0
    while :; do
        if [ -z "$unit" ] || unit_runs "$unit" "$openrc"; then
            failed=0
            good=$((good + 1))
            case $by in
            unit) [ "$good" -le 2 ] || return 0 ;;
            command) if with "$file" command is_ready; then return 0; fi ;;
            journal) if with "$file" text in_log; then return 0; fi ;;
            esac
        else
            good=0
            failed=$((failed + 1))
            if [ "$failed" -gt $((2 * grace)) ]; then
                show_log
                fail "the unit $unit does not run"
            fi
        fi
        sleep 0.5 2>/dev/null || sleep 1
    done
}

is_ready() { command -- "$@" </dev/null >/dev/null 2>&1; }

in_log() {
    if [ "$init" = systemd ]; then
        since=$(systemctl show -p InvocationID --value -- "$unit")
        journalctl -q --no-pager -o cat "_SYSTEMD_INVOCATION_ID=$since" 2>/dev/null | grep -qF -e "$1"
    else
        from=0
        if [ -r "$mine/log" ]; then read -r from <"$mine/log"; fi
        tail -c "+$((from + 1))" "/var/log/$openrc.log" 2>/dev/null | grep -qF -e "$1"
    fi
}

show_log() {
    if [ "$init" = systemd ]; then
        journalctl -q --no-pager -n 20 -u "$unit" 2>/dev/null
    else
        tail -n 20 "/var/log/$openrc.log" 2>/dev/null
    fi
}

take_a_stop() {
    case $init in
    systemd)
        systemctl disable --quiet --now -- "$1" 2>/dev/null
        if systemctl is-active --quiet -- "$1"; then fail "the unit $1 still runs"; fi
        if [ -e "/etc/systemd/system/$1.service" ]; then
            rm -f -- "/etc/systemd/system/$1.service" && systemctl daemon-reload
        fi
        ;;
    openrc)
        rc-service "$2" stop 2>/dev/null
        rc-update --quiet del "$2" 2>/dev/null
        if rc-service --quiet "$2" status >/dev/null 2>&1; then fail "the service $2 still runs"; fi
        # A package's own script is the package's.
        if grep -qs 'Made by trustnet-vm' "/etc/init.d/$1"; then rm -f "/etc/init.d/$1"; fi
        ;;
    esac
    return 0
}

take_a_remove() {
    with "$file" path remove_path
    with "$file" packages remove_packages
}

remove_path() { rm -rf -- "${1:?}"; }

# Those that are there: a definition names what they are called with each package manager.
remove_packages() {
    for package; do
        shift
        if is_installed "$package"; then set -- "$@" "$package"; fi
    done
    [ "$#" -gt 0 ] || return 0
    case $manager in
    apt) apt-get -q -y -o DPkg::Lock::Timeout=300 remove -- "$@" ;;
    dnf) dnf -y remove "$@" ;;
    apk) apk del "$@" ;;
    esac
}

main "$@"
