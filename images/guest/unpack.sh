#!/bin/sh
# Unpacks an archive into a folder. Standard input: a line with the folder's path (in octal, for printf %b),
# then the archive. What is unpacked belongs to who runs this. Where that is root, and the way to the folder is
# another user's, all of it is done as that user: whatever they do to the folder meanwhile, no more comes of it
# than they could do themselves. In a folder of root's own, what is unpacked is nobody else's until it is whole.
# `local` is no word of POSIX, but one of every shell that is a guest's /bin/sh.
# shellcheck disable=SC3043
export LC_ALL=C
read -r path || exit 1
# The full stop keeps a newline at the end of the name.
path=$(printf '%b.' "$path") && path=${path%.} || exit 1
case $path in /*) ;; *) path=$PWD/$path ;; esac

fail() {
	echo "$*" >&2
	exit 1
}

# Who but root may change the way to a path, as far as it is there: each user once.
others() {
	local way="" rest="${1#/}/" part
	set -- /
	while [ -n "$rest" ]; do
		part=${rest%%/*} rest=${rest#*/}
		[ -n "$part" ] || continue
		way=$way/$part
		[ -e "$way" ] || [ -L "$way" ] || break
		set -- "$@" "$way"
	done
	{ stat -c '%u %U' -- "$@" && stat -L -c '%u %U' -- "$@" && real "$way"; } | sort -u | grep -v '^0 '
}

# The same for where a path leads, and all above it.
real() {
	local there="$1"
	[ -d "$there" ] || there=${there%/*}
	there=$(cd -P "${there:-/}" && pwd -P && echo .) && there=${there%??} || return
	while :; do
		stat -c '%u %U' -- "${there:-/}" || return
		[ -n "$there" ] || return 0
		there=${there%/*}
	done
}

# merge FROM TO: what is in a folder goes into one that is there already, and that nobody but root may change.
merge() {
	local inner name
	if ! [ -d "$2" ] || [ -L "$2" ] || [ -n "$(find "$2" -prune \( ! -user 0 -o -perm -0002 ! -perm -1000 \))" ]; then
		fail "${2#./} is another user's, or no folder: copy into it alone"
	fi
	# shellcheck disable=SC2016
	find "$1" -mindepth 1 -maxdepth 1 ! -type d \
		-exec sh -c 'to=$1 && shift && exec mv -f -- "$@" "$to/"' sh "$2" {} + || return
	for inner in "$1"/*/ "$1"/.[!.]*/ "$1"/..?*/; do
		inner=${inner%/} && name=${inner##*/}
		if ! [ -d "$inner" ] || [ -L "$inner" ]; then continue; fi
		if [ -e "$2/$name" ] || [ -L "$2/$name" ]; then
			merge "$inner" "$2/$name" || return
		else
			mv "$inner" "$2/" || return
		fi
	done
}

# Nobody else gets to it before it is whole, whatever the modes in the archive say.
staged() {
	local name="${path%/}" made=""
	name=${name##*/}
	case $name in '' | . | ..) name=. ;; esac
	if [ "$name" = . ]; then
		cd -P "$path" || return
	else
		(umask 022 && mkdir -p "${path%"$name"*}") && cd -P "${path%"$name"*}" || return
		[ -d "$name" ] || { made=yes && mkdir -m 0700 -- "./$name"; } || return
		cd -P "./$name" || return
	fi
	# It was looked at before; now we are there, and it must still be so.
	if [ -n "$(others "$path")" ] || [ "$(stat -L -c %d:%i -- "$path")" != "$(stat -c %d:%i .)" ]; then
		fail 'the way there changes while it is written to'
	fi
	stage=$(mktemp -d ./.tvm-new.XXXXXX) || return
	trap 'rm -rf "$stage"' EXIT
	trap 'exit 1' HUP INT TERM
	(umask 022 && mkdir "$stage/new") && tar -xpof - -C "$stage/new" && merge "$stage/new" . || return
	if [ -n "$made" ]; then chmod "$(stat -c %a "$stage/new")" .; fi
}

if [ "$(id -u)" -ne 0 ]; then
	mkdir -p -- "$path" && cd "$path" && exec tar -xpof -
fi
users=$(others "$path")
case $users in
'') staged ;;
*' UNKNOWN') fail 'the way there is a user'\''s whom this guest does not know' ;;
*"
"*) fail "the way there is several users': $(printf '%s\n' "$users" | cut -d ' ' -f 2 | tr '\n' ' ')" ;;
*)
	user=${users#* }
	# shellcheck disable=SC2016
	set -- sh -c 'mkdir -p -- "$1" && cd "$1" && exec tar -xpof -' sh "$path"
	if command -v runuser >/dev/null; then
		exec runuser -u "$user" -- "$@"
	else
		# shellcheck disable=SC2016
		exec su -s /bin/sh "$user" -c 'exec "$@"' sh "$@"
	fi
	;;
esac
