# shellcheck shell=sh disable=SC2034,SC2154 # parts.sh reads this: they share variables
# SPDX-License-Identifier: Apache-2.0
#
# The big-endian MIPS guest, from Debian's sources: its kernel by kernel.config, and the programs that the lab
# calls, each linked statically. What else the tests would call is skipped there.
set -eu
cross=mips-linux-gnu
cores=$(nproc)

# fetched PACKAGE...: unpacks what each is made from, without Debian's changes, into a folder of its name. What lies in
# the folder $SOURCES is taken from there. False if the mirror has not all the others.
fetched() {
	for package in "$@"; do
		[ -n "$(tarball "$package")" ] || apt apt-get source --download-only --tar-only "$package" >"$dir/source.log" 2>&1 || return 1
		mkdir "$package"
		tar -xf "$(tarball "$package")" -C "$package" --strip-components=1
	done
}

# tarball PACKAGE: what its source lies in, by Debian's name for it, such as nftables_1.0.6.orig.tar.xz; nothing if it is not there.
tarball() {
	find ${SOURCES:+"$SOURCES"} . -maxdepth 1 -name "$1_*.orig.tar.*" ! -name '*.asc' | head -n 1
}

# configured FOLDER OPTION...: builds and installs it into $PWD/made by its configure script, which some sources come without.
configured() {
	folder=$1
	shift
	say "building $folder"
	(
		cd "$folder"
		[ -x configure ] || logged "$dir/$folder.log" autoreconf -fi
		logged "$dir/$folder.log" env PKG_CONFIG_PATH="$made/lib/pkgconfig" PKG_CONFIG_LIBDIR="$made/lib/pkgconfig" \
			CPPFLAGS="-I$made/include" LDFLAGS="-L$made/lib" \
			./configure --host=$cross --build="$(gcc -dumpmachine)" --prefix="$made" --enable-static --disable-shared "$@"
		logged "$dir/$folder.log" make -j"$cores" LDFLAGS="-all-static -L$made/lib" install # libtool's word, which configure must not see
	)
}

kernel() {
	source=$(depends linux-source 'linux-source-[0-9.]*')
	say "fetching ${source:?no linux-source}"
	apt apt-get download "$source"
	dpkg-deb --fsys-tarfile "$source"_*.deb | tar -xO "./usr/src/$source.tar.xz" | tar -xJ
	say "building the kernel, which takes six minutes on two cores with nothing else to do"
	build="make -C $source ARCH=mips CROSS_COMPILE=$cross-"
	# shellcheck disable=SC2086 # words
	{
		logged "$dir/kernel.log" env KCONFIG_ALLCONFIG="$here/kernel.config" $build allnoconfig
		if lost=$(grep '^CONFIG' "$here/kernel.config" | grep -vxFf "$source/.config"); then
			say "error: this kernel does not take from kernel.config:" "$lost" >&2
			exit 1
		fi
		logged "$dir/kernel.log" $build -j"$cores" vmlinux
	}
	$cross-strip -o "$dir/kernel" "$source/vmlinux"
	rm -rf "$source"
}

programs() {
	made=$PWD/made bin=$dir/root/usr/bin
	for d in bin sbin; do # as on every Debian of today
		mkdir -p "$dir/root/usr/$d"
		ln -s "usr/$d" "$dir/root/$d"
	done
	say "fetching the sources of the programs"
	fetched busybox iproute2 util-linux || {
		tail -n 30 "$dir/source.log" >&2
		exit 1
	}
	if fetched jansson libmnl libnftnl nftables; then
		configured jansson
		configured libmnl
		configured libnftnl
		configured nftables --without-cli --with-mini-gmp --with-json --disable-man-doc --disable-python
		cp "$made/sbin/nft" "$bin"
	else
		say "this mirror has not the sources of nft: the tests that call it will be skipped"
	fi
	if fetched fwknop; then
		# Its headers define a variable, which compilers since GCC 10 take for one in each file.
		configured fwknop --disable-server --without-gpgme MAKEINFO=true CFLAGS='-O2 -fcommon'
		cp "$made/bin/fwknop" "$bin"
	else
		say "this mirror has not the source of fwknop: the tests that call it will be skipped"
	fi
	if fetched knockd; then
		logged "$dir/knock.log" $cross-gcc -static -O2 -o "$bin/knock" -DVERSION='"0"' knockd/src/knock.c
	else
		say "this mirror has not the source of knock: the tests that call it will fail"
	fi
	configured util-linux --disable-all-programs --enable-unshare --disable-nls --without-python --without-systemd
	say "building iproute2 and busybox"
	(
		cd iproute2
		logged "$dir/iproute2.log" env CC=$cross-gcc PKG_CONFIG=false ./configure
		# Of the kinds of devices it else looks for functions by their names, which a static program cannot.
		logged "$dir/iproute2.log" make -j"$cores" SUBDIRS='lib ip' CC=$cross-gcc HOSTCC=gcc LDFLAGS=-static SHARED_LIBS=n
	)
	(
		cd busybox
		logged "$dir/busybox.log" make ARCH=mips CROSS_COMPILE=$cross- defconfig
		sed -i -e 's/^# CONFIG_STATIC is not set/CONFIG_STATIC=y/' -e 's/^CONFIG_TC=y/CONFIG_TC=n/' .config
		logged "$dir/busybox.log" make -j"$cores" ARCH=mips CROSS_COMPILE=$cross- all busybox.links
		# Each of its programs is a link; those below take the place of some.
		sed 's,.*/,,' busybox.links | while read -r link; do ln -sf busybox "$bin/$link"; done
	)
	rm -f "$bin/busybox" "$bin/ip" "$bin/unshare"
	cp busybox/busybox iproute2/ip/ip "$made/bin/unshare" "$bin"
}

arch=$(dpkg --print-architecture)
lists deb deb-src
cd "$dir/apt"
kernel
programs
mkdir -p "$dir/root/usr/share/base-passwd"
cd "$dir/root"
printf 'root:x:0:0::/root:/bin/sh\n' >usr/share/base-passwd/passwd.master
printf 'root:x:0:\n' >usr/share/base-passwd/group.master
settle
