#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# parts.sh puts into build/guest what an emulated router is made of: Debian's kernel, and BusyBox's
# ntpd, built from Debian's source because Debian's own BusyBox has none. It needs no rights: apt
# gets lists and a cache of its own there, and Debian's entries of this machine's sources.
set -eu
cd "$(dirname "$0")/../.."
dir=$PWD/build/guest
meta=linux-image-cloud-amd64 # the small one: for virtual machines

# apt COMMAND ARGUMENT...
apt() {
	command=$1
	shift
	"$command" -qq -o Dir::State="$dir/apt/state" -o Dir::State::status=/var/lib/dpkg/status -o Dir::Cache="$dir/apt/cache" \
		-o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/apt/sources" -o APT::Sandbox::User=root "$@"
}

# sources writes Debian's entries of this machine, for packages and for their source.
sources() {
	mkdir -p "$dir/apt/state/lists/partial" "$dir/apt/cache/archives/partial" "$dir/apt/sources"
	for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
		grep -qE '^(deb |URIs:).*/debian' "$list" 2>/dev/null || continue
		sed -E -e 's/^Types: deb$/Types: deb deb-src/' -e 's/^deb (.*)/&\ndeb-src \1/' "$list" >"$dir/apt/sources/${list##*/}"
	done
}

kernel() {
	[ ! -f "$dir/vmlinuz" ] || return 0
	echo "guest: fetching Debian's kernel"
	(
		cd "$dir/apt"
		package=$(apt apt-cache show "$meta" | sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
		apt apt-get download "${package:?no $meta}"
		dpkg-deb -x "$package"_*.deb kernel
		find kernel -name '*.ko.xz' -exec unxz {} +
		find kernel \( -name libcrc32c.ko -o -name nfnetlink.ko -o -name nf_tables.ko \) -exec cp {} "$dir" \;
		cp kernel/boot/vmlinuz-* "$dir/vmlinuz" # last: it says that all is there
	)
}

ntpd() {
	[ ! -f "$dir/ntpd" ] || return 0
	echo "guest: building BusyBox's ntpd, which takes a minute"
	(
		cd "$dir/apt"
		apt apt-get source busybox >source.log 2>&1 || { cat source.log >&2; exit 1; }
		cd busybox-*/
		{
			make allnoconfig
			sed -i -E 's/^# (CONFIG_STATIC|CONFIG_NTPD|CONFIG_LONG_OPTS) is not set/\1=y/' .config
			yes '' | make oldconfig
			make
		} >../build.log 2>&1 || { tail -n 30 ../build.log >&2; exit 1; }
		cp busybox "$dir/ntpd"
	)
}

[ ! -f "$dir/vmlinuz" ] || [ ! -f "$dir/ntpd" ] || exit 0
rm -rf "$dir/apt"
sources
apt apt-get update
kernel
ntpd
rm -rf "$dir/apt"
