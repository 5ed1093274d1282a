#!/bin/sh
# Makes a root of Debian's packages like one of Alpine's, as far as that goes: BusyBox is the shell, and its tools
# come before all others.
#   alpine-like.sh ROOT
set -eu
root=$1
chroot "$root" /usr/bin/busybox --install -s /usr/local/sbin
# These of BusyBox are no part of Alpine's.
rm -f "$root/usr/local/sbin/rpm" "$root/usr/local/sbin/init"
ln -sf busybox "$root/usr/bin/sh"
# What the packages would start is the machine's business: its clock, its control groups, a sshd on port 22.
rm -f "$root"/etc/runlevels/*/*
# Alpine has none of these; its BusyBox makes users, and Debian's cannot. Stand-ins take the options that
# BusyBox takes, and no others.
for name in useradd usermod groupadd adduser addgroup; do rm -f "$root/usr/sbin/$name"; done
rm -f "$root/usr/sbin/runuser"
cat >"$root/usr/local/sbin/addgroup" <<'EOF'
#!/bin/sh
set -eu
next() { awk -F : '$3 >= 100 && $3 < 1000 && $3 > most { most = $3 } END { print (most ? most : 99) + 1 }' "$1"; }
case $#:$1 in
2:-S)
	if grep -q "^$2:" /etc/group; then
		echo "addgroup: group '$2' in use" >&2
		exit 1
	fi
	echo "$2:x:$(next /etc/group):" >>/etc/group
	;;
2:*)
	grep -q "^$1:" /etc/passwd
	grep -q "^$2:" /etc/group
	sed -i "s/^\($2:.*[^:]\)\$/\1,$1/; s/^\($2:.*:\)\$/\1$1/" /etc/group
	;;
*) exit 1 ;;
esac
EOF
cat >"$root/usr/local/sbin/adduser" <<'EOF'
#!/bin/sh
set -eu
system='' home='' shell='' group=''
while getopts SDHh:s:G: option; do
	case $option in
	S) system=yes ;;
	h) home=$OPTARG ;;
	s) shell=$OPTARG ;;
	G) group=$OPTARG ;;
	D | H) ;;
	*) exit 1 ;;
	esac
done
shift $((OPTIND - 1))
[ "$#" = 1 ] && [ -n "$system$home$shell$group" ]
number=$(awk -F : '$3 >= 100 && $3 < 1000 && $3 > most { most = $3 } END { print (most ? most : 99) + 1 }' /etc/passwd)
echo "$1:x:$number:$(awk -F : -v name="$group" '$1 == name { print $3 }' /etc/group):$1:$home:$shell" >>/etc/passwd
echo "$1:!:19000:0:99999:7:::" >>/etc/shadow
EOF
chmod 755 "$root/usr/local/sbin/addgroup" "$root/usr/local/sbin/adduser"
