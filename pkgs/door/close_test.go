// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
)

// full returns a book of many grants of each of some doors, and how its firewall is asked.
func full(t *testing.T, doors, grants int) (*door.Book, *doortest.Fake) {
	t.Helper()
	var names []string
	var list []door.Door
	for i := range doors {
		names = append(names, fmt.Sprintf("door%03d", i))
		list = append(list, door.Door{Name: names[i], OpenFor: time.Hour, MaxOpen: time.Hour})
	}
	fw := doortest.NewFake(names...)
	b := door.NewBook(fw, door.Limits{PerClient: doors * grants})
	if _, err := b.SetDoors(noon, list); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		for i := range grants {
			mustOpen(t, b, noon, door.Ask{Door: name, Address: netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}), Client: "phone"})
		}
	}
	fw.Calls()
	return b, fw
}

// However many grants end at once, the firewall is asked once for each door.
func TestMany_grants_end_by_one_call_for_each_door(t *testing.T) {
	const doors, grants = 5, 40
	some := func(g *door.Grant) bool { return g.Network.Addr().As4()[3] < 30 }
	for name, tt := range map[string]struct {
		end                 func(b *door.Book) ([]door.Grant, error)
		closed, left, calls int
	}{
		"of one door": {func(b *door.Book) ([]door.Grant, error) { return b.Close(noon, "door003", netip.Addr{}) }, grants, (doors - 1) * grants, 1},
		"of all doors": {func(b *door.Book) ([]door.Grant, error) {
			return b.CloseWhere(noon, func(*door.Grant) bool { return true })
		}, doors * grants, 0, doors},
		"some of each":         {func(b *door.Book) ([]door.Grant, error) { return b.CloseWhere(noon, some) }, doors * 30, doors * 10, doors},
		"whose doors are gone": {func(b *door.Book) ([]door.Grant, error) { return b.SetDoors(noon, nil) }, doors * grants, 0, doors},
		"none": {func(b *door.Book) ([]door.Grant, error) {
			return b.CloseWhere(noon, func(*door.Grant) bool { return false })
		}, 0, doors * grants, 0},
	} {
		b, fw := full(t, doors, grants)
		closed, err := tt.end(b)
		calls := fw.Calls()
		if left := len(b.Grants(noon)); err != nil || len(closed) != tt.closed || left != tt.left || len(calls) != tt.calls {
			t.Errorf("%s: closed %d, left %d, %d calls, %v, want %d, %d, %d", name, len(closed), left, len(calls), err, tt.closed, tt.left, tt.calls)
		}
		inForce := 0
		for i := range doors {
			inForce += len(fw.Elements(noon, fmt.Sprintf("door%03d", i)))
		}
		if inForce != tt.left {
			t.Errorf("%s: %d are in force, want %d", name, inForce, tt.left)
		}
		for i := 1; i < len(closed); i++ {
			if x, y := &closed[i-1], &closed[i]; x.Door > y.Door || x.Door == y.Door && !x.Network.Addr().Less(y.Network.Addr()) {
				t.Fatalf("%s: %s is told before %s", name, x.Network, y.Network)
			}
		}
	}
}

// Of grants that end at once, those networks stay in that somebody else has a grant for, until that one's end.
func TestCloseWhere_leaves_in_whom_another_holder_lets_in(t *testing.T) {
	b, fw := start(t, door.Limits{})
	for _, a := range []netip.Addr{four, other, six} {
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, For: time.Hour, Client: "phone"})
	}
	stays := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: other, For: 20 * time.Minute, Client: "laptop"})
	fw.Calls()
	closed, err := b.CloseWhere(noon, func(g *door.Grant) bool { return g.Client == "phone" })
	if err != nil || len(closed) != 3 {
		t.Errorf("closed %d, %v", len(closed), err)
	}
	same(t, "calls", []string{"open nas 192.0.2.2 20m0s", "close nas 192.0.2.1 2001:db8::1"}, fw.Calls())
	same(t, "grants", []door.Grant{stays}, b.Grants(noon))
}

// Two clients may have a grant for one network, which the firewall is to close once.
func TestCloseWhere_closes_each_network_once(t *testing.T) {
	b, fw := start(t, door.Limits{})
	for _, client := range []string{"laptop", "phone"} {
		for _, a := range []netip.Addr{four, other} {
			mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, Client: client})
		}
	}
	fw.Calls()
	fw.Fail(errors.New("netlink broke"))
	_, err := b.CloseWhere(noon, func(g *door.Grant) bool { return g.Client == "phone" || g.Network.Addr() == four })
	same(t, "error", "door \"nas\" to 192.0.2.2: netlink broke\ndoor \"nas\" to 192.0.2.1 and 1 more: netlink broke", says(err))
	fw.Fail(nil)
	fw.Calls()
	closed, err := b.CloseWhere(noon, func(*door.Grant) bool { return true })
	if err != nil || len(closed) != 4 {
		t.Errorf("closed %d, %v", len(closed), err)
	}
	same(t, "calls", []string{"close nas 192.0.2.1 192.0.2.2"}, fw.Calls())
}

// A firewall that refuses everything is reported in a few words, always the same ones, and no grant is lost.
func TestErrors_of_many_doors_are_few(t *testing.T) {
	b, fw := full(t, 20, 3)
	broken := errors.New("netlink broke")
	fw.Fail(broken)
	first := ""
	for range 10 {
		closed, err := b.CloseWhere(noon, func(*door.Grant) bool { return true })
		if !errors.Is(err, broken) || len(closed) > 0 || len(b.Grants(noon)) != 60 {
			t.Fatalf("closed %d, left %d, %v", len(closed), len(b.Grants(noon)), err)
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Fatalf("it says\n%v, and before\n%s", err, first)
		}
	}
	same(t, "words", strings.Join([]string{
		`door "door000" to 198.18.0.0 and 2 more: netlink broke`,
		`door "door001" to 198.18.0.0 and 2 more: netlink broke`,
		`door "door002" to 198.18.0.0 and 2 more: netlink broke`,
		"and 17 more",
	}, "\n"), first)
	for _, g := range b.Grants(noon) { // as long as each was given
		same(t, "end", at(time.Hour), g.Until)
	}
	closed, err := b.SetDoors(at(time.Minute), nil)
	if n := strings.Count(err.Error(), "\n"); len(closed) != 60 || n != 3 {
		t.Errorf("%d are reported as closed, in %d lines", len(closed), n+1)
	}
}
