#!/bin/sh
# Builds a bootable Debian image from packages alone: no image download, no loop device, no root
# (where mmdebstrap may use a user namespace). `trustnet-vm image build` turns a recipe into these variables:
#
#   SUITE ARCHITECTURE PACKAGES MASK COMMAND_LINE ROOT_MIB ESP_MIB   what the recipe says
#   MIRROR SECURITY_MIRROR                what the guest's own apt will use
#   BUILD_MIRROR BUILD_SECURITY_MIRROR    where this build fetches from
#   CHECK_VALID_UNTIL                     `no` for an archive as it was once
#   OVERLAY                               a directory that is laid over the guest's root; may be empty
#   COMMANDS                              a directory of numbered scripts that run in the guest's root; may be empty
#   ROOT_UUID HASH_SEED DISK_GUID ROOT_GUID ESP_GUID BIOS_GUID ESP_SERIAL   identities, by the digest of all inputs
#   SOURCE_DATE_EPOCH                     the time that everything made here bears
#   WORK                                  a directory of this build's own, in which all else is made
#   LOCK                                  a file that is locked while anything of a build with this WORK goes on
#   OUTPUT                                the qcow2 file to write
#
# The same variables, files and archive give the same bytes with the same tools.
set -eu
# An unprivileged user's PATH lacks what makes file systems.
PATH=$PATH:/usr/sbin:/sbin
umask 022
export LC_ALL=C TZ=UTC PATH

# The sectors between the partition table and the first MiB hold GRUB's core image for PC firmware.
BIOS_SECTOR=34
# How each GRUB finds the one configuration, in the root file system.
SEARCH='search --no-floppy --set=root --label root
configfile /boot/grub/grub.cfg'
# What the hooks make: a folder that they make themselves, and nobody else may write to.
OUT=$WORK/shared/out
# How a script of the recipe that failed is told to the caller, and the archive's state by its name.
FAILED=$OUT/failed
RELEASES=$OUT/releases

say() { printf 'image: %s\n' "$*" >&2; }

# Whoever comes after a build that was killed waits for the last of its processes.
wait_for_others() {
    exec 9>"$LOCK"
    flock 9
}

main() {
    trap clean EXIT
    trap 'stop 130' INT
    trap 'stop 143' TERM
    # In a user namespace the hooks are another user here, who needs a place for a folder of his own.
    writable=1777
    [ "$(id -u)" -ne 0 ] || writable=0755
    chmod 0711 "$WORK"
    mkdir -m "$writable" "$WORK/shared"

    # The hooks run with the guest's root as $1; they call this script again. In a user namespace they cannot read what
    # is only the builder's to read, so all they need lies here.
    self=$WORK/hook
    install -m 0755 "$0" "$self"
    pack "$OVERLAY" "$WORK/overlay.tar"
    pack "$COMMANDS" "$WORK/commands.tar"
    # What is newer than this was made by the build.
    : >"$WORK/began"
    export self WORK

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
    # Sets of constants in compiled Python lie in the order of their hashes.
    export PYTHONHASHSEED=0
    # shellcheck disable=SC2016 # the hooks' own shell expands these
    TMPDIR=$WORK mmdebstrap "$@" \
        --include="$(echo "$PACKAGES" | tr -s ' \n' ',,')" \
        --essential-hook='"$self" overlay "$1"' \
        --customize-hook='"$self" commands "$1"' \
        --customize-hook='"$self" finish "$1"' \
        "$SUITE" - \
        "deb $BUILD_MIRROR $SUITE main" \
        "deb $BUILD_MIRROR $SUITE-updates main" \
        "deb $BUILD_SECURITY_MIRROR $SUITE-security main" >&2 &
    child=$!
    wait "$child"
    child=

    # From here on nobody else has a hand in it: what the hook made is its own user's where that is another.
    private=$WORK/disk
    mkdir -m 0700 "$private"
    if [ "$(id -u)" -eq 0 ]; then
        mv "$OUT/root.ext4" "$OUT"/*.signed "$private"
    else
        cp --sparse=always "$OUT/root.ext4" "$OUT"/*.signed "$private"
    fi
    assemble "$private"
    say "compressing"
    # One coroutine: the clusters lie in their order.
    qemu-img convert -m 1 -c -f raw -O qcow2 "$private/disk.raw" "$OUTPUT"
}

# Ends what is under way. mmdebstrap heeds only what its whole group is told, as a terminal does it; it takes its own mounts
# and folders away then. Whoever started this leads no group with it, and may be gone, and with him who hears.
stop() {
    trap '' INT TERM
    exec 2>/dev/null
    kill -TERM 0
    [ -z "${child-}" ] || wait "$child" || true
    clean
    trap - EXIT
    rm -rf --one-file-system "$WORK"
    exit "$1"
}

# What the caller reads is left in a folder of his; all else goes. In a user namespace files may be another's.
clean() {
    mkdir -p "$WORK/told/releases"
    if [ -d "$OUT" ]; then
        find "$OUT" -maxdepth 1 -type f -name failed -exec cp {} "$WORK/told/" \; || true
        find "$RELEASES" -maxdepth 1 -type f -exec cp {} "$WORK/told/releases/" \; || true
    fi
    for one in "$WORK"/* "$WORK"/.[!.]*; do
        if [ "$one" != "$WORK/told" ] && [ -e "$one" ]; then
            rm -rf --one-file-system "$one" 2>/dev/null || mmdebstrap --unshare-helper rm -rf "$one" || true
            # The folder itself is the caller's, who alone may take it away.
            [ ! -d "$one" ] || rmdir "$one" || true
        fi
    done
}

# An archive of a folder as root's, whatever times and owners its files have here.
pack() {
    if [ -n "$1" ]; then
        tar -C "$1" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
            --mode=u=rwX,go=rX -cf "$2" .
    else
        tar -cf "$2" -T /dev/null
    fi
    chmod 0644 "$2"
}

# How the host's apt fetches (proxies, clocks of mirrors) holds for the build too.
fetch_options() {
    apt-config dump 2>/dev/null |
        grep -E '^Acquire::(http::Proxy|https::Proxy|Check-Valid-Until|Check-Date|Retries) ' || true
    [ "$CHECK_VALID_UNTIL" = yes ] || echo 'Acquire::Check-Valid-Until "no";'
}

# Hook: the recipe's own files, before the kernel's package makes an initrd by them.
overlay() {
    # It is there already only where somebody else has made it.
    mkdir -m 0755 "$OUT" "$RELEASES"
    tar -C "$1" -xf "$WORK/overlay.tar"
}

# Hook: the recipe's own commands, in their order, with everything installed.
commands() {
    # The guest's /tmp is mmdebstrap's; what is laid beside it is gone before the root is packed.
    scripts=$1/.trustnet-commands
    mkdir "$scripts"
    tar -C "$scripts" -xf "$WORK/commands.tar"
    for script in "$scripts"/*; do
        [ -f "$script" ] || continue
        name=${script##*/}
        say "running $name"
        if ! chroot "$1" /bin/sh -eu "/.trustnet-commands/$name" >"$OUT/said" 2>&1 </dev/null; then
            { echo "$name"; tail -n 20 "$OUT/said"; } >"$FAILED"
            cat "$OUT/said" >&2
            return 1
        fi
        cat "$OUT/said" >&2
    done
    rm -rf "$scripts" "$OUT/said"
}

# Hook: makes the installed root anybody's and nobody's, and packs it.
finish() {
    root=$1
    # Debian's signed boot chain boots with and without Secure Boot; the guest itself has no use for the packages.
    boot=$OUT/boot
    mkdir "$boot"
    (cd "$boot" && APT_CONFIG=$MMDEBSTRAP_APT_CONFIG apt-get -qq download shim-signed grub-efi-amd64-signed) >&2
    for package in "$boot"/*.deb; do
        dpkg-deb --extract "$package" "$boot"
    done
    cp "$boot/usr/lib/shim/shimx64.efi.signed" \
        "$boot/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" "$OUT/"
    rm -r "$boot"

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
    # What the archive was while this was built.
    cp "$root"/var/lib/apt/lists/*Release "$RELEASES/"
    # Copies from before the last change, locks, and caches that the guest makes again.
    rm -f "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow- "$root"/etc/subuid- \
        "$root"/etc/subgid- "$root"/etc/.pwd.lock "$root"/var/lib/dpkg/*-old "$root"/var/lib/dpkg/lock* \
        "$root"/var/lib/dpkg/triggers/Lock "$root"/var/cache/ldconfig/aux-cache "$root"/var/lib/systemd/random-seed
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
    mkdir "$OUT/view"
    mount --bind "$root" "$OUT/view"
    mount -t tmpfs -o mode=1777 tmpfs "$OUT/view/tmp"
    say "packing $(du -sm --one-file-system "$OUT/view" | cut -f1) MiB into a root file system of $ROOT_MIB MiB"
    # What the build made bears its one time; files of packages keep theirs, which compiled Python refers to.
    find "$OUT/view" -xdev -newer "$WORK/began" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
    touch -d "@$SOURCE_DATE_EPOCH" "$OUT/view/dev"
    # mke2fs takes files as they come: here in the order in which they were made. What is in /dev only root can make; the
    # guest's kernel lays its own over it before anything looks.
    mkdir "$OUT/tree"
    mount -t tmpfs -o "mode=0755,noatime,size=${ROOT_MIB}m" tmpfs "$OUT/tree"
    tar -C "$OUT/view" --sort=name --one-file-system --exclude='./dev/*' --xattrs --xattrs-include='*' \
        --numeric-owner -cf - . |
        tar -C "$OUT/tree" --xattrs --xattrs-include='*' --numeric-owner -xpf -
    umount "$OUT/view/tmp" "$OUT/view"
    rmdir "$OUT/view"
    # Features are named where newer tools than the guest's would choose others.
    E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH mke2fs -q -F -t ext4 -L root -m 1 -O ^metadata_csum_seed,^orphan_file \
        -U "$ROOT_UUID" -E "hash_seed=$HASH_SEED" -d "$OUT/tree" "$OUT/root.ext4" "${ROOT_MIB}M"
    umount "$OUT/tree"
    rmdir "$OUT/tree"
    # The builder reads them, and may be another user.
    chmod 0644 "$OUT"/*.*
}

# Older mke2fs gives inodes the times at which the files came here.
settle() {
    used_inodes "$1" | while read -r inode; do
        for time in atime ctime crtime; do
            echo "set_inode_field <$inode> $time @$SOURCE_DATE_EPOCH"
            echo "set_inode_field <$inode> ${time}_extra 0"
        done
    done >"$1.times"
    E2FSPROGS_FAKE_TIME=$SOURCE_DATE_EPOCH debugfs -w -f "$1.times" "$1" >/dev/null 2>&1
}

# The numbers of the inodes that files have, by those that are free in each group.
used_inodes() {
    dumpe2fs "$1" 2>/dev/null | awk '
        /^Inodes per group:/ { per = $4 }
        /^Group [0-9]+:/ { group = $2 + 0 }
        /^  Free inodes:/ {
            sub(/^  Free inodes: */, "")
            count = split($0, ranges, /, */)
            delete free
            for (one = 1; one <= count; one++) {
                ends = split(ranges[one], range, "-")
                last = ends == 2 ? range[2] : range[1]
                for (inode = range[1] + 0; inode <= last + 0; inode++) free[inode] = 1
            }
            for (inode = group * per + 1; inode <= (group + 1) * per; inode++)
                if (!(inode in free) && (inode == 2 || inode > 10)) print inode
        }'
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
    settle "$1/root.ext4"
    root_start=$((1 + ESP_MIB))
    truncate -s "$((root_start + ROOT_MIB + 1))M" "$disk"
    sgdisk --clear --set-alignment 1 --disk-guid "$DISK_GUID" \
        --new "14:$BIOS_SECTOR:2047" --typecode 14:ef02 --change-name 14:bios \
        --new "15:1M:+${ESP_MIB}M" --typecode 15:ef00 --change-name 15:esp \
        --new "1:${root_start}M:+${ROOT_MIB}M" --typecode 1:8304 --change-name 1:root \
        --partition-guid "14:$BIOS_GUID" --partition-guid "15:$ESP_GUID" --partition-guid "1:$ROOT_GUID" \
        "$disk" >/dev/null
    embed "$1" "$disk"

    esp=$1/esp.vfat
    printf '%s\n' "$SEARCH" >"$1/grub.cfg"
    mkfs.vfat --invariant -i "$ESP_SERIAL" -n ESP -C "$esp" "$((ESP_MIB * 1024))" >/dev/null
    mmd -i "$esp" ::/EFI ::/EFI/BOOT ::/EFI/debian
    touch -d "@$SOURCE_DATE_EPOCH" "$1/shimx64.efi.signed" "$1/grubx64.efi.signed" "$1/grub.cfg"
    mcopy -m -i "$esp" "$1/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
    mcopy -m -i "$esp" "$1/grubx64.efi.signed" ::/EFI/BOOT/grubx64.efi
    mcopy -m -i "$esp" "$1/grub.cfg" ::/EFI/debian/grub.cfg

    dd if="$esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$1/root.ext4" of="$disk" bs=1M seek="$root_start" conv=notrunc,sparse status=none
}

case ${1-} in
overlay | commands | finish) "$@" ;;
clean)
    wait_for_others
    clean
    ;;
*)
    wait_for_others
    main
    ;;
esac
