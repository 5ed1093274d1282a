#!/bin/sh
# Says whether a path is a folder. Standard input: a line with the path (in octal, for printf %b).
export LC_ALL=C
read -r path || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=./$path ;; esac
if [ -d "$path" ]; then echo folder; else echo other; fi
