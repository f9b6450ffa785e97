// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/base64"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// What the events say of sources that are refused.
const (
	nobodys = "is not the address of a host"
	belongs = "belongs to "
)

// nobodies are groups of sources that nobody outside has: rows of SECURITY.md.
var nobodies = []struct {
	fault, detail string
	sources       []string
}{
	{"knocks from addresses of loopback, multicast, broadcast or nobody", nobodys, []string{
		"127.0.0.1", "127.255.255.254", "224.0.0.1", "239.1.2.3", "255.255.255.255", "240.0.0.1", "0.0.0.0", "0.1.2.3",
		"::1", "::", "ff02::1", "ff0e::1", "::192.0.2.1"}},
	{"knocks from addresses of a link", nobodys, []string{"169.254.1.1", "fe80::7"}},
	{"knocks in the name of the router itself", belongs + "the router", []string{router, router6, "192.168.1.1"}},
	{"knocks in the name of a LAN host, from outside", belongs + "the network at lan", []string{"192.168.1.22", "192.168.1.200", nas6}},
	{"knocks from NAT64 addresses of what is no host", nobodys, []string{"64:ff9b::7f00:1", "64:ff9b::e000:1", "64:ff9b::"}},
	{"IPv6 packets with an IPv4 address in them", "", []string{"::ffff:203.0.113.9", "::ffff:127.0.0.1"}},
}

// TestSourcesThatAreNobodyOutside knocks in each way from addresses that no packet from the Internet can have, and
// asks by message for doors for them.
func TestSourcesThatAreNobodyOutside(t *testing.T) {
	for _, group := range nobodies {
		t.Run(strings.ReplaceAll(group.fault, " ", "_"), func(t *testing.T) {
			d := start(t, everyKind, "--clock", "synchronised")
			send := d.wire()
			k := newKnocker(t)
			told := map[string]int{} // refusals with the right detail, by address
			for _, source := range group.sources {
				from := netip.MustParseAddr(source)
				for _, kind := range kinds {
					if kind.name == "fwknop" && !from.Is4() {
						continue
					}
					send(frames(packetsFrom(k, kind.packets, from))...)
				}
			}
			d.knocksOfEveryKind(send, k)
			for _, e := range d.told() {
				if e.Kind == "refused" && e.Reason == "not-allowed" && strings.Contains(e.Detail, group.detail) {
					told[e.Address] += max(e.Count, 1)
				}
				if e.Kind == "opened" && !isHonest(e.Address) {
					t.Errorf("opened for %s by %s", e.Address, e.Knock)
				}
			}
			for _, source := range group.sources {
				want := 3
				source = netip.MustParseAddr(source).String()
				if netip.MustParseAddr(source).Is4() {
					want = len(kinds)
				}
				if group.detail == "" {
					want = 0 // such a packet is no packet
				}
				if told[source] != want {
					t.Errorf("from %s: %d refusals that say %q, want %d", source, told[source], group.detail, want)
				}
			}
			outcome := "refused, and the event says why"
			if group.detail == "" {
				outcome = "no packets to the router, which reads none of them"
			}
			lab.Withstood(t, "packets", group.fault, outcome)
		})
	}
	t.Run("asked_for_by_a_message", func(t *testing.T) {
		d := start(t, everyKind, "--clock", "synchronised")
		send := d.wire()
		k := newKnocker(t)
		sources := []string{router, router6, "192.168.1.22", nas6, "169.254.1.1", "127.0.0.1", "64:ff9b::7f00:1"}
		for _, a := range sources {
			msg := seal.Seal(must(seal.ParseKey(k.key)), seal.Body{
				Stamp: sentStamps.Press(time.Now(), 1).Starts[0], Door: seal.Tag("web"), Address: netip.MustParseAddr(a)})
			send(ether(k.udp(netip.MustParseAddr(phone), stunPort, request(msg))))
		}
		d.knocksOfEveryKind(send, k)
		refused := 0
		for _, e := range d.told() {
			if e.Kind == "refused" && e.Reason == "not-allowed" {
				refused += max(e.Count, 1)
			}
			if e.Kind == "opened" && !isHonest(e.Address) {
				t.Errorf("opened for %s", e.Address)
			}
		}
		if refused != len(sources) {
			t.Errorf("%d refusals, want %d", refused, len(sources))
		}
		lab.Withstood(t, "keys and doors", "a message that asks for a door for the router, a LAN host or nobody", "refused, and the event says why")
	})
}

// packetsFrom returns the packets of a knock from an address, also from one that package wire sends nothing from.
func packetsFrom(k *knocker, packets func(*knocker, netip.Addr) [][]byte, from netip.Addr) [][]byte {
	if !from.Is4In6() {
		return packets(k, from)
	}
	list := packets(k, netip.MustParseAddr("2001:db8:9::1"))
	for _, ip := range list {
		copy(ip[8:24], from.AsSlice())
	}
	return list
}

// TestKeysThatAreWorthNothing knocks with keys that were stolen before their owner did something about it, at doors that
// are another client's, and at doors that are gone.
func TestKeysThatAreWorthNothing(t *testing.T) {
	second := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{9}, 32))
	text := everyKind + `
config client 'tablet'
	option key '` + second + `'
	list door 'nas'

config sequence 'of_phone'
	list step '30100/tcp'
	list step '30500/udp'
	list step '30300/tcp'
	option client 'phone'
	list door 'web'
`
	ofClient := func(name, more string) string {
		return strings.Replace(text, "config client '"+name+"'\n", "config client '"+name+"'\n"+more, 1)
	}
	both := func(more string) string {
		return strings.Replace(ofClient("phone", more), "config client 'desk'\n", "config client 'desk'\n"+more, 1)
	}
	withoutWeb := strings.ReplaceAll(text, "config door 'web'\n", "config door 'gone'\n")
	withoutWeb = strings.ReplaceAll(withoutWeb, "\tlist door 'web'\n", "\tlist door 'nas'\n")
	d := start(t, text, "--clock", "synchronised")
	reload := func(config string) {
		t.Helper()
		reloads := func() int { return strings.Count(d.log.String(), "\nreload") }
		before := reloads()
		d.write(config)
		d.signal(unix.SIGHUP)
		lab.Wait(t, "the reload", func() bool { return reloads() > before })
	}
	send := d.wire()
	k := newKnocker(t)
	from := netip.MustParseAddr(phone)
	byPorts := func(k *knocker) [][]byte { return k.ports(from) }
	bySTUN := func(k *knocker) [][]byte { return k.stun(from) }
	bySPA := func(k *knocker) [][]byte { return k.fwknop(from) }
	bySequence := func(k *knocker) [][]byte {
		return [][]byte{k.syn(from, 30100), k.udp(from, 30500, nil), k.syn(from, 30300)}
	}
	for _, tt := range []struct {
		fault, config string
		how           []func(*knocker) [][]byte
		as            func(*knocker)
		reason        string
	}{
		{"a stolen key of a client that was switched off", both("\toption enabled '0'\n"),
			[]func(*knocker) [][]byte{bySTUN, byPorts, bySPA, bySequence}, nil, "disabled"},
		{"a stolen key of a client whose time is over", both("\toption expires '2001-01-01'\n"),
			[]func(*knocker) [][]byte{bySTUN, byPorts, bySPA, bySequence}, nil, "expired"},
		{"a client that knocks at another client's door", text,
			[]func(*knocker) [][]byte{bySTUN, byPorts}, func(k *knocker) { k.key = second }, "not-allowed"},
		{"a fwknop client that knocks at another client's door", text,
			[]func(*knocker) [][]byte{bySPA}, func(k *knocker) { k.door = "nas" }, "not-allowed"},
		{"a client that knocks at a door that was taken out", withoutWeb,
			[]func(*knocker) [][]byte{bySTUN, byPorts, bySPA}, nil, "not-allowed"},
		{"a stolen key of a client that was taken out", strings.NewReplacer("config client 'phone'", "config client 'tablet2'", phoneKey, otherKey,
			"option client 'phone'", "option client 'tablet2'").Replace(text), // another key
			[]func(*knocker) [][]byte{bySTUN, byPorts}, nil, ""},
	} {
		t.Run(strings.ReplaceAll(tt.fault, " ", "_"), func(t *testing.T) {
			reload(tt.config)
			mine := *k
			if tt.as != nil {
				tt.as(&mine)
			}
			seen := must(d.status()).Last
			for _, how := range tt.how {
				send(frames(how(&mine))...)
			}
			if tt.reason == "" {
				d.settle() // nobody's messages are not even read
			}
			var events []control.Event
			refused := func() (n int) {
				events = nil
				if err := d.ask(control.Request{Method: "events", Since: seen}, &events); err != nil {
					t.Fatal(err)
				}
				for _, e := range events {
					if e.Kind == "refused" && e.Reason == tt.reason {
						n += max(e.Count, 1)
					}
				}
				return n
			}
			lab.Wait(t, "each knock is refused with that reason", func() bool { return tt.reason == "" || refused() == len(tt.how) })
			refused()
			for _, e := range events {
				if (e.Kind == "opened" || e.Kind == "extended") && e.Address == phone {
					t.Errorf("%+v", e)
				}
			}
			outcome := "refused, and the event says why"
			if tt.reason == "" {
				outcome = "is a stranger's key: opens nothing"
			}
			lab.Withstood(t, "keys and doors", tt.fault, outcome)
		})
	}
	reload(text)
	d.knocksOfEveryKind(send, k)
}
