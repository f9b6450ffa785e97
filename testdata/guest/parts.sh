#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# parts.sh puts into build/guest/NAME what a guest is made of, by its kind:
#
#   parts.sh debian NAME ARCH KERNEL   Debian of an architecture: kernel, root (a file system)
#   parts.sh built NAME                big-endian MIPS, which Debian has no kernel and no programs of: the same,
#                                      built from Debian's sources (20 minutes); what the mirror lacks of them, as some do,
#                                      is taken from the folder SOURCES
#   parts.sh clock NAME                Debian's kernel of this machine's architecture, and BusyBox's ntpd, which
#                                      Debian's own BusyBox is built without
#
# It needs no rights: apt gets lists, a state and a cache of its own, and of this machine only Debian's mirror and
# keys. What is there already, of the same recipe, is left as it is.
set -eu
PATH=$PATH:/usr/sbin:/sbin
cd "$(dirname "$0")/../.."
here=$PWD/testdata/guest
kind=$1 name=$2
dir=$PWD/build/guest/$name

# Guests are of Debian 12: the last one for mipsel, and its Linux 6.1 is as old as that of routers in use.
suite=bookworm

# What the tests call, and what Debian takes for granted on every system. Browsers, Node.js, Python and knockd are not
# among it, only knock: what they do, they do on every machine, so that the tests that need them are skipped.
userland='base-files base-passwd bash bsdutils coreutils dash debianutils diffutils findutils grep gzip hostname kmod
	libc-bin login mawk mount perl-base procps sed tar util-linux
	iproute2 iptables iputils-ping nftables openssh-client openssh-server openssl strace tcpdump
	busybox-static fwknop-client knockd nmap rsyslog'

# What of a kernel's modules is of use here, below lib/modules/VERSION/kernel.
modules='arch crypto lib net fs/ext4 fs/jbd2 fs/fuse fs/overlayfs fs/mbcache.ko drivers/block drivers/char/hw_random
	drivers/net/dummy.ko drivers/net/ifb.ko drivers/net/macvlan.ko drivers/net/ppp drivers/net/tun.ko drivers/net/veth.ko
	drivers/net/vrf.ko drivers/scsi drivers/virtio drivers/ata'

say() { echo "guest $name: $*"; }

# logged LOG COMMAND...: shows what it printed if it fails.
logged() {
	log=$1
	shift
	"$@" >"$log" 2>&1 || {
		tail -n 30 "$log" >&2
		say "error: $* (the whole log is $log)" >&2
		exit 1
	}
}

# apt PROGRAM ARGUMENT...
apt() {
	program=$1
	shift
	"$program" -qq -o Dir::State="$dir/apt" -o Dir::State::status="$dir/apt/status" -o Dir::Cache="$dir/apt" \
		-o Dir::Etc::sourcelist="$dir/apt/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferencesparts=/dev/null \
		-o APT::Architecture="$arch" -o APT::Architectures="$arch" -o APT::Install-Recommends=0 -o APT::Sandbox::User=root \
		-o Acquire::Retries=5 -o Acquire::Languages=none "$@"
}

# lists TYPE...: asks Debian's mirror of this machine what there is, of packages (deb) and of sources (deb-src).
lists() {
	rm -rf "$dir/apt"
	mkdir -p "$dir/apt/lists/partial" "$dir/apt/archives/partial"
	: >"$dir/apt/status" # nothing is installed
	mirror=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null |
		sed -nE -e 's,^URIs: *(http[^ ]*/debian)/? *$,\1,p' -e 's,^deb (\[[^]]*\] )?(http[^ ]*/debian)/? .*,\2,p' | head -n 1)
	for type in "$@"; do
		echo "$type [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] ${mirror:?apt knows no mirror of Debian} $suite main"
	done >"$dir/apt/sources.list"
	say "asking Debian what there is for $arch"
	apt apt-get update
}

# depends PACKAGE PATTERN: the first of its dependencies of this form. Names of kernels move, those of their meta packages do not.
depends() {
	apt apt-cache show "$1" | sed -n "s/^Depends:.*[ ,]*\($2\).*/\1/p" | head -n 1
}

# recipe: what the parts are made by.
recipe() {
	cat "$here/parts.sh"
	[ "$kind" != built ] || cat "$here/built.sh" "$here/kernel.config"
	echo "$@"
}

# copy_modules FOLDER: copies what is of use of the modules that a kernel's package has, unpacked there, into root.
copy_modules() {
	version=$(basename "$1"/lib/modules/*)
	from=$1/lib/modules/$version to=$dir/root/usr/lib/modules/$version
	mkdir -p "$to"
	for m in $modules; do
		[ -e "$from/kernel/$m" ] || continue # built in
		mkdir -p "$(dirname "$to/kernel/$m")"
		cp -R "$from/kernel/$m" "$to/kernel/$m"
	done
	cp "$from"/modules.builtin* "$from/modules.order" "$to"
	depmod -b "$dir/root/usr" "$version"
}

# debian ARCH KERNEL
debian() {
	arch=$1
	lists deb
	kernel=$(depends "$2" 'linux-image-[^ ,]*')
	say "fetching ${kernel:?no $2 for $arch} and what the tests call"
	# shellcheck disable=SC2086 # names are words
	apt apt-get -y --download-only install $userland >/dev/null
	(cd "$dir/apt" && apt apt-get download "$kernel")
	say "unpacking it"
	for d in bin sbin lib; do # merged, as on every Debian of today
		mkdir -p "$dir/root/usr/$d"
		ln -s "usr/$d" "$dir/root/$d"
	done
	for deb in "$dir"/apt/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$dir/root" --keep-directory-symlink --no-same-owner \
			--exclude=./usr/sbin/knockd --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/locale/*' --exclude='./usr/share/i18n/*'
	done
	dpkg-deb -x "$dir/apt/$kernel"_*.deb "$dir/apt/kernel"
	cp "$dir"/apt/kernel/boot/vmlinu* "$dir/kernel"
	copy_modules "$dir/apt/kernel"
	settle
}

# settle does what Debian's packages do when they are installed, as far as the tests need it.
settle() {
	(
		cd "$dir/root"
		mkdir -p dev etc proc run sys tmp root var/lib var/log var/empty
		cp usr/share/base-passwd/passwd.master etc/passwd
		cp usr/share/base-passwd/group.master etc/group
		echo 'sshd:x:100:65534::/run/sshd:/usr/sbin/nologin' >>etc/passwd
		echo 'you:x:1000:1000::/tmp:/bin/sh' >>etc/passwd
		rm -rf var/run
		ln -s /run var/run
		[ ! -e usr/bin/mawk ] || ln -sf mawk usr/bin/awk
		for command in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
			[ ! -e usr/sbin/xtables-nft-multi ] || ln -sf xtables-nft-multi "usr/sbin/$command"
		done
		: >etc/resolv.conf
		echo '127.0.0.1 localhost' >etc/hosts
	)
}

clock() {
	arch=$(dpkg --print-architecture)
	lists deb deb-src
	kernel=$(depends "linux-image-cloud-$arch" 'linux-image-[^ ,]*') # the small one: for virtual machines
	say "fetching ${kernel:?no kernel}"
	(
		cd "$dir/apt"
		apt apt-get download "$kernel"
		dpkg-deb -x "$kernel"_*.deb kernel
		cp kernel/boot/vmlinu* "$dir/kernel"
		modules='arch crypto lib net/netfilter' # nf_tables, and what that needs
		copy_modules kernel
		say "building BusyBox's ntpd, which takes a minute"
		logged "$dir/source.log" apt apt-get source busybox
		cd busybox-*/
		logged "$dir/build.log" sh -c '
			make allnoconfig
			sed -i -E "s/^# (CONFIG_STATIC|CONFIG_NTPD|CONFIG_LONG_OPTS) is not set/\1=y/" .config
			yes "" | make oldconfig
			make'
		cp busybox "$dir/ntpd"
	)
}

shift 2
[ "$(cat "$dir/recipe" 2>/dev/null)" != "$(recipe "$@")" ] || exit 0
rm -rf "$dir"
mkdir -p "$dir"
case $kind in
debian | clock) "$kind" "$@" ;;
built)
	# shellcheck source=testdata/guest/built.sh
	. "$here/built.sh"
	;;
*)
	echo "usage: parts.sh debian NAME ARCH KERNEL | built NAME | clock NAME" >&2
	exit 2
	;;
esac
rm -rf "$dir/apt"
recipe "$@" >"$dir/recipe" # last: it says that all is there
