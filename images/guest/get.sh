#!/bin/sh
# Reads a file. Standard input: a line with the path (in octal, for printf %b). Standard output: the mode
# in a line, then the bytes.
export LC_ALL=C
read -r path || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=./$path ;; esac
if [ -d "$path" ]; then
	echo 'it is a folder' >&2
	exit 1
fi
exec <"$path" && stat -L -c %a "$path" && exec cat
