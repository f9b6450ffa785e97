#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# The parts of `make check` that are more than one command.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build

# Nothing may be left to gofmt.
format() {
	unformatted=$(gofmt -s -l cmd pkgs cross openwrt luci-app testdata)
	[ -z "$unformatted" ] || {
		echo "check: error: gofmt -s would change: $unformatted" >&2
		exit 1
	}
}

# The client is for other systems, too.
clients() {
	go run ./cross/client -out build/clients >build/clients.log || {
		echo "check: error: latchkey does not build for every system" >&2
		exit 1
	}
	echo "check: latchkey builds for linux, darwin, windows, freebsd and android"
}

# What a test may be skipped for: a kernel that has no limit of its own for each namespace, a second
# user where we are not root, programs of another processor that this one cannot run, and what Debian
# has no package of.
expected='the kernel has no VLAN|no optmem_max of each network namespace|cannot become a second user|no device without Ethernet header: /dev/net/tun: permission denied|no emulator for|no ucode of OpenWrt here|no uci of OpenWrt here|no ubusd of OpenWrt here|no web server of OpenWrt here|no firewall4 of OpenWrt here'

sums='go run gotest.tools/gotestsum@v1.13.0'

# `make test`, but a test that was skipped is an error: here everything is at hand. What failed is run once
# more, if it is not much: what then passes does not hold up a change that has nothing to do with it, but is
# told, and is a fault to be mended (FLAKY=0: it is an error).
tests() {
	log=build/test.log
	# shellcheck disable=SC2086 # a command is words
	$sums --format standard-verbose --jsonfile build/test.json --rerun-fails="${FLAKY:-1}" --rerun-fails-max-failures=4 \
		--packages="./... ./testdata/soak ./testdata/bench" -- -timeout 30m >$log 2>&1 || {
		grep -aE '^(# |panic:|fatal error:)' $log >&2 || true
		sed -n -E '/^=== (Failed|Errors)$/,$p' $log >&2
		echo "check: error: tests failed; the whole log is $log" >&2
		exit 1
	}
	grep -aE '^ok' $log
	told=$(sed '/^=== Skipped$/,$d' $log) # without the summary, which says all of them again
	if [ "$(printf '%s\n' "$told" | grep -acE '^ *--- SKIP')" -gt "$(printf '%s\n' "$told" | grep -acE "SKIP: .*($expected)")" ]; then
		sed -n '/^=== Skipped$/,/^=== Failed$/p' $log >&2
		echo "check: error: these tests were skipped" >&2
		exit 1
	fi
	[ "$(id -u)" != 0 ] || go run ./testdata/withstood $log # others skip a few
	echo 'check: the slowest tests:'
	$sums tool slowest --jsonfile build/test.json --num 10
	if grep -qa '^=== Failed$' $log; then
		sed -n '/^=== Failed$/,$p' $log
		echo 'check: warning: FLAKY: the tests above failed, and passed when they were run again' >&2
	fi
	echo "$(grep -acE '^ *--- PASS' $log) passed, 0 failed"
}

# faults writes SECURITY.md's table of what the last run of the tests withstood.
faults() {
	go run ./testdata/withstood -update build/test.log
}

# The promises of replay and clocks, over as many lives as it takes to meet what is rare. They are short: with memory
# tidied up less often a third of the time is saved.
promises() {
	GOGC=800 go test ./pkgs/daemon -timeout 30m -run '^TestPromises$' -lives 100000
}

# The knock page and the LuCI pages, in real browsers.
pages() {
	node_tests testdata/browser/*.test.mjs
	node_tests luci-app/tests/unit/*.test.mjs luci-app/tests/browser/*.test.mjs
}

# node_tests FILE...: none may be skipped; what failed is run once more, as in tests. By itself node leaves one processor idle.
node_tests() {
	log=build/pages.log
	if ! node --test --test-concurrency="$(nproc)" "$@" >$log 2>&1; then
		failures=$(awk '/^ *not ok /{ told = 1 } told { print } /^ *\.\.\.$/{ told = 0 }' $log)
		printf '%s\n' "$failures" >&2
		# Of the folder of the tests, the files in which something failed.
		files=$(printf '%s\n' "$failures" | sed -n "s|^ *location: '\(.*\.test\.mjs\):.*|\1|p" | sort -u)
		# shellcheck disable=SC2086 # file names of this project are words
		if [ "${FLAKY:-1}" = 0 ] || [ -z "$files" ] || ! node --test --test-concurrency=1 $files >build/again.log 2>&1; then
			echo "check: error: tests failed; the whole log is $log" >&2
			exit 1
		fi
		echo 'check: warning: FLAKY: the tests above failed, and passed when they were run again' >&2
	fi
	grep -E '^# (tests|pass|fail|skipped) ' $log
	grep -qE '^# skipped 0$' $log || {
		grep -E '# SKIP' $log >&2
		echo "check: error: these tests were skipped" >&2
		exit 1
	}
}

# fuzz TIME|NUMBERx [FOLDER...]: every fuzz target for that long, or that many times. Those in a compare_test.go
# ask another program each time: of a number they run none, beside their seeds, which are tests.
fuzz() {
	time=$1
	shift
	built='' cache=$(go env GOCACHE)/fuzz module=$(go list -m)
	grep -rlE --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' "${@:-.}" | sed 's|^\./||' | sort | while read -r file; do
		folder=$(dirname "$file")
		case $time:$file in
		*x:*compare_test.go) continue ;;
		esac
		if [ "$folder" != "$built" ]; then
			go test -c -fuzz=Fuzz -o build/fuzz.test "./$folder"
			built=$folder
		fi
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file" | while read -r target; do
			printf 'fuzz %s %s for %s' "$folder" "$target" "$time"
			(cd "$folder" && "$OLDPWD/build/fuzz.test" -test.v -test.run '^$' -test.fuzz "^$target\$" -test.fuzztime "$time" \
				-test.fuzzminimizetime 10x -test.fuzzcachedir "$cache/$module/$folder") >build/fuzz.log 2>&1 || fuzz_ended
			fuzz_said
		done
	done
}

# fuzz_said: how many inputs the last target had, or why it had none.
fuzz_said() {
	sed -n 's/^fuzz: elapsed: .*, execs: \([0-9]*\) .*/: \1/p; s/^ .*\(SKIP: .*\)/: \1/p' build/fuzz.log | tail -n 1 | grep . || echo
}

# fuzz_ended: Go counts it as a failure where the time was over at an awkward moment (go.dev/issue/75804, mended in Go 1.27).
fuzz_ended() {
	if grep -q 'context deadline exceeded' build/fuzz.log && ! grep -qE 'Failing input|panic|_test.go:' build/fuzz.log; then return; fi
	echo
	cat build/fuzz.log >&2
	exit 1
}

# An emulated MIPS router with a kernel of its own: a knock of each kind opens a door, and it closes.
guest() {
	go run ./testdata/guest -quick mipsel && return
	[ "${FLAKY:-1}" != 0 ] || exit 1
	go run ./testdata/guest -quick mipsel
	echo 'check: warning: FLAKY: the guest failed, and passed when it was begun again' >&2
}

case ${1-} in
format | clients | tests | faults | promises | pages | guest | fuzz)
	begun=$(date +%s)
	"$@"
	echo "check: $1 took $(($(date +%s) - begun)) s"
	;;
*)
	echo "usage: check.sh format|clients|tests|faults|promises|pages|guest|fuzz TIME [FOLDER...]" >&2
	exit 2
	;;
esac
