#!/bin/sh
# Stands in for `apt-get download`: the signed boot chain as packages of one file each.
set -eu
for package in shim-signed:usr/lib/shim/shimx64.efi.signed \
    grub-efi-amd64-signed:usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed; do
    tree=$(mktemp -d "$PWD/tree.XXXXXX")
    file=$tree/${package#*:}
    mkdir -p "${file%/*}" "$tree/DEBIAN"
    echo "$package" >"$file"
    printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: none\n' \
        "${package%%:*}" >"$tree/DEBIAN/control"
    dpkg-deb --build "$tree" "$PWD/${package%%:*}.deb" >/dev/null
    rm -r "$tree"
done
