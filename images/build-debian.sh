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
# An unprivileged user's PATH lacks what makes file systems.
PATH=$PATH:/usr/sbin:/sbin

# The sectors between the partition table and the first MiB hold GRUB's core image for PC firmware.
BIOS_SECTOR=34
# How each GRUB finds the one configuration, in the root file system.
SEARCH='search --no-floppy --set=root --label root
configfile /boot/grub/grub.cfg'

say() { printf 'image: %s\n' "$*" >&2; }

main() {
    work=$(mktemp -d "${TMPDIR:-/tmp}/trustnet-image.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM
    # In a user namespace the finishing hook is another user here.
    chmod 0711 "$work"
    mkdir -m 1777 "$work/out"

    # The hooks run with the guest's root as $1; they call this script again. In a user namespace they cannot read what
    # is only the builder's to read, so all they need lies here.
    self=$work/hook
    install -m 0755 "$0" "$self"
    tar -C "$OVERLAY" --owner=0 --group=0 --mode=u=rwX,go=rX -cf "$work/overlay.tar" .
    chmod 0644 "$work/overlay.tar"
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
    tar -C "$1" -xf "$work/overlay.tar"
}

# Hook: makes the installed root anybody's and nobody's, and packs it.
finish() {
    root=$1
    # Debian's signed boot chain boots with and without Secure Boot; the guest itself has no use for the packages.
    mkdir "$work/out/boot"
    (cd "$work/out/boot" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq download shim-signed grub-efi-amd64-signed) >&2
    for package in "$work"/out/boot/*.deb; do
        dpkg-deb --extract "$package" "$work/out/boot"
    done
    cp "$work/out/boot/usr/lib/shim/shimx64.efi.signed" \
        "$work/out/boot/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$work/out/"
    rm -r "$work/out/boot"

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
        "$root"/var/log/* "$root"/var/tmp/*
    mkdir -p "$root/var/cache/apt/archives/partial" "$root/var/lib/apt/lists/partial"

    # One boot configuration for all firmware; the links follow the kernel that the guest has installed last.
    mkdir -p "$root/boot/grub"
    cat >"$root/boot/grub/grub.cfg" <<GRUB
linux /vmlinuz $COMMAND_LINE
initrd /initrd.img
boot
GRUB

    # A bind mount that is not recursive shows the root without /proc, /sys and /dev. The guest's /tmp is hidden, not
    # emptied: mmdebstrap keeps its own apt configuration there, and without that its next apt-get would be the host's.
    mkdir "$work/out/view"
    mount --bind "$root" "$work/out/view"
    mount -t tmpfs -o mode=1777 tmpfs "$work/out/view/tmp"
    say "packing $(du -sm --one-file-system "$work/out/view" | cut -f1) MiB into a root file system of $ROOT_MIB MiB"
    # Features are named where newer tools than the guest's would choose others.
    mke2fs -q -F -t ext4 -L root -m 1 -O ^metadata_csum_seed,^orphan_file \
        -d "$work/out/view" "$work/out/root.ext4" "${ROOT_MIB}M"
    umount "$work/out/view/tmp" "$work/out/view"
    rmdir "$work/out/view"
    chmod 0666 "$work"/out/*
}

# GRUB for PC firmware: a core image that finds the root file system by its label.
embed() {
    cat >"$1/core.cfg" <<CORE
$SEARCH
CORE
    grub-mkimage -O i386-pc -o "$1/core.img" -p /boot/grub -c "$1/core.cfg" \
        biosdisk part_gpt ext2 search normal configfile linux
    cp /usr/lib/grub/i386-pc/boot.img "$1/boot.img"
    # What grub-install writes where a device is at hand: boot.img loads the sector in its bytes 92 to 99, and the
    # first sector of the core image names in its bytes 500 to 507 where the rest of it begins.
    little_endian_64 "$BIOS_SECTOR" | dd of="$1/boot.img" bs=1 seek=92 conv=notrunc status=none
    little_endian_64 "$((BIOS_SECTOR + 1))" | dd of="$1/core.img" bs=1 seek=500 conv=notrunc status=none
    dd if="$1/boot.img" of="$2" bs=440 count=1 conv=notrunc status=none
    dd if="$1/core.img" of="$2" bs=512 seek="$BIOS_SECTOR" conv=notrunc status=none
}

little_endian_64() {
    number=$1
    for _ in 1 2 3 4 5 6 7 8; do
        # shellcheck disable=SC2059 # the format is the byte
        printf "\\$(printf %03o $((number & 255)))"
        number=$((number >> 8))
    done
}

# Lays everything into a GPT: boot sectors and ESP first, the root last so that it can grow.
assemble() {
    disk=$1/disk.raw
    root_start=$((1 + ESP_MIB))
    truncate -s "$((root_start + ROOT_MIB + 1))M" "$disk"
    sgdisk --clear --set-alignment 1 \
        --new "14:$BIOS_SECTOR:2047" --typecode 14:ef02 --change-name 14:bios \
        --new "15:1M:+${ESP_MIB}M" --typecode 15:ef00 --change-name 15:esp \
        --new "1:${root_start}M:+${ROOT_MIB}M" --typecode 1:8304 --change-name 1:root \
        "$disk" >/dev/null
    embed "$1" "$disk"

    esp=$1/esp.vfat
    printf '%s\n' "$SEARCH" >"$1/grub.cfg"
    mkfs.vfat -n ESP -C "$esp" "$((ESP_MIB * 1024))" >/dev/null
    mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/debian
    mcopy -i "$esp" "$1/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -i "$esp" "$1/grubx64.efi.signed" ::/EFI/BOOT/grubx64.efi
    mcopy -i "$esp" "$1/grub.cfg" ::/EFI/debian/grub.cfg

    dd if="$esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$1/root.ext4" of="$disk" bs=1M seek="$root_start" conv=notrunc,sparse status=none
}

case ${1-} in
overlay | finish) "$@" ;;
*) main ;;
esac
