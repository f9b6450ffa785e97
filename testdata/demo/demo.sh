#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# `make demo`: a person watches a door open for one phone, and close by itself.
# Everything is real (nmap, knock, ssh, sshd, the kernel's firewall) and happens in network
# namespaces of its own. It ends with an error if any step does not go as told.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
lab=$root/testdata/lab.sh
router=203.0.113.1
run=/run/lab

bold='' dim='' good='' bad='' plain=''
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' good=$'\e[32m' bad=$'\e[31m' plain=$'\e[0m'; fi

step() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
command_line() { printf '%s  %s$ %s%s\n' "$dim" "$1" "$2" "$plain"; }
output() { sed 's/^/  /'; }
ok() { printf '%s  ✓ %s%s\n' "$good" "$*" "$plain"; }
fail() {
	printf '%s  ✗ %s%s\n' "$bad" "$*" "$plain"
	printf '\nThe log of latchkeyd:\n'
	output <$run/latchkeyd.log
	exit 1
}

# on HOST COMMAND...: shows a command and runs it there.
on() {
	local host=$1
	shift
	command_line "$host" "$*"
	ip netns exec "$host" "$@"
}

# ssh_from HOST COMMAND: a log-in through the router's port 2222, as a person would type it.
ssh_from() {
	command_line "$1" "ssh -p 2222 you@$router $2"
	"$lab" ssh "$1" -p 2222 $router "$2" 2>&1
}

closed_for() {
	local said
	if said=$(ssh_from "$1" hostname); then
		printf '%s\n' "$said" | tail -n +2
		fail "the door is open for the $1"
	fi
	printf '%s\n' "$said" | sed '2,$s/^/  /'
	grep -q 'timed out' <<<"$said" || fail "SSH should time out"
	ok "$2"
}

prepare() {
	mkdir -p $run
	"$lab" up && "$lab" sshd || exit 1
	ip netns exec router "$root/build/latchkeyd" run --config "$root/testdata/demo/latchkey.uci" \
		--state $run/state --socket $run/latchkey.sock --table fw4 >$run/latchkeyd.log 2>&1 &
	for _ in {1..100}; do
		"$root/build/latchkeyd" status --socket $run/latchkey.sock >/dev/null 2>&1 && return
		sleep 0.1
	done
	fail "latchkeyd did not start"
}

story() {
	cat <<-END
		Four machines: a phone and a neighbour on the Internet, a router that runs latchkeyd, and
		behind it a NAS with an SSH server. The router has one door: its port 2222 leads to SSH on
		the NAS, for whoever knocked at three closed ports in the right order.
	END

	step "1. A stranger scans the router."
	scan=$(on neighbour nmap -n -Pn --privileged -sS -T5 --max-retries 0 --min-rate 8000 -p 1-10000 $router) || fail "nmap"
	printf '%s\n' "$scan" | grep -E 'nmap -n|scan report|scanned ports|Not shown|filtered|open' | sed '2,$s/^/  /'
	grep -qE '^[0-9]+/tcp +open|closed' <<<"$scan" && fail "the scan found something"
	ok "10000 ports, and not one of them answers."

	step "2. The phone tries SSH without knocking."
	closed_for phone "The door is invisible for the phone, too."

	step "3. The phone knocks, with the knock program of Debian."
	on phone knock -d 100 $router 7431:tcp 2951:udp 8812:tcp || fail "knock"
	for _ in {1..50}; do
		"$root/build/latchkeyd" status --socket $run/latchkey.sock | grep -q 203.0.113.7 && break
		sleep 0.1
	done
	command_line router "latchkeyd status"
	"$root/build/latchkeyd" status --socket $run/latchkey.sock | output

	step "4. The phone tries SSH again."
	# shellcheck disable=SC2016 # the NAS shall expand it
	ssh_from phone 'echo "hello from $(hostname), you are ${SSH_CONNECTION%% *}"' | sed '2,$s/^/  /'
	[ "${PIPESTATUS[0]}" = 0 ] || fail "SSH should work now"
	coproc session { "$lab" ssh phone -p 2222 $router cat 2>&1; }
	echo "first line" >&"${session[1]}"
	read -r -t 5 _ <&"${session[0]}" || fail "a second session should work too"
	ok "In. A second session stays open for later."

	step "5. The neighbour tries SSH while the door is open."
	closed_for neighbour "It is open for the phone only."

	step "6. The door closes by itself: nobody tells it to, the kernel does."
	for _ in {1..100}; do
		"$root/build/latchkeyd" events --socket $run/latchkey.sock | grep -q expired && break
		sleep 0.2
	done
	command_line router "latchkeyd events"
	"$root/build/latchkeyd" events --socket $run/latchkey.sock | output
	closed_for phone "No new session without a new knock …"
	echo "still here" >&"${session[1]}"
	read -r -t 5 line <&"${session[0]}" || fail "the open session died"
	[ "$line" = "still here" ] || fail "the open session said: $line"
	ok "… and the session that was open lives on."
}

keep() {
	local enter="nsenter --preserve-credentials --user --net --mount --target $OUTER_PID --pid=/proc/$OUTER_PID/ns/pid_for_children"
	step "The machines stay up (KEEP=1)."
	cat <<-END
		  enter one:  $enter ip netns exec phone bash     (or neighbour, router, nas)
		  knock:      knock -d 100 $router 7431:tcp 2951:udp 8812:tcp
		  log in:     $lab ssh phone -p 2222 $router      (from $enter bash)
		  watch:      $root/build/latchkeyd events --follow --socket $run/latchkey.sock
		  end:        Ctrl-C here, or kill -KILL $OUTER_PID
	END
	sleep infinity &
	wait
}

case ${1-} in
inside)
	# The first process of a pid namespace gets only those signals that it asks for.
	trap 'echo; exit 130' INT TERM
	prepare
	SECONDS=0
	story
	printf '\n%sAll as told, in %d seconds.%s\n' "$good" $SECONDS "$plain"
	if [ -n "${KEEP-}" ]; then keep; fi
	;;
*)
	# The pid by which the machines can be entered: all that follows is exec.
	OUTER_PID=$$ exec "$lab" enter bash "$0" inside
	;;
esac
