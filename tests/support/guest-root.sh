#!/bin/sh
# A root of its own for a sshd of the tests, in a mount namespace that nobody else sees.
#   guest-root.sh hold STORE [FOLDER…]   makes it, says so, and keeps it until standard input ends
#   guest-root.sh unpack STORE ARCHIVE   the same, with the files of an archive and none of the machine's
#   guest-root.sh boot CONFIG            (in it, as the first of its processes) runs sshd until then
set -eu
mode=$1
shift
case $mode in
hold)
	store=$1
	shift
	# Nothing is handed on to the machine's own mounts.
	mount --make-rprivate /
	mount -t tmpfs tmpfs "$store"
	# A root without a password can still have a key, unless the account is locked.
	{ sed 's/^root:[^:]*:/root:*:/' /etc/shadow || echo 'root:*:19000:0:99999:7:::'; } >"$store/shadow" 2>/dev/null
	for folder in "$@"; do
		[ -d "/$folder" ] || continue
		mkdir -p "$store/$folder/upper" "$store/$folder/work"
		chmod --reference="/$folder" "$store/$folder/upper"
		mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$store/$folder/upper,workdir=$store/$folder/work" "/$folder"
	done
	mount -t tmpfs -o mode=755 tmpfs /run
	# What the machine itself has of ours, the guest has not.
	for ours in /var/cache/trustnet-vm /var/lib/trustnet-vm; do
		[ ! -d "$ours" ] || mount -t tmpfs -o mode=755 tmpfs "$ours"
	done
	# In a folder of its own it is a file like any other, so that users can be added.
	case " $* " in
	*' etc '*) cat "$store/shadow" >/etc/shadow ;;
	*) mount --bind "$store/shadow" /etc/shadow ;;
	esac
	# What a person's shell does when it starts is no business of a guest's.
	mount -t tmpfs -o mode=700 tmpfs /root
	echo held
	;;
unpack)
	store=$1
	folder=${store%/*}
	mount --make-rprivate /
	mount -t tmpfs -o mode=755 tmpfs "$store"
	tar --numeric-owner -xpf "$2" -C "$store"
	sed -i 's/^root:[^:]*:/root:*:/' "$store/etc/shadow"
	[ -e "$store/etc/hosts" ] || echo '127.0.0.1 localhost' >"$store/etc/hosts"
	for kernel in dev proc; do
		mkdir -p "$store/$kernel"
		mount --rbind "/$kernel" "$store/$kernel"
	done
	# An init makes control groups: not in the machine's.
	mkdir -p "$store/sys"
	mount -t tmpfs tmpfs "$store/sys"
	mount -t tmpfs -o mode=755 tmpfs "$store/run"
	# The keys and this script, at the same place as outside.
	mkdir -p "$store$folder"
	mount --bind "$folder" "$store$folder"
	cd "$store"
	mkdir -p mnt
	pivot_root . mnt
	umount -l /mnt
	echo held
	;;
boot)
	# What a boot clears.
	rm -rf /run/* 2>/dev/null || true
	if [ -x /sbin/openrc ]; then
		for level in sysinit boot default; do openrc "$level" </dev/null >&2; done
	fi
	[ -d /run/sshd ] || mkdir -m 755 /run/sshd
	/usr/sbin/sshd -D -e -f "$1" </dev/null &
	# The first process buries the dead of all others: an init waits for its supervisors to be gone.
	exec 3<&0
	cat <&3 >/dev/null &
	wait $!
	exit
	;;
esac
# The test is at the other end: it may be killed, and then nothing of this stays.
exec cat >/dev/null
