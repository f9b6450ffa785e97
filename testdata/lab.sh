#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Five hosts on one machine, as network namespaces inside a user namespace of its own:
#
#   phone      203.0.113.7  2001:db8:1::7  ─┐
#   neighbour  203.0.113.66 2001:db8:1::66 ─┤ internet ── wan  router  lan ── nas
#                                            (a bridge)   203.0.113.1       192.168.1.22
#                                                         2001:db8:1::1     2001:db8:2::22
#                                                         192.168.1.1
#
#   lab.sh enter COMMAND...   run a command where `lab.sh up` may be used; all ends with it
#   lab.sh up                 make the hosts and load router.nft into the router
#   lab.sh join NAME ADDRESS/LENGTH...
#                             make one more host on the internet, with these addresses
#   lab.sh house              make the rest of the house: laptop (192.168.1.30) beside the nas, on a bridge that is the
#                             router's device lan from now on, and visitor (192.168.2.50) on its device guest
#   lab.sh wan                (again) give the router its wan device and addresses
#   lab.sh firewall           load router.nft (again), as `fw4 reload` would
#   lab.sh sshd               start an SSH server on the nas that lets the phone's key in as user "you"
#   lab.sh ssh HOST ARGS...   ssh from HOST with that key: `lab.sh ssh phone -p 2222 203.0.113.1 hostname`; it may take
#                             the seconds WITHIN to get there, 60 unless told
set -eu
PATH=$PATH:/usr/sbin:/sbin # where Debian has ip, nft and sysctl, and an ordinary user does not look
export PATH
here=$(cd "$(dirname "$0")" && pwd)

# A pid namespace makes sure that nothing started inside outlives it.
enter() {
	isolate='--net --mount --pid --fork --kill-child --mount-proc'
	# shellcheck disable=SC2086 # options are words
	if unshare --map-root-user $isolate true 2>/dev/null; then
		exec unshare --map-root-user $isolate "$@"
	elif [ "$(id -u)" = 0 ] && unshare $isolate true 2>/dev/null; then
		exec unshare $isolate "$@"
	fi
	echo "lab: error: this machine allows no user namespaces" >&2
	echo "lab: hint: run as root, or: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0" >&2
	exit 75 # EX_TEMPFAIL: the tests take it for SKIP
}

# host NAME: a namespace whose addresses are usable at once (no duplicate address detection).
host() {
	ip netns add "$1"
	ip netns exec "$1" sh -c 'ip link set lo up
		sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.accept_ra=0'
}

# plug HOST DEVICE [address MAC]: a cable from a host to the internet's bridge, where its end has the host's name.
plug() {
	ip -n internet link add "$1" type veth peer name "$2" netns "$1" ${4:+address "$4"}
	ip -n internet link set "$1" master net up
	ip -n "$1" link set "$2" up
}

# address HOST DEVICE ADDRESS...
address() {
	where=$1 device=$2
	shift 2
	for a in "$@"; do ip -n "$where" addr add "$a" dev "$device"; done
}

# join NAME ADDRESS/LENGTH...: browsers choose their own address by the default route.
join() {
	name=$1
	shift
	host "$name"
	plug "$name" eth0
	address "$name" eth0 "$@"
	ip -n "$name" route add default via 203.0.113.1
	ip -n "$name" route add default via 2001:db8:1::1
}

# The new device has the hardware address of the former one, as a router's port has: hosts go on to send there for some
# seconds, over IPv6 at least.
wan() {
	plug router wan address 02:00:00:00:00:01
	address router wan 203.0.113.1/24 2001:db8:1::1/64
}

up() {
	mount -t tmpfs tmpfs /run
	for name in internet router nas; do host "$name"; done
	ip -n internet link add net type bridge mcast_snooping 0
	ip -n internet link set net up
	join phone 203.0.113.7/24 2001:db8:1::7/64
	join neighbour 203.0.113.66/24 2001:db8:1::66/64
	wan
	ip -n router link add lan type veth peer name eth0 netns nas
	ip -n router link set lan up
	ip -n nas link set eth0 up
	address router lan 192.168.1.1/24 2001:db8:2::1/64
	address nas eth0 192.168.1.22/24 2001:db8:2::22/64
	ip -n nas route add default via 192.168.1.1
	ip -n nas route add default via 2001:db8:2::1
	ip netns exec router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
	# An ordinary user may listen on port 22 of these hosts and send pings from them.
	for name in router nas phone neighbour; do
		ip netns exec "$name" sysctl -qw net.ipv4.ip_unprivileged_port_start=0 net.ipv4.ping_group_range='0 0'
	done
	firewall
}

# inside NAME DEVICE FOUR SIX: a host behind the router's bridge DEVICE, whose addresses there end in 1.
inside() {
	host "$1"
	ip -n router link add "$1" type veth peer name eth0 netns "$1"
	ip -n router link set "$1" master "$2" up
	ip -n "$1" link set eth0 up
	address "$1" eth0 "$3/24" "$4/64"
	ip -n "$1" route add default via "${3%.*}.1"
	ip -n "$1" route add default via "${4%::*}::1"
}

# The nas's cable becomes a port of the bridge. Packets that a bridge forwards do not pass the router's firewall, as
# OpenWrt has it; elsewhere the module br_netfilter, which Docker wants, makes them.
house() {
	[ ! -e /proc/sys/net/bridge ] ||
		ip netns exec router sysctl -qw net.bridge.bridge-nf-call-iptables=0 net.bridge.bridge-nf-call-ip6tables=0
	ip -n router link set lan down
	ip -n router link set lan name nas
	ip -n router addr flush dev nas
	for device in lan guest; do
		ip -n router link add "$device" type bridge mcast_snooping 0
		ip -n router link set "$device" up
	done
	ip -n router link set nas master lan up
	address router lan 192.168.1.1/24 2001:db8:2::1/64
	address router guest 192.168.2.1/24 2001:db8:3::1/64
	inside laptop lan 192.168.1.30 2001:db8:2::30
	inside visitor guest 192.168.2.50 2001:db8:3::50
}

firewall() { ip netns exec router nft -f "$here/router.nft"; }

sshd_files() {
	mkdir -p /run/lab/home/.ssh
	ssh-keygen -q -t ed25519 -N '' -f /run/lab/host_key
	ssh-keygen -q -t ed25519 -N '' -f /run/lab/phone_key
	cp /run/lab/phone_key.pub /run/lab/home/.ssh/authorized_keys
	{
		grep -v '^[^:]*:[^:]*:1000:' /etc/passwd
		echo 'you:x:1000:1000::/run/lab/home:/bin/sh'
	} >/run/lab/passwd
	mount --bind /run/lab/passwd /etc/passwd
	cat >/run/lab/sshd_config <<-END
		HostKey /run/lab/host_key
		PidFile none
		StrictModes no
		UsePAM no
		PasswordAuthentication no
	END
}

# sshd runs as an ordinary user of a user namespace of its own: for one it drops no privileges, which
# it could not do in a namespace that has a single user. Its files are in memory and end with the lab.
sshd() {
	[ -e /run/lab/sshd_config ] || sshd_files
	# shellcheck disable=SC2016 # the inner shell shall expand it
	ip netns exec nas unshare --uts sh -c 'hostname nas
		exec unshare --user --map-user=1000 --map-group=1000 /usr/sbin/sshd -D -e -f /run/lab/sshd_config' \
		>/run/lab/sshd.log 2>&1 </dev/null &
	tries=0
	# A slow processor takes seconds for an answer; that nobody listens yet is said at once.
	until ip netns exec nas ssh-keyscan -t ed25519 -T 10 127.0.0.1 2>/dev/null | grep -q ssh-ed25519; do
		tries=$((tries + 1))
		if [ $tries = 100 ]; then
			cat /run/lab/sshd.log >&2
			return 1
		fi
		sleep 0.1
	done
}

ssh_from() {
	where=$1
	shift
	exec ip netns exec "$where" ssh -F none -l you -i /run/lab/phone_key -o BatchMode=yes -o ConnectTimeout="${WITHIN:-60}" \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "$@"
}

case ${1-} in
up | house | wan | firewall | sshd) "$1" ;;
join)
	shift
	join "$@"
	;;
ssh)
	shift
	ssh_from "$@"
	;;
enter)
	shift
	enter "$@"
	;;
*)
	sed -n '3,/^set/s/^# \{0,1\}//p' "$0" >&2
	exit 2
	;;
esac
