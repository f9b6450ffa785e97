// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"errors"
	"net/netip"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
)

var (
	noon  = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	four  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	six   = netip.MustParseAddr("2001:db8::1")

	nas = door.Door{Name: "nas", OpenFor: 10 * time.Minute, MaxOpen: time.Hour}
	web = door.Door{Name: "web", OpenFor: time.Minute, MaxOpen: time.Minute}

	anyOrder = []cmp.Option{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty(),
		cmpopts.IgnoreFields(door.Grant{}, "Since")} // see TestSince
)

// at returns the time of day a while after noon.
func at(d time.Duration) time.Time { return noon.Add(d) }

// start returns a book with the doors nas and web, ready, and its firewall.
func start(t *testing.T, l door.Limits) (*door.Book, *doortest.Fake) {
	t.Helper()
	fw := doortest.NewFake("nas", "web")
	b := door.NewBook(fw, l)
	if _, err := b.SetDoors(noon, []door.Door{nas, web}); err != nil {
		t.Fatal(err)
	}
	ready, unserved, err := b.Sync(noon)
	if diff := cmp.Diff([]string{"nas", "web"}, ready); diff != "" || len(unserved) > 0 || err != nil {
		t.Fatalf("first sync: unserved %v, error %v, ready (-want +got)\n%s", unserved, err, diff)
	}
	fw.Calls()
	return b, fw
}

func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got, anyOrder...); diff != "" {
		t.Errorf("%s (-want +got)\n%s", what, diff)
	}
}

// pending is what ErrPending says.
var pending = door.ErrPending.Error()

// says is what an error says, "" if it is nil.
func says(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func mustOpen(t *testing.T, b *door.Book, now time.Time, a door.Ask) door.Grant {
	t.Helper()
	g, _, err := b.Open(now, a)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestOpen(t *testing.T) {
	tests := []struct {
		name string
		ask  door.Ask
		want string // what the firewall was asked
		err  error
	}{
		{"takes_the_doors_own_time", door.Ask{Door: "nas", Address: four}, "open nas 192.0.2.1 10m0s", nil},
		{"takes_a_wish", door.Ask{Door: "nas", Address: four, For: 30 * time.Minute}, "open nas 192.0.2.1 30m0s", nil},
		{"never_exceeds_the_maximum", door.Ask{Door: "nas", Address: six, For: 255 * time.Minute}, "open nas 2001:db8::1 1h0m0s", nil},
		{"takes_the_shortest_wish", door.Ask{Door: "nas", Address: four, For: 1}, "open nas 192.0.2.1 1ns", nil},
		{"takes_a_negative_wish_for_none", door.Ask{Door: "nas", Address: four, For: -time.Hour}, "open nas 192.0.2.1 10m0s", nil},
		{"unmaps_an_ipv4_address", door.Ask{Door: "nas", Address: netip.MustParseAddr("::ffff:192.0.2.1")}, "open nas 192.0.2.1 10m0s", nil},
		{"drops_a_zone", door.Ask{Door: "nas", Address: netip.MustParseAddr("fe80::1%wan")}, "open nas fe80::1 10m0s", nil},
		{"refuses_an_unknown_door", door.Ask{Door: "attic", Address: four}, "", door.ErrNoDoor},
		{"refuses_no_address", door.Ask{Door: "nas"}, "", door.ErrNoAddress},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, fw := start(t, door.Limits{})
			g, extended, err := b.Open(noon, test.ask)
			if !errors.Is(err, test.err) || extended {
				t.Fatalf("extended %v, error %v, want %v", extended, err, test.err)
			}
			var want []string
			if test.want != "" {
				want = []string{test.want}
			}
			same(t, "calls", want, fw.Calls())
			if err != nil {
				same(t, "grants", nil, b.Grants(noon))
				return
			}
			same(t, "grants", []door.Grant{g}, b.Grants(noon))
		})
	}
}

func TestOpen_again(t *testing.T) {
	b, fw := start(t, door.Limits{PerClient: 1})
	first := door.Ask{Door: "nas", Address: four, For: 30 * time.Minute, Client: "phone", Knock: "message stun"}
	mustOpen(t, b, noon, first)

	g, extended, err := b.Open(at(time.Minute), door.Ask{Door: "nas", Address: four, For: time.Minute, Client: "phone", Knock: "message ports"})
	if err != nil || !extended {
		t.Fatalf("extended %v, error %v", extended, err)
	}
	want := door.Grant{Door: "nas", Network: alone(four), Until: at(30 * time.Minute), Client: "phone", Knock: "message stun"}
	same(t, "a shorter wish changes nothing", want, g)

	g, extended, err = b.Open(at(20*time.Minute), door.Ask{Door: "nas", Address: four, For: time.Hour, Client: "phone", Knock: "message ports"})
	if err != nil || !extended {
		t.Fatalf("extended %v, error %v", extended, err)
	}
	want = door.Grant{Door: "nas", Network: alone(four), Until: at(80 * time.Minute), Client: "phone", Knock: "message ports"}
	same(t, "a longer wish extends", want, g)
	same(t, "there is one grant", []door.Grant{want}, b.Grants(at(20*time.Minute)))
	same(t, "calls", []string{"open nas 192.0.2.1 30m0s", "open nas 192.0.2.1 29m0s", "open nas 192.0.2.1 1h0m0s"}, fw.Calls())

	if _, extended, err := b.Open(at(80*time.Minute), first); err != nil || extended {
		t.Errorf("after its end a grant is a new one: extended %v, error %v", extended, err)
	}
}

func TestOpen_by_two_clients_for_one_address(t *testing.T) {
	b, fw := start(t, door.Limits{})
	phone := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 10 * time.Minute, Client: "phone"})
	laptop := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 30 * time.Minute, Client: "laptop"})
	same(t, "each has a grant", []door.Grant{laptop, phone}, b.Grants(noon))
	same(t, "a shorter one does not shorten the other's", []string{"open nas 192.0.2.1 10m0s", "open nas 192.0.2.1 30m0s"}, fw.Calls())
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 20 * time.Minute, Client: "phone"})
	same(t, "the firewall keeps the longest", []string{"open nas 192.0.2.1 30m0s"}, fw.Calls())

	t.Run("nobody closes what another opened", func(t *testing.T) {
		_, closed, still, err := b.CloseOwn(noon, "nas", four, "tablet")
		if err != nil || closed || still != "laptop" || len(fw.Calls()) != 0 {
			t.Errorf("closed %v, still open for %q, error %v", closed, still, err)
		}
	})
	t.Run("the own close shortens it to the rest", func(t *testing.T) {
		g, closed, still, err := b.CloseOwn(noon, "nas", four, "laptop")
		if err != nil || !closed || still != "phone" || g.Client != "laptop" {
			t.Errorf("closed %v of %q, still open for %q, error %v", closed, g.Client, still, err)
		}
		same(t, "calls", []string{"open nas 192.0.2.1 20m0s"}, fw.Calls())
	})
	t.Run("the last close ends it", func(t *testing.T) {
		_, closed, still, err := b.CloseOwn(noon, "nas", four, "phone")
		if err != nil || !closed || still != "" {
			t.Errorf("closed %v, still open for %q, error %v", closed, still, err)
		}
		same(t, "calls", []string{"close nas 192.0.2.1"}, fw.Calls())
		same(t, "grants", nil, b.Grants(noon))
	})
}

func TestCloseOwn_keeps_what_the_firewall_did_not_close(t *testing.T) {
	b, fw := start(t, door.Limits{})
	g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, Client: "phone"})
	fw.Fail(errors.New("netlink broke"))
	_, closed, _, err := b.CloseOwn(noon, "nas", four, "phone")
	same(t, "error", `door "nas" to 192.0.2.1: netlink broke`, says(err))
	same(t, "closed", false, closed)
	same(t, "grants", []door.Grant{g}, b.Grants(noon))
}

func TestClose_ends_every_holders_grant_of_an_address(t *testing.T) {
	b, _ := start(t, door.Limits{})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, Client: "phone"})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, Client: "laptop"})
	closed, err := b.Close(noon, "nas", four)
	if err != nil || len(closed) != 2 || len(b.Grants(noon)) != 0 {
		t.Errorf("closed %v, error %v, left %v", closed, err, b.Grants(noon))
	}
}

func TestShorten(t *testing.T) {
	b, fw := start(t, door.Limits{})
	g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 10 * time.Minute, Client: "phone"})
	fw.Calls()
	for _, end := range []time.Duration{20 * time.Minute, 5 * time.Minute} {
		if got, want := b.Shorten(g, at(end)), end < 10*time.Minute; got != want {
			t.Errorf("to %s: shortened is %t, want %t", end, got, want)
		}
	}
	if _, _, err := b.Sync(noon); err != nil {
		t.Fatal(err)
	}
	same(t, "calls", []string{"sync 2 doors 1 grants"}, fw.Calls())
	same(t, "in the firewall", map[netip.Prefix]time.Duration{alone(four): 5 * time.Minute}, fw.Elements(noon, "nas"))
	g.Until = at(5 * time.Minute)
	same(t, "grants", []door.Grant{g}, b.Grants(noon))
}

func TestOpen_asks_the_firewall_first(t *testing.T) {
	b, fw := start(t, door.Limits{})
	broken := errors.New("netlink broke")
	fw.Fail(broken)
	_, _, err := b.Open(noon, door.Ask{Door: "nas", Address: four})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	same(t, "error", `door "nas" to 192.0.2.1: netlink broke`, says(err))
	same(t, "nothing was granted", nil, b.Grants(noon))

	fw.Fail(nil)
	g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	fw.Fail(broken)
	if _, _, err := b.Open(at(time.Minute), door.Ask{Door: "nas", Address: four}); !errors.Is(err, broken) {
		t.Errorf("error %v, want %v", err, broken)
	}
	same(t, "a refused extension leaves the grant as it was", []door.Grant{g}, b.Grants(noon))
}

func TestOpen_limits(t *testing.T) {
	b, fw := start(t, door.Limits{PerClient: 2, Total: 3})
	address := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, i}) }
	ask := func(i byte, client string) door.Ask {
		return door.Ask{Door: "nas", Address: address(i), Client: client}
	}
	mustOpen(t, b, noon, ask(1, "phone"))
	mustOpen(t, b, noon, ask(2, "phone"))
	fw.Calls()
	_, _, err := b.Open(noon, ask(3, "phone"))
	if !errors.Is(err, door.ErrTooMany) {
		t.Errorf("third grant of a client: error %v, want ErrTooMany", err)
	}
	same(t, "error", `door "nas" to 192.0.2.3: phone has 2: too many grants`, says(err))
	same(t, "the firewall was not asked", nil, fw.Calls())
	mustOpen(t, b, at(time.Minute), ask(2, "phone")) // extending needs no room
	mustOpen(t, b, noon, ask(3, "laptop"))
	_, _, err = b.Open(noon, ask(4, "laptop"))
	if !errors.Is(err, door.ErrTooMany) {
		t.Errorf("fourth grant in total: error %v, want ErrTooMany", err)
	}
	same(t, "error", `door "nas" to 192.0.2.4: there are 3: too many grants`, says(err))
	mustOpen(t, b, noon, ask(3, "laptop")) // extending needs no room here either
	if _, _, err := b.Open(at(2*time.Minute), ask(3, "phone")); !errors.Is(err, door.ErrTooMany) {
		t.Errorf("taking over another client's grant: error %v, want ErrTooMany", err)
	}
	over := at(time.Hour)
	if n := len(b.Expire(over)); n != 3 {
		t.Errorf("%d grants expired, want 3", n)
	}
	mustOpen(t, b, over, ask(4, "phone"))
}

// TestOpen_shares has strangers use up what one knock may have, and somebody who has a share of his own.
func TestOpen_shares(t *testing.T) {
	b, _ := start(t, door.Limits{PerClient: 1})
	ask := func(i byte, share string) error {
		_, _, err := b.Open(noon, door.Ask{Door: "nas", Address: netip.AddrFrom4([4]byte{192, 0, 2, i}), Knock: "sequence s", Share: share})
		return err
	}
	for _, tt := range []struct {
		address byte
		share   string
		full    bool
	}{{1, "others", false}, {2, "others", true}, {3, "home", false}, {4, "home", true}, {1, "home", true}, {3, "home", false}, {4, "", false}} {
		if err := ask(tt.address, tt.share); errors.Is(err, door.ErrTooMany) != tt.full || !tt.full && err != nil {
			t.Errorf("%d in share %q: %v, full %t", tt.address, tt.share, err, tt.full)
		}
	}
}

// TestOpen_limits_without_limits has as many grants of one client as a book without limits of its own may have.
func TestOpen_limits_without_limits(t *testing.T) {
	b, _ := start(t, door.Limits{})
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)}) }
	for i := range 32 {
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: address(i), Client: strconv.Itoa(i / 32)})
	}
	_, _, err := b.Open(noon, door.Ask{Door: "nas", Address: address(32), Client: "0"})
	same(t, "client 0", `door "nas" to 198.18.0.32: 0 has 32: too many grants`, says(err))
	if in, most := b.Room(); in != 32 || most != 10240 {
		t.Errorf("%d of %d grants are in use", in, most)
	}
}

// TestOpen_limits_count_what_is_in_force: what is over but not yet expired by Expire takes nobody's place.
func TestOpen_limits_count_what_is_in_force(t *testing.T) {
	b, _ := start(t, door.Limits{PerClient: 1, Total: 3})
	mustOpen(t, b, noon, door.Ask{Door: "web", Address: four, Client: "phone"})
	over := at(time.Minute) // web's time, to the nanosecond
	if _, _, err := b.Open(over.Add(-1), door.Ask{Door: "web", Address: other, Client: "phone"}); !errors.Is(err, door.ErrTooMany) {
		t.Errorf("just before the first one is over: error %v, want ErrTooMany", err)
	}
	mustOpen(t, b, over, door.Ask{Door: "web", Address: other, Client: "phone"})
}

func TestClose(t *testing.T) {
	addresses := []netip.Addr{four, other, six}
	tests := []struct {
		name    string
		door    string
		address netip.Addr
		want    []netip.Addr
		err     error
	}{
		{"of_one_address", "nas", other, []netip.Addr{other}, nil},
		{"of_a_mapped_address", "nas", netip.MustParseAddr("::ffff:192.0.2.1"), []netip.Addr{four}, nil},
		{"of_every_address", "nas", netip.Addr{}, addresses, nil},
		{"of_an_address_that_has_no_grant", "nas", netip.MustParseAddr("198.51.100.1"), nil, nil},
		{"of_another_door", "web", netip.Addr{}, nil, nil},
		{"of_an_unknown_door", "attic", netip.Addr{}, nil, door.ErrNoDoor},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			b, fw := start(t, door.Limits{})
			for _, a := range addresses {
				mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a})
			}
			closed, err := b.Close(noon, test.door, test.address)
			if !errors.Is(err, test.err) {
				t.Errorf("error %v, want %v", err, test.err)
			}
			var got []netip.Addr
			for _, g := range closed {
				got = append(got, g.Network.Addr())
			}
			same(t, "closed", test.want, got)
			if got, want := len(fw.Elements(noon, "nas")), len(addresses)-len(test.want); got != want {
				t.Errorf("%d elements left, want %d", got, want)
			}
		})
	}
}

func TestClose_keeps_what_the_firewall_did_not_close(t *testing.T) {
	b, fw := start(t, door.Limits{})
	g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	broken := errors.New("netlink broke")
	fw.Fail(broken)
	closed, err := b.Close(noon, "nas", netip.Addr{})
	if !errors.Is(err, broken) || len(closed) > 0 {
		t.Errorf("closed %v, error %v", closed, err)
	}
	same(t, "error", `door "nas" to 192.0.2.1: netlink broke`, says(err))
	same(t, "grants", []door.Grant{g}, b.Grants(noon))
}

func TestExpire(t *testing.T) {
	b, fw := start(t, door.Limits{})
	if next := b.Next(); !next.IsZero() {
		t.Errorf("next expiry of an empty book is %s", next)
	}
	short := mustOpen(t, b, noon, door.Ask{Door: "web", Address: four})
	long := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	fw.Calls()
	if got := b.Next(); !got.Equal(short.Until) {
		t.Errorf("next expiry %s, want %s", got, short.Until)
	}
	same(t, "just before", nil, b.Expire(short.Until.Add(-1)))
	same(t, "in time", []door.Grant{short}, b.Expire(short.Until))
	same(t, "once", nil, b.Expire(short.Until))
	same(t, "the rest", []door.Grant{long}, b.Grants(short.Until))
	same(t, "the firewall is not asked", nil, fw.Calls())
}

func TestSetDoors(t *testing.T) {
	b, fw := start(t, door.Limits{})
	kept := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	long := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: six, For: time.Hour})
	gone := mustOpen(t, b, noon, door.Ask{Door: "web", Address: four})
	fw.Calls()

	stricter := door.Door{Name: "nas", OpenFor: time.Minute, MaxOpen: 20 * time.Minute}
	fresh := door.Door{Name: "attic", OpenFor: time.Minute, MaxOpen: time.Minute}
	closed, err := b.SetDoors(at(time.Second), []door.Door{stricter, fresh})
	if err != nil {
		t.Fatal(err)
	}
	same(t, "closed", []door.Grant{gone}, closed)
	same(t, "what is shortened is left to the sync", []string{"close web 192.0.2.1"}, fw.Calls())
	long.Until = at(time.Second + 20*time.Minute)
	same(t, "kept", []door.Grant{kept, long}, b.Grants(at(time.Second)))
	same(t, "a new door is pending until the next sync", []string{"attic: " + pending}, tell(b.Unserved()))
	ready, unserved, err := b.Sync(at(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "doors that were ready before are no news", nil, ready)
	same(t, "a new door without sets is", []string{pendingFor("attic")}, tell(unserved))
	if _, _, err := b.Open(noon, door.Ask{Door: "web", Address: four}); !errors.Is(err, door.ErrNoDoor) {
		t.Errorf("a door that went: error %v, want ErrNoDoor", err)
	}
	same(t, "web in the firewall", nil, fw.Elements(noon, "web"))
	same(t, "nas in the firewall", map[netip.Prefix]time.Duration{
		alone(four): 10 * time.Minute, alone(six): 20*time.Minute + time.Second,
	}, fw.Elements(noon, "nas"))
}

func TestGrants_that_end_are_told_in_order(t *testing.T) {
	for name, end := range map[string]func(b *door.Book) ([]door.Grant, error){
		"SetDoors": func(b *door.Book) ([]door.Grant, error) { return b.SetDoors(noon, nil) },
		"Close":    func(b *door.Book) ([]door.Grant, error) { return b.Close(noon, "nas", netip.Addr{}) },
		"Expire":   func(b *door.Book) ([]door.Grant, error) { return b.Expire(at(time.Hour)), nil },
	} {
		t.Run(name, func(t *testing.T) { testOrder(t, end) })
	}
}

func testOrder(t *testing.T, end func(b *door.Book) ([]door.Grant, error)) {
	b, _ := start(t, door.Limits{})
	var want []door.Grant
	for i := range byte(8) {
		a := netip.AddrFrom4([4]byte{192, 0, 2, i})
		want = append(want,
			mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, Client: "laptop"}),
			mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, Client: "phone"}))
	}
	ended, err := end(b)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ended", want, ended)
}

func TestGrants_survive_a_clock_that_jumps(t *testing.T) {
	// A difference of two times from time.Now is that of their monotonic readings, so all the
	// book has to do is not to lose them.
	fw := doortest.NewFake("nas")
	b := door.NewBook(fw, door.Limits{})
	now := time.Now()
	if _, err := b.SetDoors(now, []door.Door{nas}); err != nil {
		t.Fatal(err)
	}
	g := mustOpen(t, b, now, door.Ask{Door: "nas", Address: four})
	if left := g.Until.Sub(now); left != 10*time.Minute {
		t.Errorf("%s left, want 10m", left)
	}
	if g.Until == g.Until.Round(0) {
		t.Error("the end of a grant lost its monotonic reading")
	}
}

func TestSince_is_when_a_grant_was_opened_first(t *testing.T) {
	b, _ := start(t, door.Limits{})
	since := func(now time.Time, client string) time.Duration {
		t.Helper()
		for _, g := range b.Grants(now) {
			if g.Client == client {
				return g.Since.Sub(noon)
			}
		}
		t.Fatalf("%s has no grant", client)
		return 0
	}
	ask := door.Ask{Door: "nas", Address: four, Client: "anna"}
	mustOpen(t, b, at(0), ask)
	for name, a := range map[string]door.Ask{
		"extended":               ask,
		"extended_by_less":       {Door: "nas", Address: four, Client: "anna", For: time.Second},
		"another_client_beside":  {Door: "nas", Address: four, Client: "ben"},
		"another_address_beside": {Door: "nas", Address: other, Client: "ben"},
	} {
		t.Run(name, func(t *testing.T) {
			if g := mustOpen(t, b, at(3*time.Minute), a); a.Client == "anna" && g.Since != at(0) {
				t.Errorf("opened at %v", g.Since)
			}
			if got := since(at(4*time.Minute), "anna"); got != 0 {
				t.Errorf("%v after noon", got)
			}
		})
	}
	if got := since(at(4*time.Minute), "ben"); got != 3*time.Minute {
		t.Errorf("ben came %v after noon", got)
	}
	if g := mustOpen(t, b, at(2*time.Hour), ask); g.Since != at(2*time.Hour) { // nobody called Expire
		t.Errorf("a grant of after the first one's end began at %v", g.Since)
	}
	closed, err := b.Close(at(2*time.Hour+time.Minute), "nas", four)
	if err != nil || len(closed) != 1 || closed[0].Since != at(2*time.Hour) {
		t.Errorf("closed %+v, %v", closed, err)
	}
}
