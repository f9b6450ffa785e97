// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

var (
	noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	one  = netip.MustParseAddr("192.0.2.1")
	two  = netip.MustParseAddr("192.0.2.2")
	six  = netip.MustParseAddr("2001:db8::1")
)

// alone is the network of an address alone.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// until is a grant of door nas that ends a while after noon.
func until(a netip.Addr, left time.Duration) door.Grant {
	return door.Grant{Door: "nas", Network: alone(a), Until: noon.Add(left)}
}

func TestDifference(t *testing.T) {
	const minute = time.Minute
	for name, tt := range map[string]struct {
		have        []element
		grants      []door.Grant
		gone, fresh []element
	}{
		"a grant that is not there":             {nil, []door.Grant{until(one, minute)}, nil, []element{{first: one, left: minute}}},
		"a stranger":                            {[]element{{first: two, left: minute}}, nil, []element{{first: two, left: minute}}, nil},
		"a second too long":                     {[]element{{first: one, left: minute + time.Second}}, []door.Grant{until(one, minute)}, nil, nil},
		"a second too short":                    {[]element{{first: one, left: minute - time.Second}}, []door.Grant{until(one, minute)}, nil, nil},
		"more than a second too long":           {[]element{{first: one, left: minute + 1001*time.Millisecond}}, []door.Grant{until(one, minute)}, nil, []element{{first: one, left: minute}}},
		"more than a second too short":          {[]element{{first: one, left: minute - 1001*time.Millisecond}}, []door.Grant{until(one, minute)}, nil, []element{{first: one, left: minute}}},
		"without end, and soon over":            {[]element{{first: one, left: 0}}, []door.Grant{until(one, time.Second)}, nil, []element{{first: one, left: time.Second}}},
		"over":                                  {[]element{{first: one, left: time.Second}}, []door.Grant{until(one, 0)}, []element{{first: one, left: time.Second}}, nil},
		"of a millisecond":                      {nil, []door.Grant{until(one, time.Millisecond)}, nil, []element{{first: one, left: time.Millisecond}}},
		"parts of a millisecond are left out":   {nil, []door.Grant{until(one, 2*time.Millisecond-1)}, nil, []element{{first: one, left: time.Millisecond}}},
		"less than a millisecond is over":       {nil, []door.Grant{until(one, time.Millisecond-1)}, nil, nil},
		"of another door and of another family": {nil, []door.Grant{{Door: "web", Network: alone(one), Until: noon.Add(minute)}, until(six, minute)}, nil, nil},
	} {
		gone, fresh := difference(tt.have, elementsFor(noon, false, false, door.ByDoor(tt.grants)["nas"]))
		if !slices.Equal(gone, tt.gone) || !slices.Equal(fresh, tt.fresh) {
			t.Errorf("%s: gone %v, fresh %v, want %v, %v", name, gone, fresh, tt.gone, tt.fresh)
		}
	}
}

// The kernel keeps the beginnings and ends of networks, and gives them in any order.
func TestJoined(t *testing.T) {
	a := func(last byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, last}) }
	begin := func(last byte) element { return element{first: a(last), left: time.Minute} }
	end := func(last byte) element { return element{behind: a(last)} }
	to := func(first, behind byte) element { return element{a(first), a(behind), time.Minute} }
	for name, tt := range map[string]struct{ list, want []element }{
		"networks, highest first":       {[]element{end(9), begin(8), end(4), begin(0)}, []element{to(0, 4), to(8, 9)}},
		"networks that touch":           {[]element{end(8), begin(4), end(4), begin(0)}, []element{to(0, 4), to(4, 8)}},
		"the same, in another order":    {[]element{end(8), end(4), begin(4), begin(0)}, []element{to(0, 4), to(4, 8)}},
		"the end between them left out": {[]element{begin(0), begin(4), end(8)}, []element{begin(0), to(4, 8)}},
		"ends that are left over":       {[]element{end(0), begin(4), end(8), end(12), end(2)}, []element{to(4, 8)}},
		"up to the last address":        {[]element{begin(4)}, []element{begin(4)}},
		"none":                          {nil, nil},
	} {
		if got := joined(tt.list); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", name, got, tt.want)
		}
	}
}

func TestNewElement(t *testing.T) {
	for n, want := range map[string]string{
		"192.0.2.0/24": "192.0.3.0", "192.0.2.7/32": "192.0.2.8", "192.0.2.254/31": "192.0.3.0", "2001:db8:0:ffff::/64": "2001:db8:1::",
		"2001:db8::1/128": "2001:db8::2", "2001:db8::/48": "2001:db8:1::", "255.255.255.0/24": "invalid IP", "192.0.2.0/29": "192.0.2.8",
	} {
		p := netip.MustParsePrefix(n)
		if e := newElement(p, true); e.first != p.Addr() || e.behind.String() != want {
			t.Errorf("%s is from %s to before %s, want %s", n, e.first, e.behind, want)
		}
		if e := newElement(p, false); e.first != p.Addr() || e.behind.IsValid() {
			t.Errorf("%s as an address: %v", n, e)
		}
	}
}

// A transaction has 500 elements at the most, and of each set those that go or those that come; what is left over
// comes with the next one.
func TestCut(t *testing.T) {
	elements := func(n int) []element { return slices.Repeat([]element{{left: time.Second}}, n) }
	for _, tt := range []struct {
		changes    [][2]int // elements that go, and that come
		want, rest [][2]int
	}{
		{nil, nil, nil},
		{[][2]int{{0, 0}, {0, 1}}, [][2]int{{0, 1}}, nil},
		{[][2]int{{1, 0}, {0, 0}}, [][2]int{{1, 0}}, nil},
		{[][2]int{{250, 0}, {0, 250}}, [][2]int{{250, 0}, {0, 250}}, nil},
		{[][2]int{{250, 0}, {0, 251}}, [][2]int{{250, 0}, {0, 250}}, [][2]int{{0, 1}}},
		{[][2]int{{0, 500}, {0, 1}}, [][2]int{{0, 500}}, [][2]int{{0, 1}}},
		{[][2]int{{0, 500}, {1, 0}}, [][2]int{{0, 500}}, [][2]int{{1, 0}}},
		{[][2]int{{501, 0}}, [][2]int{{500, 0}}, [][2]int{{1, 0}}},
		{[][2]int{{1, 1}}, [][2]int{{1, 0}}, [][2]int{{0, 1}}},
		{[][2]int{{1, 1}, {0, 2}, {2, 3}}, [][2]int{{1, 0}, {0, 2}, {2, 0}}, [][2]int{{0, 1}, {0, 3}}},
	} {
		var changes []change
		for _, n := range tt.changes {
			changes = append(changes, change{"set", elements(n[0]), elements(n[1])})
		}
		count := func(list []change) (counts [][2]int) {
			for _, c := range list {
				counts = append(counts, [2]int{len(c.gone), len(c.fresh)})
			}
			return counts
		}
		first, rest := cut(changes, 0)
		if got, left := count(first), count(rest); !slices.Equal(got, tt.want) || !slices.Equal(left, tt.rest) {
			t.Errorf("%v: %v, then %v, want %v, %v", tt.changes, got, left, tt.want, tt.rest)
		}
	}
}

// What is new has less left by the time of its transaction. What has nothing left goes: without a time, it would stay
// for ever.
func TestCut_after_a_while(t *testing.T) {
	over, short, long := element{first: one, left: time.Minute}, element{first: two, left: time.Minute + 2*time.Millisecond}, element{first: six}
	long.left = time.Hour
	first, rest := cut([]change{{"set", nil, []element{over, short, long}}}, time.Minute+time.Microsecond)
	if len(rest) != 0 || len(first) != 1 {
		t.Fatalf("%v, then %v, want one change", first, rest)
	}
	over.left, short.left, long.left = 0, time.Millisecond, 59*time.Minute-time.Millisecond
	gone := slices.Clone(first[0].gone)
	for i := range gone { // how much it is over by is nothing to the kernel
		gone[i].left = 0
	}
	if !slices.Equal(gone, []element{over}) || !slices.Equal(first[0].fresh, []element{short, long}) {
		t.Errorf("gone %v, fresh %v, want %v, %v", gone, first[0].fresh, over, []element{short, long})
	}
}

// What no nft makes, a program of another's may.
func TestFit_by_numbers(t *testing.T) {
	const timeout = unix.NFT_SET_TIMEOUT
	for _, tt := range []struct {
		six, wide bool

		info setInfo
		want string // the words about it, "" = it is right
	}{
		{false, false, setInfo{7, 4, timeout}, ""},
		{true, false, setInfo{8, 16, timeout}, ""},
		{false, false, setInfo{7, 4, timeout | unix.NFT_SET_EVAL | 0x100}, ""},
		{false, false, setInfo{7, 5, timeout}, "is not of type ipv4_addr"},
		{false, false, setInfo{8, 4, timeout}, "is not of type ipv4_addr"},
		{true, false, setInfo{8, 17, timeout}, "is not of type ipv6_addr"},
		{true, false, setInfo{9, 16, timeout}, "is not of type ipv6_addr"},
		{false, false, setInfo{7, 4, timeout | 0x80}, "is a concatenation"},
		{false, false, setInfo{7, 4, timeout | unix.NFT_SET_OBJECT}, "is a map"},
		{false, false, setInfo{7, 4, timeout | 0x200}, "has unknown flags 0x200"},
		{false, false, setInfo{7, 4, timeout | unix.NFT_SET_INTERVAL | 0x200}, "has flag interval"},
		{false, true, setInfo{7, 4, timeout | unix.NFT_SET_INTERVAL}, ""},
		{true, true, setInfo{8, 16, timeout | unix.NFT_SET_INTERVAL | 0x100}, ""},
		{true, true, setInfo{8, 16, timeout}, "has no flag interval"},
		{true, true, setInfo{8, 16, timeout | unix.NFT_SET_INTERVAL | 0x80}, "is a concatenation"},
		{true, true, setInfo{8, 16, timeout | unix.NFT_SET_INTERVAL | 0x200}, "has unknown flags 0x200"},
	} {
		err := checkKind("fw4", "latchkey1_nas_4", tt.six, tt.wide, tt.info)
		if (err != nil) != (tt.want != "") || err != nil && (!errors.Is(err, door.ErrWrongSet) ||
			!strings.Contains(err.Error(), "latchkey1_nas_4 of table inet fw4 "+tt.want+"; it must be { type ")) {
			t.Errorf("%+v for IPv6 %t: %v, want %q", tt.info, tt.six, err, tt.want)
		}
	}
}
