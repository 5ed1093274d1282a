#!/bin/sh
# Writes a file. Standard input: a line with the path (in octal, for printf %b), the mode and the size,
# then the bytes. The old file stays until the new one is whole.
export LC_ALL=C
IFS=' ' read -r path mode size || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=./$path ;; esac
part=$path.part
if [ -d "$path" ]; then
	echo 'it is a folder' >&2
	exit 1
fi
umask 077
# Made anew: nobody else's file or link is written through.
rm -f "$part" && set -C && cat >"$part" || exit 1
set +C
there=$(wc -c <"$part")
if [ "$there" -ne "$size" ]; then
	rm -f "$part"
	echo "only $there of $size bytes came" >&2
	exit 1
fi
chmod "$mode" "$part" || exit 1
# A sync that takes no file is left out: syncing all may take for ever.
sync "$part" 2>/dev/null || true
mv -f "$part" "$path" && echo stored
