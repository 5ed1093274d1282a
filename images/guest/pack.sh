#!/bin/sh
# Packs what is in a folder. Standard input: a line with its path (in octal, for printf %b). Standard output:
# the archive.
export LC_ALL=C
read -r path || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=./$path ;; esac
cd "$path" && exec tar -cf - .
