#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# setup.sh demo|test|bench|soak|guest|be|site: installs the Debian packages that the make target of that name needs, if
# it may, and says which are missing, if it may not.
set -eu

demo='go:golang ip:iproute2 nft:nftables nmap:nmap knock:knockd sshd:openssh-server ssh:openssh-client unshare:util-linux
	sysctl:procps ping:iputils-ping'
test="$demo knockd:knockd fwknop:fwknop-client fwknopd:fwknop-server openssl:openssl busybox:busybox-static shellcheck:shellcheck tcpdump:tcpdump strace:strace
	qemu-mips-static:qemu-user-static readelf:binutils signify-openbsd:signify-openbsd iptables:iptables
	node:nodejs npm:npm chromium:chromium chromium-headless-shell:chromium-headless-shell firefox-esr:firefox-esr sqlite3:sqlite3 python3:python3 mandoc:mandoc qrencode:qrencode
	WebKitWebDriver:webkit2gtk-driver Xvfb:xvfb fail2ban-regex:fail2ban
	rsyslogd:rsyslog logger:bsdutils dmesg:util-linux journalctl:systemd
	/usr/lib/systemd/systemd-journal-remote:systemd-journal-remote
	qemu-system-mipsel:qemu-system-mips depmod:kmod mke2fs:e2fsprogs mosh-server:mosh
	lua5.1:lua5.1 promtool:prometheus mosquitto:mosquitto mosquitto_pub:mosquitto-clients curl:curl wget:wget"

bench="$demo taskset:util-linux knockd:knockd fwknop:fwknop-client fwknopd:fwknop-server iptables:iptables
	qemu-mipsel:qemu-user cc:build-essential"
soak="$demo fwknop:fwknop-client"
guest='go:golang busybox:busybox-static depmod:kmod mke2fs:e2fsprogs unshare:util-linux
	qemu-system-x86_64:qemu-system-x86 qemu-system-mipsel:qemu-system-mips qemu-system-arm:qemu-system-arm
	qemu-system-s390x:qemu-system-misc gcc:build-essential make:build-essential dpkg-source:build-essential'
be="$guest mips-linux-gnu-g++:crossbuild-essential-mips bc:bc bison:bison flex:flex pkg-config:pkg-config
	autoreconf:autoconf automake:automake libtoolize:libtool"

case ${1-} in
demo) wanted=$demo ;;
test) wanted=$test ;;
bench) wanted=$bench ;;
soak) wanted=$soak ;;
guest) wanted=$guest ;;
be) wanted=$be ;;
site) wanted='go:golang node:nodejs npm:npm' ;;
*)
	echo "usage: setup.sh demo|test|bench|soak|guest|be|site" >&2
	exit 2
	;;
esac

PATH=$PATH:/usr/local/go/bin:/usr/sbin:/sbin
missing=''
for pair in $wanted; do
	command -v "${pair%%:*}" >/dev/null || missing="$missing ${pair#*:}"
done
[ -n "$missing" ] || exit 0
case $missing in
*golang*)
	echo "setup: error: Go is missing" >&2
	echo "setup: hint: install Go 1.26 or newer from https://go.dev/dl/ and put its bin folder into PATH" >&2
	exit 1
	;;
esac
if [ "$(id -u)" != 0 ]; then
	echo "setup: error: these packages are missing:$missing" >&2
	echo "setup: hint: sudo apt-get install --no-install-recommends$missing" >&2
	exit 1
fi
echo "setup: installing$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update
# No service may start because its package was installed for a test.
if [ ! -e /usr/sbin/policy-rc.d ]; then
	trap 'rm -f /usr/sbin/policy-rc.d' EXIT
	printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
	chmod +x /usr/sbin/policy-rc.d
fi
# shellcheck disable=SC2086 # package names are words
apt-get -qq install -y --no-install-recommends $missing >/dev/null
