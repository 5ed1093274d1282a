#!/bin/sh
# Looks at this guest for the host, which runs it as `sh -c`, and now and then mends something small.
#
#   facts                       what the guest has: sections, each `=NAME` and lines behind a blank
#   units [UNIT OPENRC]…        a line each: active, starting, failed or stopped
#   journal UNIT OPENRC TEXT    ends with 0 where the text is in the unit's log since its start
#   limited SECONDS COMMAND…    runs a command without input, and stops it when its time is up
#   log UNIT OPENRC LINES [-f]  the last lines of a unit's log
#   restart UNIT OPENRC         restarts a unit
#   unit VERB UNIT OPENRC       starts, stops or disables a unit: VERB is start, stop or disable
#   mount PATH                  mounts what fstab has for that path
set -u
export LC_ALL=C PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

main() {
    mode=$1
    shift
    if [ -d /run/systemd/system ]; then
        init=systemd
    elif command -v rc-service >/dev/null && [ -d /run/openrc ]; then
        init=openrc
    else
        init=none
    fi
    case $mode in
    facts) facts ;;
    units) units "$@" ;;
    journal) journal "$@" ;;
    limited) limited "$@" ;;
    log) log "$@" ;;
    restart) restart "$@" ;;
    unit) unit "$@" ;;
    mount) exec mount "$1" ;;
    esac
}

# A section from standard input. What a guest's log holds cannot begin another one.
section() {
    printf '=%s\n' "$1"
    sed 's/^/ /'
    echo
}

facts() {
    echo "$init" | section init
    date +%s | section time
    cut -d ' ' -f 1 /proc/uptime | section uptime
    grep -E '^(MemTotal|MemAvailable):' /proc/meminfo | section memory
    grep some /proc/pressure/memory 2>/dev/null | section pressure
    cut -d ' ' -f 2-4 /proc/self/mounts | section mounts
    df -P -k 2>/dev/null | section disks
    df -P -i 2>/dev/null | section inodes
    dmesg 2>/dev/null | grep -E 'Out of memory|oom-kill:|Memory cgroup out of memory' | tail -n 5 | section oom
    case $init in
    systemd) systemctl list-units --failed --plain --no-legend --no-pager 2>/dev/null ;;
    openrc) rc-status --nocolor --crashed 2>/dev/null ;;
    esac | section failed
    printf '=end\n'
}

units() {
    while [ $# -ge 2 ]; do
        state=stopped
        case $init in
        systemd)
            case $(systemctl is-active "$1" 2>/dev/null) in
            active | reloading) state=active ;;
            activating) state=starting ;;
            failed) state=failed ;;
            esac
            ;;
        openrc)
            if rc-service --quiet "$2" status >/dev/null 2>&1; then
                state=active
            elif [ $? -eq 32 ]; then
                state=failed
            fi
            ;;
        esac
        echo "$state"
        shift 2
    done
}

journal() {
    if [ "$init" = systemd ]; then
        since=$(systemctl show -p InvocationID --value "$1")
        journalctl -q --no-pager -o cat "_SYSTEMD_INVOCATION_ID=$since" 2>/dev/null | grep -qF -e "$3"
    else
        grep -qF -e "$3" "/var/log/$2.log" 2>/dev/null
    fi
}

limited() {
    seconds=$1
    shift
    if timeout -k 2 1 true 2>/dev/null; then
        exec timeout -k 2 "$seconds" "$@" </dev/null
    elif timeout 1 true 2>/dev/null; then
        exec timeout "$seconds" "$@" </dev/null
    fi
    exec "$@" </dev/null
}

log() {
    if [ "$init" = systemd ]; then
        exec journalctl -q --no-pager -o short-iso -n "$3" -u "$1" ${4+"$4"}
    fi
    if ! [ -e "/var/log/$2.log" ]; then
        echo "there is no journal, and no /var/log/$2.log" >&2
        exit 1
    fi
    # Under another name when it is rotated: the new file is read.
    exec tail -n "$3" ${4+-F} "/var/log/$2.log"
}

restart() {
    case $init in
    systemd) exec systemctl restart "$1" ;;
    openrc) exec rc-service "$2" restart ;;
    *) no_init ;;
    esac
}

unit() {
    case $init:$1 in
    systemd:*) exec systemctl "$1" "$2" ;;
    openrc:disable)
        # It is in the runlevel that the guest boots into, or in none.
        [ ! -e "/etc/runlevels/default/$3" ] || exec rc-update del "$3" default
        ;;
    openrc:*) exec rc-service "$3" "$1" ;;
    *) no_init ;;
    esac
}

no_init() {
    echo 'this guest has no init that is known: systemd or OpenRC' >&2
    exit 1
}

main "$@"
