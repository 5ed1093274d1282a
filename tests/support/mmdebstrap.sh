#!/bin/sh
# Stands in for mmdebstrap: a small root with BusyBox in place of Debian's packages, and the same hooks. Everything behind
# them is as it is.
set -eu
case ${1-} in
--unshare-helper)
    shift
    exec "$@"
    ;;
--inside) shift ;;
*)
    # In a mount namespace of its own, and in one of processes, which end with the first of them.
    [ "$(id -u)" -eq 0 ] || user="--user --map-root-user"
    # shellcheck disable=SC2086 # words
    unshare ${user-} --mount --pid --fork --kill-child "$0" --inside "$@" &
    child=$!
    trap 'kill -9 "$child"; wait "$child" || true; rm -rf "$TMPDIR/chroot"; exit 143' TERM
    wait "$child"
    exit
    ;;
esac

root=$TMPDIR/chroot
mkdir -p "$root/bin" "$root/etc/apt" "$root/etc/systemd/system" "$root/etc/ssh" "$root/var/lib/apt/lists" \
    "$root/var/lib/dpkg" "$root/var/cache/apt" "$root/var/cache/debconf" "$root/var/log" "$root/var/tmp" \
    "$root/var/lib/dbus" "$root/tmp" "$root/boot"
busybox=$(command -v busybox)
cp "$busybox" "$root/bin/sh"
# Its libraries, where it has some.
ldd "$busybox" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$root${library%/*}"
    cp -L "$library" "$root$library"
done
# What differs from build to build: times, and an order.
date +%N >"$root/var/log/now"
for name in $(printf '%s\n' one two three four five six | shuf); do
    echo "$name" >"$root/etc/$name"
done
ln -s six "$root/etc/seven"
mkfifo "$root/blocks"

# The archives that come last on the command line.
prefix=$(echo "$BUILD_MIRROR" | tr / _)
# shellcheck disable=SC2153 # a variable of the script that calls
for suite in "$SUITE" "$SUITE-updates" "$SUITE-security"; do
    cp "${BUILD_MIRROR#file://}/dists/$suite/InRelease" "$root/var/lib/apt/lists/${prefix}_dists_${suite}_InRelease"
done

export MMDEBSTRAP_APT_CONFIG=/dev/null
for argument; do
    case $argument in
    --essential-hook=* | --customize-hook=*) sh -c "${argument#*=}" exec "$root" ;;
    esac
done
rm -rf "$root"
