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

// until is a grant of door nas that ends a while after noon.
func until(a netip.Addr, left time.Duration) door.Grant {
	return door.Grant{Door: "nas", Address: a, Until: noon.Add(left)}
}

func TestDifference(t *testing.T) {
	const minute = time.Minute
	for name, tt := range map[string]struct {
		have        []element
		grants      []door.Grant
		gone, fresh []element
	}{
		"a grant that is not there":             {nil, []door.Grant{until(one, minute)}, nil, []element{{one, minute}}},
		"a stranger":                            {[]element{{two, minute}}, nil, []element{{two, minute}}, nil},
		"a second too long":                     {[]element{{one, minute + time.Second}}, []door.Grant{until(one, minute)}, nil, nil},
		"a second too short":                    {[]element{{one, minute - time.Second}}, []door.Grant{until(one, minute)}, nil, nil},
		"more than a second too long":           {[]element{{one, minute + 1001*time.Millisecond}}, []door.Grant{until(one, minute)}, nil, []element{{one, minute}}},
		"more than a second too short":          {[]element{{one, minute - 1001*time.Millisecond}}, []door.Grant{until(one, minute)}, nil, []element{{one, minute}}},
		"without end, and soon over":            {[]element{{one, 0}}, []door.Grant{until(one, time.Second)}, nil, []element{{one, time.Second}}},
		"over":                                  {[]element{{one, time.Second}}, []door.Grant{until(one, 0)}, []element{{one, time.Second}}, nil},
		"of a millisecond":                      {nil, []door.Grant{until(one, time.Millisecond)}, nil, []element{{one, time.Millisecond}}},
		"parts of a millisecond are left out":   {nil, []door.Grant{until(one, 2*time.Millisecond-1)}, nil, []element{{one, time.Millisecond}}},
		"less than a millisecond is over":       {nil, []door.Grant{until(one, time.Millisecond-1)}, nil, nil},
		"of another door and of another family": {nil, []door.Grant{{Door: "web", Address: one, Until: noon.Add(minute)}, until(six, minute)}, nil, nil},
	} {
		c := difference(noon, "nas", false, tt.have, tt.grants)
		if c.set != "latchkey1_nas_4" || !slices.Equal(c.gone, tt.gone) || !slices.Equal(c.fresh, tt.fresh) {
			t.Errorf("%s: %+v, want gone %v, fresh %v", name, c, tt.gone, tt.fresh)
		}
	}
}

// A transaction has 500 elements at the most; what is left over comes with the next one.
func TestCut(t *testing.T) {
	elements := func(n int) []element { return make([]element, n) }
	for _, tt := range []struct {
		changes [][2]int // elements that go, and that come
		want    [][2]int
		more    bool
	}{
		{nil, nil, false},
		{[][2]int{{0, 0}, {0, 1}}, [][2]int{{0, 1}}, false},
		{[][2]int{{1, 0}, {0, 0}}, [][2]int{{1, 0}}, false},
		{[][2]int{{250, 100}, {100, 50}}, [][2]int{{250, 100}, {100, 50}}, false},
		{[][2]int{{250, 100}, {100, 51}}, [][2]int{{250, 100}, {100, 50}}, true},
		{[][2]int{{0, 500}, {0, 1}}, [][2]int{{0, 500}}, true},
		{[][2]int{{501, 0}}, [][2]int{{500, 0}}, true},
		{[][2]int{{499, 2}}, [][2]int{{499, 1}}, true},
	} {
		var changes []change
		for _, n := range tt.changes {
			changes = append(changes, change{"set", elements(n[0]), elements(n[1])})
		}
		first, more := cut(changes)
		var got [][2]int
		for _, c := range first {
			got = append(got, [2]int{len(c.gone), len(c.fresh)})
		}
		if !slices.Equal(got, tt.want) || more != tt.more {
			t.Errorf("%v: %v, more %t, want %v, %t", tt.changes, got, more, tt.want, tt.more)
		}
	}
}

// What no nft makes, a program of another's may.
func TestFit_by_numbers(t *testing.T) {
	const timeout = unix.NFT_SET_TIMEOUT
	for _, tt := range []struct {
		six  bool
		info setInfo
		want string // the words about it, "" = it is right
	}{
		{false, setInfo{7, 4, timeout}, ""},
		{true, setInfo{8, 16, timeout}, ""},
		{false, setInfo{7, 4, timeout | unix.NFT_SET_EVAL | 0x100}, ""},
		{false, setInfo{7, 5, timeout}, "is not of type ipv4_addr"},
		{false, setInfo{8, 4, timeout}, "is not of type ipv4_addr"},
		{true, setInfo{8, 17, timeout}, "is not of type ipv6_addr"},
		{true, setInfo{9, 16, timeout}, "is not of type ipv6_addr"},
		{false, setInfo{7, 4, timeout | 0x80}, "is a concatenation"},
		{false, setInfo{7, 4, timeout | unix.NFT_SET_OBJECT}, "is a map"},
		{false, setInfo{7, 4, timeout | 0x200}, "has unknown flags 0x200"},
		{false, setInfo{7, 4, timeout | unix.NFT_SET_INTERVAL | 0x200}, "has flag interval"},
	} {
		err := fit("fw4", "latchkey1_nas_4", tt.six, tt.info)
		if (err != nil) != (tt.want != "") || err != nil && (!errors.Is(err, door.ErrWrongSet) ||
			!strings.Contains(err.Error(), "latchkey1_nas_4 of table inet fw4 "+tt.want+"; it must be { type ")) {
			t.Errorf("%+v for IPv6 %t: %v, want %q", tt.info, tt.six, err, tt.want)
		}
	}
}
