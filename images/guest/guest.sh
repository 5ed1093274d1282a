#!/bin/sh
# The host's side of a guest that cloud-init has just brought up: tells the host how far the boot is,
# lets the host's login key in, and mounts the data disks.
#
# cloud-init runs this as a boothook: at every boot, once the network is configured. What differs
# between VMs stands in lines above this one:
#
#   login_key   a line for root's authorized_keys, or empty
#   disks       a function that calls `disk SERIAL FILESYSTEM MOUNTPATH` for each data disk;
#               MOUNTPATH is empty where the disk is not to be mounted
#
# The host reads the virtio-serial port named below: a line, a JSON object. Whoever connects to the
# port gets all lines of this boot from the first one on, and again for each line that it sends; the
# host tells them apart by `boot` and `seq`.
set -u
umask 077
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

: "${login_key=}"
command -v disks >/dev/null || disks() { :; }

port_name=io.trustnet.vm.status
state=/run/trustnet-vm
reports=$state/reports
log=/var/log/cloud-init-output.log

main() {
    case ${1-boothook} in
    boothook)
        # One run a boot is enough, also where somebody runs cloud-init again by hand.
        mkdir "$state" 2>/dev/null || exit 0
        cp "$0" "$state/guest.sh"
        : >"$reports"
        emit booted
        detach serve
        authorize
        disks
        detach watch
        ;;
    serve) serve ;;
    watch) watch ;;
    esac
}

# Runs another part of this script that outlives cloud-init's own service.
detach() {
    if [ -d /run/systemd/system ]; then
        # cloud-init runs before the basic target; the default dependencies would wait for that.
        systemd-run --quiet --no-block --collect --unit="trustnet-vm-$1" \
            --description="trustnet-vm guest reports ($1)" \
            -p DefaultDependencies=no -p Conflicts=shutdown.target -p Before=shutdown.target \
            -p KillMode=control-group -p TimeoutStopSec=2 -p OOMScoreAdjust=-500 \
            /bin/sh "$state/guest.sh" "$1" && return
    fi
    if command -v setsid >/dev/null; then
        setsid /bin/sh "$state/guest.sh" "$1" </dev/null >/dev/null 2>&1 &
    else
        (trap '' HUP && exec /bin/sh "$state/guest.sh" "$1" </dev/null >/dev/null 2>&1) &
    fi
}

# --- reports -----------------------------------------------------------------------------------------

# emit PHASE [MEMBER ...]: adds a line to this boot's reports. Each MEMBER is `"name":value`, JSON already.
# Only one process emits at a time: the boothook first, `watch` after it.
emit() {
    phase=$1
    shift
    line=$(printf '{"v":1,"seq":%d,"boot":"%s","at":%s,"phase":"%s"' \
        "$(($(wc -l <"$reports") + 1))" "$(cat /proc/sys/kernel/random/boot_id)" "$(date +%s)" "$phase")
    for member; do
        line="$line,$member"
    done
    printf '%s}\n' "$line" >>"$reports"
}

# Text from stdin as a JSON string of harmless characters.
json_text() {
    text=$(tr '\n\t\042\134' '  \047/' | tr -cd ' -~' | cut -c 1-500)
    printf '"%s"' "${text% }"
}

# A file as a JSON string of its base64, or null.
json_file() {
    if [ -s "$1" ]; then printf '"%s"' "$(base64 <"$1" | tr -d '\n')"; else printf null; fi
}

# Sends this boot's reports to the host, from the first one, whenever and as often as it connects.
#
# While no host listens, writing to the port waits and reading ends at once; while one listens,
# reading waits until it sends something or leaves. A host that is gone and back before this is seen
# is noticed only by what it sends, so it sends an empty line. Nothing here polls. Only one process
# may open the port.
serve() {
    find_port || exit 0
    exec 3<>"$port" || exit 1
    # An empty line first: what an earlier connection left half-sent ends there.
    while printf '\n' >&3; do
        tail -n +1 -f "$reports" >&3 &
        follower=$!
        read -r _ <&3
        kill "$follower" 2>/dev/null
        wait "$follower" 2>/dev/null
    done
}

find_port() {
    modprobe -q virtio_console 2>/dev/null
    tries=0
    while [ "$tries" -lt 30 ]; do
        for name in /sys/class/virtio-ports/*/name; do
            if [ -r "$name" ] && [ "$(cat "$name")" = "$port_name" ]; then
                port=/dev/$(basename "$(dirname "$name")")
                [ -c "$port" ] && return
            fi
        done
        sleep 1
        tries=$((tries + 1))
    done
    return 1
}

# Follows the boot to its end.
watch() {
    await 30 network_settled
    known=$(addresses)
    emit network "\"addresses\":[$known]"

    # The last stage writes the result; a last stage that failed before that never will.
    await 0 cloud_init_ended
    if [ "$known" != "$(addresses)" ]; then
        emit network "\"addresses\":[$(addresses)]"
    fi
    set -- "\"status\":$(json_file /run/cloud-init/status.json)" "\"result\":$(json_file /run/cloud-init/result.json)"
    if ! cloud_init_went_well; then
        # The tables of addresses and routes say nothing here.
        grep -v '^ci-info: ' "$log" 2>/dev/null | tail -n 40 | tail -c 16384 >"$state/log"
        set -- "$@" "\"log\":$(json_file "$state/log")"
    fi
    emit cloud-init "$@"

    authorize
    if command -v sshd >/dev/null || command -v dropbear >/dev/null; then
        if await 30 ssh_listens; then emit ready '"ssh":true'; else emit ready '"ssh":false'; fi
    else
        emit ready '"ssh":false'
    fi
}

# await SECONDS CONDITION: 0 seconds is for ever.
await() {
    half_seconds=0
    until "$2"; do
        [ "$1" -eq 0 ] || [ "$half_seconds" -lt $((2 * $1)) ] || return 1
        sleep 0.5 2>/dev/null || sleep 1
        half_seconds=$((half_seconds + 1))
    done
}

network_settled() { [ -n "$(addresses)" ] || cloud_init_ended; }

# The global addresses, as JSON objects with commas between them.
addresses() {
    ip -o addr show scope global 2>/dev/null | while read -r _ name family address _; do
        case $family in inet | inet6) ;; *) continue ;; esac
        mac=$(cat "/sys/class/net/${name%%@*}/address" 2>/dev/null)
        printf '{"interface":%s,"mac":%s,"address":%s}\n' "$(echo "${name%%@*}" | json_text)" \
            "$(echo "$mac" | json_text)" "$(echo "$address" | json_text)"
    done | paste -s -d , -
}

cloud_init_ended() {
    [ -e /run/cloud-init/result.json ] && return
    [ $((half_seconds % 20)) -eq 19 ] && [ -d /run/systemd/system ] || return 1
    # One call for all of them: on an emulated processor each costs a tenth of a second.
    states=$(systemctl show -p ActiveState cloud-final.service cloud-init-local.service cloud-init.service \
        cloud-init-main.service cloud-init-network.service cloud-config.service)
    case $states in
    # Its own comes first.
    ActiveState=activating*) ;;
    *ActiveState=failed*)
        # Time for a result that is being written just now.
        sleep 2
        return 0
        ;;
    esac
    return 1
}

# True only for certain; the host judges.
cloud_init_went_well() {
    [ -e /run/cloud-init/result.json ] && tr -d ' \n' </run/cloud-init/result.json | grep -q '"errors":\[\]'
}

# A socket listens on port 22 of any address.
ssh_listens() { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q '^ *[0-9]*: [0-9A-F]*:0016 [0-9A-F]*:0000 0A '; }

# --- login -------------------------------------------------------------------------------------------

# Adds the host's login key to root's, and leaves what stands there.
authorize() {
    [ -n "$login_key" ] || return 0
    file=/root/.ssh/authorized_keys
    [ -d /root/.ssh ] || mkdir -m 700 /root/.ssh || return
    grep -qxF -e "$login_key" "$file" 2>/dev/null && return
    # The last line may lack its end.
    if [ -s "$file" ] && [ -n "$(tail -c 1 "$file")" ]; then echo >>"$file"; fi
    printf '%s\n' "$login_key" >>"$file"
    if command -v restorecon >/dev/null; then restorecon -RF /root/.ssh; fi
}

# --- data disks --------------------------------------------------------------------------------------

# disk SERIAL FILESYSTEM MOUNTPATH: mounts the disk; makes the file system first on a disk that is empty.
disk() {
    if ! reason=$(mount_disk "$@" 2>&1); then
        emit booted "\"failure\":$(printf 'disk %s for %s: %s' "$1" "$3" "${reason:-no reason given}" | json_text)"
    fi
}

mount_disk() {
    device=$(find_disk "$1") || { echo "not found"; return 1; }
    if facts=$(blkid -p -o export "$device" 2>/dev/null); then
        :
    elif is_blank "$device"; then
        "mkfs.$2" -q -L "$1" "$device" </dev/null || return
        facts=$(blkid -p -o export "$device") || { echo "has no file system after mkfs.$2"; return 1; }
    else
        echo "holds something that is no file system; left alone"
        return 1
    fi
    kind=$(printf '%s\n' "$facts" | sed -n 's/^TYPE=//p')
    uuid=$(printf '%s\n' "$facts" | sed -n 's/^UUID=//p')
    # Swap, encrypted disks and parts of volume groups have UUIDs too.
    case $facts in *USAGE=filesystem*) ;; *) uuid= ;; esac
    case $uuid in
    '' | *[!0-9A-Za-z-]*) echo "holds ${kind:-partitions}, no file system with a UUID; left alone"; return 1 ;;
    esac
    [ -n "$3" ] || return 0
    (umask 022 && mkdir -p "$3") || return
    place=$(printf '%s' "$3" | sed 's/\\/\\134/g; s/ /\\040/g; s/	/\\011/g; s/#/\\043/g')
    remember "UUID=$uuid $place $kind defaults,nofail 0 2" "$place" || return
    # It may be mounted already, by fstab or by systemd just now.
    mountpoint -q "$3" || mount "$3" || mountpoint -q "$3"
}

find_disk() {
    for serial in /sys/block/*/serial; do
        if [ -r "$serial" ] && [ "$(cat "$serial")" = "$1" ]; then
            device=/dev/$(basename "$(dirname "$serial")")
            [ -b "$device" ] && echo "$device" && return
        fi
    done
    return 1
}

# Nothing known to blkid, and nothing but zeros at both ends.
is_blank() {
    command -v blkid >/dev/null || return 1
    blkid -p "$1" >/dev/null 2>&1
    [ $? -eq 2 ] || return 1
    size=$(blockdev --getsize64 "$1") || return 1
    [ "$size" -gt 0 ] || return 1
    blocks=$((size / 65536))
    [ "$(dd if="$1" bs=65536 count=64 2>/dev/null | tr -d '\000' | wc -c)" -eq 0 ] || return 1
    [ "$blocks" -le 64 ] || [ "$(dd if="$1" bs=65536 skip=$((blocks - 16)) 2>/dev/null | tr -d '\000' | wc -c)" -eq 0 ]
}

# remember LINE PLACE: puts the line in fstab, instead of an earlier one of ours for the same place.
# Somebody else's line for that place stays, and wins.
remember() {
    ours='^UUID=[0-9A-Za-z-]* [^ ]* [a-z0-9]* defaults,nofail 0 2$'
    if [ -e /etc/fstab ]; then
        grep -qxF -e "$1" /etc/fstab && return
        if place=$2 awk '$1 !~ /^#/ && $2 == ENVIRON["place"]' /etc/fstab | grep -qv -e "$ours"; then return; fi
        place=$2 ours=$ours awk '!($2 == ENVIRON["place"] && $0 ~ ENVIRON["ours"])' /etc/fstab >"$state/fstab" || return
    else
        : >"$state/fstab"
    fi
    printf '%s\n' "$1" >>"$state/fstab"
    cat "$state/fstab" >/etc/fstab.trustnet-vm && chmod 644 /etc/fstab.trustnet-vm && mv /etc/fstab.trustnet-vm /etc/fstab
}

main "$@"
