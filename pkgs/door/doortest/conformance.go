// SPDX-License-Identifier: Apache-2.0

package doortest

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
)

// Env is a firewall under test and what the test needs to do and see behind its back.
type Env interface {
	door.Firewall
	// MakeSets makes the sets of doors, empty; DropSets removes them with all that is in them.
	MakeSets(t *testing.T, doors ...string)
	DropSets(t *testing.T, doors ...string)
	// DropFamily removes one of a door's sets.
	DropFamily(t *testing.T, name string, six bool)
	// Spoil puts a set of the wrong kind, empty, in the place of one of a door's sets: one in
	// which an address would open the door to others, too.
	Spoil(t *testing.T, name string, six bool)
	// Plant puts an element into a door's set; with a time of 0 it has no end.
	Plant(t *testing.T, name string, n netip.Prefix, left time.Duration)
	// Left returns what is left of each element in a door's sets.
	Left(t *testing.T, name string) map[netip.Prefix]time.Duration
	// Widen makes all of that be about the sets of doors that open to networks, or again of those that
	// open to single addresses. What there is stays.
	Widen(wide bool)
	// Now and Pass are the firewall's time.
	Now() time.Time
	Pass(d time.Duration)
}

// rig is an environment whose doors open to these networks.
type rig struct {
	Env
	nas, web door.Door
	// four and other touch each other, as do six and beside.
	four, other, six, beside netip.Prefix
	stranger, stranger6      netip.Prefix
}

// of returns the networks of the door nas that addresses are in.
func (e *rig) of(addresses ...string) (list []netip.Prefix) {
	for _, a := range addresses {
		list = append(list, e.nas.Network(netip.MustParseAddr(a)))
	}
	return list
}

func newRig(e Env, wide bool) *rig {
	r := &rig{Env: e, nas: door.Door{Name: "nas"}, web: door.Door{Name: "web"}}
	addresses := []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"}
	if wide {
		r.nas = door.Door{Name: "nas", Width4: 24, Width6: 64}
		r.web = door.Door{Name: "web", Width4: 31, Width6: 127}
		addresses = []string{"192.0.2.1", "192.0.3.77", "2001:db8:0:1::1", "2001:db8:0:2:3::4"}
	}
	n := r.of(append(addresses, "198.51.100.7", "2001:db8:7::7")...)
	r.four, r.other, r.six, r.beside, r.stranger, r.stranger6 = n[0], n[1], n[2], n[3], n[4], n[5]
	return r
}

// alone is the network of an address alone.
func alone(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// slack is by how much what is left of an element may differ from what it should be: a tick of the
// kernel, and the time that a loaded machine needs from asking to looking.
const slack = 5 * time.Second

// Conformance is what a door.Firewall must do, for doors that open to single addresses and for those that
// open to networks. start returns a new environment with the sets of the doors "nas" and "web", empty.
func Conformance(t *testing.T, start func(t *testing.T, wide bool) Env) {
	tests := []struct {
		name string
		run  func(t *testing.T, e *rig)
	}{
		{"open/lets_in_one_address_for_its_time", testOpen},
		{"open/of_both_families", testFamilies},
		{"open/again_for_longer_extends", testExtend},
		{"open/again_for_shorter_shortens", testShorten},
		{"open/without_a_set_is_pending", testPending},
		{"open/of_a_family_without_a_set_is_refused", testFamily},
		{"open/of_what_just_expired_opens_again", testReopen},
		{"open/with_a_set_of_the_wrong_kind_is_refused", testWrongSet},
		{"close/ends_one_grant", testClose},
		{"close/of_what_is_not_there_is_no_error", testCloseAbsent},
		{"close/ends_1100_grants_at_once", testCloseMany},
		{"expiry/closes_on_time_without_anybody", testExpiry},
		{"sync/adds_what_is_missing_and_removes_strangers", testSync},
		{"sync/corrects_times", testSyncTimes},
		{"sync/names_doors_without_sets", testSyncMissing},
		{"sync/names_sets_of_the_wrong_kind_and_leaves_them_alone", testSyncWrong},
		{"sync/gives_an_end_to_what_has_none", testSyncEndless},
		{"sync/leaves_out_what_is_over", testSyncOver},
		{"sync/holds_1000_grants", testSyncMany},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, newRig(start(t, false), false)) })
		t.Run("networks/"+test.name, func(t *testing.T) { test.run(t, newRig(start(t, true), true)) })
	}
	networks := []struct {
		name string
		run  func(t *testing.T, e *rig)
	}{
		{"that_touch_end_each_by_itself", testTouching},
		{"that_overlap_are_refused", testOverlap},
		{"of_one_address_beside_wider_ones", testNarrow},
		{"that_touch_are_put_back_corrected_and_taken_out", testManyTouching},
	}
	for _, test := range networks {
		t.Run("networks/"+test.name, func(t *testing.T) { test.run(t, newRig(start(t, true), true)) })
	}
	t.Run("networks/where_there_were_addresses", func(t *testing.T) { testWiden(t, start(t, false), true) })
	t.Run("networks/no_more", func(t *testing.T) { testWiden(t, start(t, true), false) })
	t.Run("networks/of_one_family_only", func(t *testing.T) { testWidenSix(t, start(t, false)) })
}

// grant returns a grant that ends after a time.
func grant(e Env, name string, n netip.Prefix, left time.Duration) door.Grant {
	return door.Grant{Door: name, Network: n, Until: e.Now().Add(left), Client: "phone", Knock: "message stun"}
}

// open opens and fails the test if that did not work.
func open(t *testing.T, e *rig, d door.Door, n netip.Prefix, left time.Duration) {
	t.Helper()
	if err := e.Open(e.Now(), d, grant(e, d.Name, n, left)); err != nil {
		t.Fatalf("open %s to %s: %v", d.Name, n, err)
	}
}

// expect fails the test unless a door's sets hold exactly these elements, give or take slack.
func expect(t *testing.T, e Env, name string, want map[netip.Prefix]time.Duration) {
	t.Helper()
	got := e.Left(t, name)
	for a, left := range got {
		w, ok := want[a]
		switch {
		case !ok:
			t.Errorf("door %s is open to %s, which it must not be", name, a)
		case left > w+time.Second || left < w-slack:
			t.Errorf("door %s is open to %s for another %s, want %s", name, a, left, w)
		}
	}
	for a := range want {
		if _, ok := got[a]; !ok {
			t.Errorf("door %s is closed to %s, want it open", name, a)
		}
	}
}

type lefts = map[netip.Prefix]time.Duration

// deadlines are when elements end. Where there are many, more than slack may pass on a slow processor until they are looked at.
type deadlines map[netip.Prefix]time.Time

func (d deadlines) left(e Env) lefts {
	left := lefts{}
	for n, until := range d {
		left[n] = until.Sub(e.Now())
	}
	return left
}

func testOpen(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, 10*time.Minute)
	expect(t, e, "nas", lefts{e.four: 10 * time.Minute})
	expect(t, e, "web", nil)
}

func testFamilies(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, time.Minute)
	open(t, e, e.nas, e.six, 2*time.Minute)
	expect(t, e, "nas", lefts{e.four: time.Minute, e.six: 2 * time.Minute})
	if err := e.Close(e.nas, e.six); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{e.four: time.Minute})
}

func testExtend(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, 30*time.Second)
	open(t, e, e.nas, e.four, 8*time.Hour)
	expect(t, e, "nas", lefts{e.four: 8 * time.Hour})
}

func testShorten(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, 8*time.Hour)
	open(t, e, e.nas, e.four, 30*time.Second)
	expect(t, e, "nas", lefts{e.four: 30 * time.Second})
}

func testPending(t *testing.T, e *rig) {
	e.DropSets(t, "nas")
	for _, a := range []netip.Prefix{e.four, e.six} {
		if err := e.Open(e.Now(), e.nas, grant(e, "nas", a, time.Minute)); !errors.Is(err, door.ErrPending) {
			t.Errorf("open to %s without a set: error %v, want ErrPending", a, err)
		}
	}
	open(t, e, e.web, e.four, time.Minute)
	e.MakeSets(t, "nas")
	open(t, e, e.nas, e.four, time.Minute)
	expect(t, e, "nas", lefts{e.four: time.Minute})
}

func testFamily(t *testing.T, e *rig) {
	e.DropFamily(t, "nas", true)
	if err := e.Open(e.Now(), e.nas, grant(e, "nas", e.six, time.Minute)); !errors.Is(err, door.ErrFamily) {
		t.Errorf("open to %s with a set for IPv4 only: error %v, want ErrFamily", e.six, err)
	}
	open(t, e, e.nas, e.four, time.Minute)
	if err := e.Close(e.nas, e.six); err != nil {
		t.Errorf("close without a set: %v", err)
	}
	grants := []door.Grant{grant(e, "nas", e.four, time.Minute), grant(e, "nas", e.six, time.Minute)}
	expectLack(t, e, []door.Door{e.nas, e.web}, grants, 6, door.ErrFamily)
	expectLack(t, e, []door.Door{e.nas, e.web}, grants[:1], 0, nil) // nobody is there whom it concerns
	expect(t, e, "nas", lefts{e.four: time.Minute})

	// The other one goes, with what is in force.
	e.MakeSets(t, "nas")
	expectLack(t, e, []door.Door{e.nas, e.web}, grants, 0, nil)
	e.DropFamily(t, "nas", false)
	for range 2 {
		expectLack(t, e, []door.Door{e.nas, e.web}, grants, 4, door.ErrFamily)
		expect(t, e, "nas", lefts{e.six: time.Minute})
	}
	e.MakeSets(t, "nas")
	expectLack(t, e, []door.Door{e.nas, e.web}, grants, 0, nil)
	expect(t, e, "nas", lefts{e.four: time.Minute, e.six: time.Minute})
}

// expectLack fails the test unless a Sync says that the door nas has no set for one family and why; 0 is none.
func expectLack(t *testing.T, e *rig, doors []door.Door, grants []door.Grant, family int, why error) {
	t.Helper()
	unserved, err := e.Sync(e.Now(), doors, grants)
	switch {
	case err != nil:
		t.Errorf("sync: %v", err)
	case family == 0 && len(unserved) > 0:
		t.Errorf("sync: unserved %v", unserved)
	case family != 0 && (len(unserved) != 1 || unserved[0].Door != "nas" || unserved[0].Family != family || !errors.Is(unserved[0].Reason, why)):
		t.Errorf("sync: unserved %v, want family %d: %v", unserved, family, why)
	}
}

func testReopen(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, 100*time.Millisecond)
	e.Pass(200 * time.Millisecond)
	open(t, e, e.nas, e.four, time.Minute)
	expect(t, e, "nas", lefts{e.four: time.Minute})
}

// A door is refused as a whole, whichever of its sets is of the wrong kind and whoever is to be let in.
func testWrongSet(t *testing.T, e *rig) {
	for _, wrong := range []bool{false, true} {
		open(t, e, e.web, e.four, time.Minute)
		e.Spoil(t, "nas", wrong)
		for _, a := range []netip.Prefix{e.four, e.six} {
			if err := e.Open(e.Now(), e.nas, grant(e, "nas", a, time.Minute)); !errors.Is(err, door.ErrWrongSet) {
				t.Errorf("open to %s: error %v, want ErrWrongSet", a, err)
			}
			if err := e.Close(e.nas, a); err != nil {
				t.Errorf("close to %s: %v", a, err)
			}
		}
		expect(t, e, "nas", nil)
		e.DropSets(t, "nas")
		e.MakeSets(t, "nas")
		open(t, e, e.nas, e.four, time.Minute)
		expect(t, e, "nas", lefts{e.four: time.Minute})
	}
}

func testClose(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, time.Minute)
	open(t, e, e.nas, e.other, time.Minute)
	if err := e.Close(e.nas, e.four); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{e.other: time.Minute})
}

func testCloseAbsent(t *testing.T, e *rig) {
	if err := e.Close(e.nas, e.four); err != nil {
		t.Errorf("close of what was never open: %v", err)
	}
	e.DropSets(t, "nas")
	if err := e.Close(e.nas, e.four); err != nil {
		t.Errorf("close without a set: %v", err)
	}
}

func testExpiry(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, 300*time.Millisecond)
	open(t, e, e.nas, e.six, 300*time.Millisecond)
	open(t, e, e.nas, e.other, time.Minute)
	e.Pass(300*time.Millisecond + 100*time.Millisecond)
	expect(t, e, "nas", lefts{e.other: time.Minute})
}

func testSync(t *testing.T, e *rig) {
	open(t, e, e.nas, e.four, time.Minute)
	e.Plant(t, "nas", e.stranger, time.Hour)
	e.Plant(t, "nas", e.stranger6, time.Hour)
	e.Plant(t, "web", e.stranger, time.Hour)
	grants := []door.Grant{
		grant(e, "nas", e.four, time.Minute),
		grant(e, "nas", e.six, 2*time.Minute),
		grant(e, "web", e.other, 3*time.Minute),
	}
	for range 2 { // the second time nothing differs
		unserved, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants)
		if err != nil || len(unserved) != 0 {
			t.Fatalf("sync: unserved %v, error %v", unserved, err)
		}
		expect(t, e, "nas", lefts{e.four: time.Minute, e.six: 2 * time.Minute})
		expect(t, e, "web", lefts{e.other: 3 * time.Minute})
	}
}

func testSyncTimes(t *testing.T, e *rig) {
	e.Plant(t, "nas", e.four, 8*time.Hour)
	e.Plant(t, "nas", e.other, time.Minute)
	grants := []door.Grant{grant(e, "nas", e.four, 5*time.Minute), grant(e, "nas", e.other, 5*time.Minute)}
	if _, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{e.four: 5 * time.Minute, e.other: 5 * time.Minute})
}

func testSyncMissing(t *testing.T, e *rig) {
	e.DropSets(t, "nas")
	grants := []door.Grant{grant(e, "nas", e.four, time.Minute), grant(e, "web", e.four, time.Minute)}
	unserved, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants)
	if err != nil || len(unserved) != 1 || unserved[0].Door != "nas" || !errors.Is(unserved[0].Reason, door.ErrPending) {
		t.Fatalf("sync without the sets of nas: unserved %v, error %v", unserved, err)
	}
	expect(t, e, "web", lefts{e.four: time.Minute})
	e.MakeSets(t, "nas")
	if unserved, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants); err != nil || len(unserved) != 0 {
		t.Fatalf("sync with all sets: unserved %v, error %v", unserved, err)
	}
	expect(t, e, "nas", lefts{e.four: time.Minute})
}

func testSyncWrong(t *testing.T, e *rig) {
	grants := []door.Grant{grant(e, "nas", e.four, time.Minute), grant(e, "nas", e.six, time.Minute), grant(e, "web", e.six, time.Minute)}
	for _, wrong := range []bool{false, true} {
		for _, g := range grants {
			open(t, e, map[string]door.Door{"nas": e.nas, "web": e.web}[g.Door], g.Network, time.Minute)
		}
		e.Spoil(t, "nas", wrong)
		for range 2 {
			unserved, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants)
			if err != nil || len(unserved) != 1 || unserved[0].Door != "nas" || !errors.Is(unserved[0].Reason, door.ErrWrongSet) {
				t.Fatalf("sync: unserved %v, error %v", unserved, err)
			}
			// Nothing of the door is in force, so that nobody is told half of the truth.
			expect(t, e, "nas", nil)
			expect(t, e, "web", lefts{e.six: time.Minute})
		}
		e.DropSets(t, "nas")
		e.MakeSets(t, "nas")
		if unserved, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants); err != nil || len(unserved) != 0 {
			t.Fatalf("sync with right sets: unserved %v, error %v", unserved, err)
		}
		expect(t, e, "nas", lefts{e.four: time.Minute, e.six: time.Minute})
	}
}

// An element without an end is not right for any grant, not even for one that ends at once.
func testSyncEndless(t *testing.T, e *rig) {
	const soon = 900 * time.Millisecond
	e.Plant(t, "nas", e.four, 0)
	e.Plant(t, "nas", e.other, 0)
	grants := []door.Grant{grant(e, "nas", e.four, soon), grant(e, "nas", e.other, time.Minute)}
	if _, err := e.Sync(e.Now(), []door.Door{e.nas}, grants); err != nil {
		t.Fatal(err)
	}
	e.Pass(soon + 100*time.Millisecond)
	expect(t, e, "nas", lefts{e.other: time.Minute})
}

func testSyncOver(t *testing.T, e *rig) {
	e.Plant(t, "nas", e.other, time.Hour)
	grants := []door.Grant{grant(e, "nas", e.four, 0), grant(e, "nas", e.other, -time.Second)}
	if _, err := e.Sync(e.Now(), []door.Door{e.nas}, grants); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", nil)
}

// More than one transaction of package nft takes, of both families, in no order, and some that are not there.
func testCloseMany(t *testing.T, e *rig) {
	const many, stay = 600, 50 // of each family
	var grants []door.Grant
	var gone []netip.Prefix
	stays := deadlines{}
	for i := range many {
		for _, a := range []netip.Addr{
			netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}),
			netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(i >> 8), byte(i), 15: 1}),
		} {
			g := grant(e, "nas", e.nas.Network(a), time.Hour)
			grants = append(grants, g)
			if i%(many/stay) == 0 {
				stays[g.Network] = g.Until
			} else {
				gone = append(gone, g.Network)
			}
		}
	}
	other := grant(e, "web", e.web.Network(e.four.Addr()), time.Hour)
	if _, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, append(grants, other)); err != nil {
		t.Fatal(err)
	}
	if len(gone) != 1100 {
		t.Fatalf("%d are to go", len(gone))
	}
	slices.Reverse(gone)
	gone = append(gone, e.stranger, e.stranger6)
	if err := e.Close(e.nas, gone...); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", stays.left(e))
	expect(t, e, "web", deadlines{other.Network: other.Until}.left(e))
	if err := e.Close(e.nas); err != nil {
		t.Errorf("close of none: %v", err)
	}
	expect(t, e, "nas", stays.left(e))
}

func testSyncMany(t *testing.T, e *rig) {
	var grants []door.Grant
	want := map[string]deadlines{"nas": {}, "web": {}}
	for i := range 1000 {
		d := []door.Door{e.nas, e.web}[i%2]
		a := netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1})
		if i%3 == 0 {
			a = netip.MustParseAddr(fmt.Sprintf("2001:db8:0:%x::1", i+1))
		}
		g := grant(e, d.Name, d.Network(a), time.Hour)
		want[g.Door][g.Network] = g.Until
		grants = append(grants, g)
	}
	if _, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, grants); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		expect(t, e, name, want[name].left(e))
	}
	if _, err := e.Sync(e.Now(), []door.Door{e.nas, e.web}, nil); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		expect(t, e, name, nil)
	}
}
