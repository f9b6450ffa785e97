// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
)

func network(s string) netip.Prefix { return netip.MustParsePrefix(s) }

// alone is the network of an address alone.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

func TestNetwork(t *testing.T) {
	for _, tt := range []struct {
		door    door.Door
		address string
		want    string
		wide    [2]bool // for IPv4, for IPv6
	}{
		{door.Door{}, "203.0.113.77", "203.0.113.77/32", [2]bool{}},
		{door.Door{}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6/128", [2]bool{}},
		{door.Door{Width4: 32, Width6: 128}, "203.0.113.77", "203.0.113.77/32", [2]bool{}},
		{door.Door{Width4: 24}, "203.0.113.77", "203.0.113.0/24", [2]bool{true, false}},
		{door.Door{Width4: 24}, "::ffff:203.0.113.77", "203.0.113.0/24", [2]bool{true, false}},
		{door.Door{Width4: 24}, "2001:db8::1", "2001:db8::1/128", [2]bool{true, false}},
		{door.Door{Width4: 31}, "203.0.113.77", "203.0.113.76/31", [2]bool{true, false}},
		{door.Door{Width6: 64}, "203.0.113.77", "203.0.113.77/32", [2]bool{false, true}},
		{door.Door{Width6: 64}, "2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64", [2]bool{false, true}},
		{door.Door{Width6: 64}, "fe80::1%wan", "fe80::/64", [2]bool{false, true}},
		{door.Door{Width4: 28, Width6: 127}, "2001:db8::5", "2001:db8::4/127", [2]bool{true, true}},
		// Of these the first 64 bits are the same for the whole Internet of IPv4, or for all of one relay.
		{door.Door{Width6: 64}, "64:ff9b::203.0.113.77", "64:ff9b::cb00:714d/128", [2]bool{false, true}},
		{door.Door{Width6: 48}, "64:ff9b:1:2::203.0.113.77", "64:ff9b:1:2::cb00:714d/128", [2]bool{false, true}},
		{door.Door{Width6: 48}, "64:ff9b:0:2::1", "64:ff9b:0:2::1/128", [2]bool{false, true}},
		{door.Door{Width6: 64}, "2001:0:5ef5:79fb:0:59:34ff:8eb2", "2001:0:5ef5:79fb:0:59:34ff:8eb2/128", [2]bool{false, true}},
		{door.Door{Width6: 64}, "2001:1::7", "2001:1::/64", [2]bool{false, true}},
		{door.Door{Width6: 64}, "64:ff9a:ffff::7", "64:ff9a:ffff::/64", [2]bool{false, true}},
	} {
		if got := tt.door.Network(netip.MustParseAddr(tt.address)); got.String() != tt.want {
			t.Errorf("width %d and %d, %s: %s, want %s", tt.door.Width4, tt.door.Width6, tt.address, got, tt.want)
		}
		if got := [2]bool{tt.door.Wide(false), tt.door.Wide(true)}; got != tt.wide {
			t.Errorf("width %d and %d: wide %v, want %v", tt.door.Width4, tt.door.Width6, got, tt.wide)
		}
	}
	if got := (door.Door{Width4: 24}).Network(netip.Addr{}); got.IsValid() {
		t.Errorf("no address has network %s", got)
	}
}

func TestName(t *testing.T) {
	for n, want := range map[string]string{
		"203.0.113.7/32": "203.0.113.7", "203.0.113.0/24": "203.0.113.0/24", "2001:db8::1/128": "2001:db8::1", "2001:db8::/64": "2001:db8::/64",
	} {
		if got := door.Name(network(n)); got != want {
			t.Errorf("%s is called %s, want %s", n, got, want)
		}
	}
}

// startWide returns a book whose door nas opens to networks, ready, and its firewall.
func startWide(t *testing.T, width4, width6 int) (*door.Book, *doortest.Fake) {
	t.Helper()
	fw := doortest.NewFake()
	fw.MakeWideSets("nas")
	b := door.NewBook(fw, door.Limits{})
	setWidth(t, b, fw, width4, width6)
	return b, fw
}

// setWidth is a reload and the Sync after it. It returns what the reload closed.
func setWidth(t *testing.T, b *door.Book, fw *doortest.Fake, width4, width6 int) []door.Grant {
	t.Helper()
	d := nas
	d.Width4, d.Width6 = width4, width6
	closed, err := b.SetDoors(noon, []door.Door{d})
	if err != nil {
		t.Fatal(err)
	}
	if _, unserved, err := b.Sync(noon); len(unserved) > 0 || err != nil {
		t.Fatalf("unserved %v, error %v", unserved, err)
	}
	fw.Calls()
	return closed
}

func TestOpen_of_a_network(t *testing.T) {
	b, fw := startWide(t, 24, 64)
	ask := func(a string) door.Ask {
		return door.Ask{Door: "nas", Address: netip.MustParseAddr(a), Client: "phone"}
	}
	mustOpen(t, b, noon, ask("203.0.113.7"))
	if g, extended, err := b.Open(at(time.Minute), ask("203.0.113.200")); err != nil || !extended || g.Network != network("203.0.113.0/24") {
		t.Errorf("by another address of the network: %+v, extended %v, error %v", g, extended, err)
	}
	same(t, "there is one element", map[netip.Prefix]time.Duration{network("203.0.113.0/24"): 10 * time.Minute}, fw.Elements(at(time.Minute), "nas"))
	same(t, "calls", []string{"open nas 203.0.113.0/24 10m0s", "open nas 203.0.113.0/24 10m0s"}, fw.Calls())

	// Beside it, of the other family, and of what has one address of IPv4 at its end.
	for _, a := range []string{"203.0.112.255", "2001:db8::7", "64:ff9b::203.0.113.7", "64:ff9b::203.0.113.8"} {
		mustOpen(t, b, noon, ask(a))
	}
	if n := len(b.Grants(at(time.Minute))); n != 5 {
		t.Errorf("%d grants, want 5", n)
	}
}

func TestClose_by_an_address_of_a_network(t *testing.T) {
	for what, tt := range map[string]struct {
		close string
		want  int // grants closed
	}{
		"an address in it":       {"203.0.113.99", 1},
		"its first":              {"203.0.113.0", 1},
		"its last":               {"203.0.113.255", 1},
		"mapped":                 {"::ffff:203.0.113.99", 1},
		"an address beside it":   {"203.0.114.0", 0},
		"the other family":       {"2001:db8::7", 1},
		"nobody of that network": {"2001:db8:0:1::7", 0},
	} {
		b, fw := startWide(t, 24, 64)
		for _, a := range []string{"203.0.113.7", "203.0.112.7", "2001:db8::1"} {
			mustOpen(t, b, noon, door.Ask{Door: "nas", Address: netip.MustParseAddr(a)})
		}
		closed, err := b.Close(noon, "nas", netip.MustParseAddr(tt.close))
		if left := len(fw.Elements(noon, "nas")); err != nil || len(closed) != tt.want || left != 3-tt.want {
			t.Errorf("%s: closed %v, %d left, error %v", what, closed, left, err)
		}
	}
}

// A phone closes what it opened with its former address.
func TestCloseOwn_by_another_address_of_the_network(t *testing.T) {
	b, fw := startWide(t, 24, 64)
	n := network("203.0.113.0/24")
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: netip.MustParseAddr("203.0.113.7"), Client: "phone"})
	laptop := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: netip.MustParseAddr("203.0.113.8"), Client: "laptop", For: time.Minute})
	g, closed, still, err := b.CloseOwn(noon, "nas", netip.MustParseAddr("203.0.113.200"), "phone")
	if err != nil || !closed || g.Network != n || still != "laptop" {
		t.Errorf("closed %v of %+v, still in for %q, error %v", closed, g, still, err)
	}
	same(t, "what is left", map[netip.Prefix]time.Duration{n: time.Minute}, fw.Elements(noon, "nas"))
	same(t, "grants", []door.Grant{laptop}, b.Grants(noon))
	if _, closed, _, err := b.CloseOwn(noon, "nas", netip.MustParseAddr("203.0.112.200"), "laptop"); err != nil || closed {
		t.Errorf("an address of another network closed it: error %v", err)
	}
}

// Grants of another width end at a reload, so that no knock has to: those of one door never overlap.
func TestSetDoors_of_another_width(t *testing.T) {
	b, fw := startWide(t, 24, 64)
	fw.MakeSets("nas")
	open := func(a, client string, long time.Duration) door.Grant {
		return mustOpen(t, b, noon, door.Ask{Door: "nas", Address: netip.MustParseAddr(a), Client: client, For: long})
	}
	wide := []door.Grant{open("203.0.113.8", "laptop", time.Hour), open("203.0.113.7", "phone", 0)}
	six := open("2001:db8::7", "phone", 0)
	same(t, "closed by the same width", nil, setWidth(t, b, fw, 24, 64))
	same(t, "closed by 28 bits", wide, setWidth(t, b, fw, 28, 64))
	same(t, "grants", []door.Grant{six}, b.Grants(noon))
	same(t, "of the firewall", map[netip.Prefix]time.Duration{six.Network: 10 * time.Minute}, fw.Elements(noon, "nas"))
	same(t, "closed by single addresses", []door.Grant{six}, setWidth(t, b, fw, 32, 128))
	same(t, "of the firewall, then", nil, fw.Elements(noon, "nas"))

	narrow := []door.Grant{open("203.0.113.7", "laptop", time.Hour), open("203.0.113.7", "phone", 0)}
	nat64 := open("64:ff9b::203.0.113.7", "phone", 0) // an address alone, however wide the door is
	same(t, "closed by 24 bits", narrow, setWidth(t, b, fw, 24, 64))
	same(t, "grants, then", []door.Grant{nat64}, b.Grants(noon))
	same(t, "moved to a set of networks", map[netip.Prefix]time.Duration{nat64.Network: 10 * time.Minute}, fw.ElementsOf(noon, "nas", true))
	same(t, "left behind", 0, len(fw.ElementsOf(noon, "nas", false)))
}

// Until the firewall has the sets of a door's new width, what one family lacks is no matter of the other.
func TestOpen_before_the_set_of_another_width_is_there(t *testing.T) {
	b, fw := start(t, door.Limits{}) // with sets for addresses
	kept := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	setWidth(t, b, fw, 32, 64)
	g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: six})
	if !g.Pending {
		t.Error("the grant is not pending")
	}
	for range 2 {
		ready, unserved, err := b.Sync(noon)
		if len(ready)+len(unserved)+len(b.Unserved()) != 0 || err != nil {
			t.Errorf("ready %q, unserved %v, %v, error %v", ready, unserved, b.Unserved(), err)
		}
		same(t, "grants", []door.Grant{kept, g}, b.Grants(noon))
		same(t, "in force", map[netip.Prefix]time.Duration{kept.Network: 10 * time.Minute}, fw.Elements(noon, "nas"))
	}
	fw.MakeWideSets("nas")
	if _, _, err := b.Sync(noon); err != nil {
		t.Fatal(err)
	}
	g.Pending = false
	same(t, "grants, then", []door.Grant{kept, g}, b.Grants(noon))
	same(t, "in force, then", map[netip.Prefix]time.Duration{g.Network: 10 * time.Minute}, fw.ElementsOf(noon, "nas", true))
	same(t, "as before", map[netip.Prefix]time.Duration{kept.Network: 10 * time.Minute}, fw.ElementsOf(noon, "nas", false))
}
