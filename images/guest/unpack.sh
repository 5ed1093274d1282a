#!/bin/sh
# Unpacks an archive into a folder. Standard input: a line with the folder's path (in octal, for printf %b),
# then the archive. What is unpacked belongs to who runs this.
export LC_ALL=C
read -r path || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=./$path ;; esac
mkdir -p "$path" && cd "$path" && exec tar -xpof -
