// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestKnockdAtTheSamePackets shows what the real knockd does on the packets of TestMalformedPackets and
// TestSourcesThatAreNobodyOutside, over IPv4. Its command makes a file of the sender's name.
func TestKnockdAtTheSamePackets(t *testing.T) {
	lab.Enter(t)
	lab.Need(t, "knockd")
	lab.Run(t, "router", "nft", "flush ruleset")
	folder := t.TempDir()
	k := startKnockd(t, "[options]\nInterface = wan\n[row]\nsequence = 5100,6200:udp,4300\ntcpflags = syn\ncommand = touch "+folder+"/%IP%\n")
	send, knocker := wirePort(t), newKnocker(t)
	sequence := func(from netip.Addr) [][]byte {
		list := knocker.sequence(from)
		return [][]byte{list[0], list[1], list[3]} // it knows no ICMP
	}
	opened := func(a netip.Addr) bool {
		_, err := os.Stat(filepath.Join(folder, a.String()))
		return err == nil
	}
	told := func(fault string, sent map[netip.Addr]string) {
		n := 0
		for from, name := range sent {
			if opened(from) {
				n++
				t.Logf("%s: %s opens", fault, name)
			}
		}
		lab.Peer(t, "knockd", fault, openedIn(n, len(sent)))
	}
	next := strangers()
	var tell []func()
	for _, w := range wrongs {
		ways := map[netip.Addr]string{}
		for _, way := range w.ways {
			from := next(false)
			if list, changed := way.applies(sequence(from)); changed && !way.opens {
				send(list...)
				ways[from] = way.name
			}
		}
		if len(ways) > 0 {
			tell = append(tell, func() { told(w.fault, ways) })
		}
	}
	for _, group := range nobodies {
		sources := map[netip.Addr]string{}
		for _, source := range group.sources {
			if a := netip.MustParseAddr(source); a.Is4() {
				sources[a] = source
				send(frames(sequence(a))...)
			}
		}
		if len(sources) > 0 {
			tell = append(tell, func() { told(group.fault, sources) })
		}
	}
	honest := netip.MustParseAddr(phone)
	send(frames(sequence(honest))...)
	k.settle()
	if !opened(honest) {
		t.Fatalf("the honest knock opens nothing: %s", k.log)
	}
	for _, each := range tell {
		each()
	}
}

// openedIn says in how many of some ways a program opened.
func openedIn(n, of int) string {
	switch n {
	case 0:
		return "opens nothing, too"
	case of:
		return "opens"
	}
	return fmt.Sprintf("opens in %d of %d ways", n, of)
}
