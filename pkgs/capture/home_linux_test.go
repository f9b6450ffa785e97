// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// The router of this test stands behind another one, as many do, and has a tunnel that claims more than it
// leads to.
func TestHome(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lkwan", "lkisp")
	addPair(t, "lklan", "lkhost")
	addPair(t, "lktunnel", "lkpeer")
	for _, a := range [][]string{
		{"lktunnel", "10.0.0.1/8"}, {"lktunnel", "2001:db8::1/32"},
		{"lkwan", "10.5.6.7/24"}, {"lkwan", "2001:db8:5:6::7/64"}, {"lkwan", "10.9.9.1/24"},
		{"lklan", "10.5.6.129/28"}, {"lklan", "10.9.9.2/24"}, {"lklan", "192.168.1.1/24"}, {"lklan", "2001:db8:5:7::1/64"},
	} {
		if netip.MustParsePrefix(a[1]).Addr().Is6() {
			ip(t, "addr", "add", a[1], "dev", a[0], "nodad")
		} else {
			ip(t, "addr", "add", a[1], "dev", a[0])
		}
	}
	addresses, err := NewAddresses()
	if err != nil {
		t.Fatal(err)
	}
	defer addresses.Close()
	outside := []string{"lkwan", "lkwanb"}
	for a, want := range map[string]string{
		"203.0.113.9":    "",
		"10.5.6.7":       "the router",
		"2001:db8::1":    "the router",
		"10.5.6.9":       "", // beside the router, although the tunnel has all of 10.0.0.0/8
		"10.5.6.130":     "the network at lklan",
		"10.1.2.3":       "the network at lktunnel",
		"10.9.9.9":       "", // on both sides
		"192.168.1.77":   "the network at lklan",
		"2001:db8:5:6::": "",
		"2001:db8:5:7::": "the network at lklan",
		"2001:db8:5:8::": "the network at lktunnel",
		"2001:db9::1":    "",
	} {
		if got, err := addresses.Home(outside, netip.MustParseAddr(a)); got != want || err != nil {
			t.Errorf("%s: %q, want %q, error %v", a, got, want, err)
		}
	}
	if got, err := addresses.Home([]string{"lklan"}, netip.MustParseAddr("10.5.6.9")); got != "the network at lkwan" || err != nil {
		t.Errorf("by other devices: %q, error %v", got, err)
	}

	// It hears of what changes, be it more than its socket has room for.
	for _, step := range []struct {
		times  int
		change string // %d: which time
		want   string
	}{
		{1, "add 203.0.113.1/24 dev lklan", "the network at lklan"},
		{1, "del 203.0.113.1/24 dev lklan", ""},
		{40, "add 203.0.113.%d/24 dev lktunnel", "the network at lktunnel"},
		{1, "del 203.0.113.10/24 dev lktunnel", ""}, // and with it all others
	} {
		for n := range step.times {
			ip(t, append([]string{"addr"}, strings.Fields(strings.ReplaceAll(step.change, "%d", strconv.Itoa(10+n)))...)...)
		}
		if got, err := addresses.Home(outside, netip.MustParseAddr("203.0.113.9")); got != step.want || err != nil {
			t.Errorf("%d × %s: %q, want %q, error %v", step.times, step.change, got, step.want, err)
		}
	}
}

// BenchmarkHome asks for an address from outside, as that of most knocks is.
func BenchmarkHome(b *testing.B) {
	addresses, err := NewAddresses()
	if err != nil {
		b.Fatal(err)
	}
	defer addresses.Close()
	b.ReportAllocs()
	for b.Loop() {
		addresses.Home([]string{"lkwan"}, netip.AddrFrom4([4]byte{203, 0, 113, 9}))
	}
}
