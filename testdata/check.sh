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
expected='no optmem_max of each network namespace|cannot become a second user|no emulator for|no ucode of OpenWrt here|no web server of OpenWrt here'

# failures LOG: what the tests that failed said, of a log of go test -v, each with its last 100 lines.
failures() {
	awk '
		/^=== (RUN|CONT|NAME) / { at = $3 }
		/^ *--- (PASS|SKIP|FAIL): / { at = $3 }
		{ if (at != "") { n[at]++; said[at, n[at]] = $0 } }
		/^ *--- FAIL: / { failed[++fails] = $3 }
		/^(FAIL|panic:|fatal error:|# )/ { print }
		END {
			for (i = fails; i > 0; i--) {
				test = failed[i]
				from = n[test] > 100 ? n[test] - 99 : 1
				for (j = from; j <= n[test]; j++) print said[test, j]
			}
		}' "$1"
}

# `make test`, but a test that was skipped is an error: here everything is at hand.
tests() {
	log=build/test.log
	if ! go test -v -timeout 30m ./... >$log 2>&1; then
		failures $log >&2
		echo "check: error: tests failed; the whole log is $log" >&2
		exit 1
	fi
	grep -E '^ok' $log
	if [ "$(grep -cE '^ *--- SKIP' $log)" -gt "$(grep -cE "SKIP: .*($expected)" $log)" ]; then
		grep -E -B 2 '^ *--- SKIP' $log >&2
		echo "check: error: these tests were skipped" >&2
		exit 1
	fi
	go run ./testdata/withstood $log
	echo "$(grep -cE '^ *--- PASS' $log) passed, 0 failed"
}

# faults writes SECURITY.md's table of what the last run of the tests withstood.
faults() {
	go run ./testdata/withstood -update build/test.log
}

# The promises of replay and clocks, over as many lives as it takes to meet what is rare.
promises() {
	go test ./pkgs/daemon -timeout 30m -run '^TestPromises$' -lives 100000
}

# The knock page and the LuCI pages, in real browsers.
pages() {
	npm --prefix luci-app/tests ci --silent --no-audit --no-fund
	node_tests testdata/browser/*.test.mjs
	node_tests luci-app/tests/unit/*.test.mjs luci-app/tests/browser/*.test.mjs
}

# node_tests FILE...: none may be skipped.
node_tests() {
	log=build/pages.log
	if ! node --test "$@" >$log 2>&1; then
		awk '/^ *not ok /{ told = 1 } told { print } /^ *\.\.\.$/{ told = 0 }' $log >&2
		echo "check: error: tests failed; the whole log is $log" >&2
		exit 1
	fi
	grep -E '^# (tests|pass|fail|skipped) ' $log
	grep -qE '^# skipped 0$' $log || {
		grep -E '# SKIP' $log >&2
		echo "check: error: these tests were skipped" >&2
		exit 1
	}
}

# fuzz TIME|NUMBERx: every fuzz target for that long, or that many times.
fuzz() {
	grep -rl --include='*_test.go' '^func Fuzz' cmd pkgs cross | while read -r file; do
		sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\).*/\1/p' "$file" | while read -r target; do
			printf 'fuzz %s %s for %s\n' "$(dirname "$file")" "$target" "$1"
			go test -run '^$' -fuzz "^$target\$" -fuzztime "$1" -fuzzminimizetime 10x "./$(dirname "$file")" >build/fuzz.log 2>&1 ||
				{ cat build/fuzz.log >&2; exit 1; }
		done
	done
}

case ${1-} in
format | clients | tests | faults | promises | pages | fuzz) "$@" ;;
*)
	echo "usage: check.sh format|clients|tests|faults|promises|pages|fuzz TIME" >&2
	exit 2
	;;
esac
