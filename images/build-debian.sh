#!/bin/sh
# Builds a bootable Debian image from packages alone: no image download, no loop device, no root
# (where mmdebstrap may use a user namespace). Driven by `cargo xtask image`, which turns a recipe
# into these variables:
#
#   SUITE ARCHITECTURE PACKAGES MASK COMMAND_LINE ROOT_MIB ESP_MIB   what the recipe says
#   MIRROR SECURITY_MIRROR                what the guest's own apt will use
#   BUILD_MIRROR BUILD_SECURITY_MIRROR    where this build fetches from
#   OVERLAY                               a directory that is laid over the guest's root
#   OUTPUT                                the qcow2 file to write
set -eu

say() { printf 'image: %s\n' "$*" >&2; }

main() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/trustnet-image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    # In a user namespace the finishing hook is another user here.
    chmod 0711 "$work"
    mkdir -m 1777 "$work/out"

    # The hooks run with the guest's root as $1; they call this script again.
    self=$(realpath "$0")
    export self work

    say "installing $SUITE with $(echo "$PACKAGES" | wc -w) packages and what they need"
    set -- --variant=minbase --architectures="$ARCHITECTURE" --format=null
    while read -r option; do
        [ -z "$option" ] || set -- "$@" --aptopt="$option"
    done <<OPTIONS
$(fetch_options)
OPTIONS
    # Manuals and translations are most of a small image; licences stay.
    for hidden in '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '/usr/share/info/*'; do
        set -- "$@" --dpkgopt="path-exclude=$hidden"
    done
    set -- "$@" --dpkgopt='path-include=/usr/share/doc/*/copyright'
    # shellcheck disable=SC2016 # the hooks' own shell expands these
    mmdebstrap "$@" \
        --include="$(echo "$PACKAGES" | tr -s ' \n' ',,')" \
        --essential-hook='"$self" overlay "$1"' \
        --customize-hook='"$self" finish "$1"' \
        "$SUITE" - \
        "deb $BUILD_MIRROR $SUITE main" \
        "deb $BUILD_MIRROR $SUITE-updates main" \
        "deb $BUILD_SECURITY_MIRROR $SUITE-security main" >&2

    unify "$work/out"
    assemble "$work/out"
    say "compressing"
    qemu-img convert -c -f raw -O qcow2 "$work/out/disk.raw" "$OUTPUT"
}

# How the host's apt fetches (proxies, clocks of mirrors) holds for the build too.
fetch_options() {
    apt-config dump 2>/dev/null |
        grep -E '^Acquire::(http::Proxy|https::Proxy|Check-Valid-Until|Check-Date|Retries) ' || true
}

# Hook: the recipe's own files, before the kernel's package makes an initrd by them.
overlay() {
    tar -C "$OVERLAY" --owner=0 --group=0 --mode=u=rwX,go=rX -c . | tar -C "$1" -x
}

# Hook: makes the installed root anybody's and nobody's, and packs it.
finish() {
    root=$1
    for unit in $MASK; do
        ln -sf /dev/null "$root/etc/systemd/system/$unit"
    done
    # Each guest makes its own identity. An empty machine-id is not a "first boot", which would apply all presets anew.
    rm -f "$root"/etc/ssh/ssh_host_* "$root/var/lib/dbus/machine-id"
    : >"$root/etc/machine-id"
    echo localhost >"$root/etc/hostname"
    printf '127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n' >"$root/etc/hosts"
    ln -sf ../run/systemd/resolve/stub-resolv.conf "$root/etc/resolv.conf"
    # The guest's apt knows the recipe's mirror and nothing of the build.
    cat >"$root/etc/apt/sources.list" <<SOURCES
deb $MIRROR $SUITE main
deb $MIRROR $SUITE-updates main
deb $SECURITY_MIRROR $SUITE-security main
SOURCES
    rm -f "$root"/etc/apt/apt.conf.d/99mmdebstrap "$root"/etc/dpkg/dpkg.cfg.d/99mmdebstrap
    rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
        "$root"/var/log/* "$root"/tmp/* "$root"/var/tmp/*
    mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"

    cp "$root"/boot/vmlinuz-* "$work/out/linux"
    cp "$root"/boot/initrd.img-* "$work/out/initrd"
    cp "$root"/etc/os-release "$work/out/os-release"

    # A bind mount that is not recursive shows the root without /proc, /sys and /dev.
    mkdir "$work/out/view"
    mount --bind "$root" "$work/out/view"
    say "packing $(du -sm --one-file-system "$work/out/view" | cut -f1) MiB into a root file system of $ROOT_MIB MiB"
    # Features are named where newer tools than the guest's would choose others.
    mke2fs -q -F -t ext4 -L root -m 1 -O ^metadata_csum_seed,^orphan_file \
        -d "$work/out/view" "$work/out/root.ext4" "${ROOT_MIB}M"
    umount "$work/out/view"
    rmdir "$work/out/view"
    chmod 0644 "$work/out"/*
}

# Joins EFI stub, command line, kernel and initrd to one unified kernel image.
unify() {
    stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
    printf '%s\0' "$COMMAND_LINE" >"$1/cmdline"
    # The sections follow the stub's own, each on a page of its own.
    base=$(objdump -p "$stub" | awk '$1 == "ImageBase" { print $2 }')
    end=$(objdump -h "$stub" | awk '$1 ~ /^[0-9]+$/ { print $3, $4 }' |
        while read -r size address; do echo $((0x$size + 0x$address)); done | sort -n | tail -n 1)
    next=$(page $((end > 0x$base ? end : end + 0x$base)))
    set --  "$1"
    dir=$1
    shift
    for section in osrel:os-release cmdline:cmdline linux:linux initrd:initrd; do
        file=$dir/${section#*:}
        set -- "$@" --add-section ".${section%:*}=$file" --change-section-vma ".${section%:*}=$next"
        next=$(page $((next + $(stat -c %s "$file"))))
    done
    objcopy "$@" "$stub" "$dir/BOOTX64.EFI"
}

page() { echo $((($1 + 4095) / 4096 * 4096)); }

# Lays ESP and root file system into a GPT: the ESP first, the root last so that it can grow.
assemble() {
    disk=$1/disk.raw
    root_start=$((1 + ESP_MIB))
    truncate -s "$((root_start + ROOT_MIB + 1))M" "$disk"
    sgdisk --clear \
        --new "15:1M:+${ESP_MIB}M" --typecode 15:ef00 --change-name 15:esp \
        --new "1:${root_start}M:+${ROOT_MIB}M" --typecode 1:8304 --change-name 1:root \
        "$disk" >/dev/null
    mkfs.vfat -F 16 -s 8 -n ESP --offset 2048 "$disk" "$((ESP_MIB * 1024))" >/dev/null
    mmd -i "$disk@@1M" ::/EFI ::/EFI/BOOT
    mcopy -i "$disk@@1M" "$1/BOOTX64.EFI" ::/EFI/BOOT/BOOTX64.EFI
    dd if="$1/root.ext4" of="$disk" bs=1M seek="$root_start" conv=notrunc,sparse status=none
}

case ${1-} in
overlay | finish) "$@" ;;
*) main ;;
esac
