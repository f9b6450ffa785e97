// SPDX-License-Identifier: Apache-2.0

package doortest

import (
	"errors"
	"fmt"
	"net/netip"
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
	Plant(t *testing.T, name string, address netip.Addr, left time.Duration)
	// Left returns what is left of each element in a door's sets.
	Left(t *testing.T, name string) map[netip.Addr]time.Duration
	// Now and Pass are the firewall's time.
	Now() time.Time
	Pass(d time.Duration)
}

var (
	four  = netip.MustParseAddr("192.0.2.1")
	other = netip.MustParseAddr("192.0.2.2")
	six   = netip.MustParseAddr("2001:db8::1")
)

// slack is by how much what is left of an element may differ from what it should be: a tick of the
// kernel, and the time that a loaded machine needs from asking to looking.
const slack = 5 * time.Second

// Conformance is what a door.Firewall must do. start returns a new environment with the sets of the
// doors "nas" and "web", empty.
func Conformance(t *testing.T, start func(t *testing.T) Env) {
	tests := []struct {
		name string
		run  func(t *testing.T, e Env)
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
		t.Run(test.name, func(t *testing.T) { test.run(t, start(t)) })
	}
}

// grant returns a grant that ends after a time.
func grant(e Env, name string, a netip.Addr, left time.Duration) door.Grant {
	return door.Grant{Door: name, Address: a, Until: e.Now().Add(left), Client: "phone", Knock: "message stun"}
}

// open opens and fails the test if that did not work.
func open(t *testing.T, e Env, name string, a netip.Addr, left time.Duration) {
	t.Helper()
	if err := e.Open(e.Now(), grant(e, name, a, left)); err != nil {
		t.Fatalf("open %s to %s: %v", name, a, err)
	}
}

// expect fails the test unless a door's sets hold exactly these elements, give or take slack.
func expect(t *testing.T, e Env, name string, want map[netip.Addr]time.Duration) {
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

type lefts = map[netip.Addr]time.Duration

func testOpen(t *testing.T, e Env) {
	open(t, e, "nas", four, 10*time.Minute)
	expect(t, e, "nas", lefts{four: 10 * time.Minute})
	expect(t, e, "web", nil)
}

func testFamilies(t *testing.T, e Env) {
	open(t, e, "nas", four, time.Minute)
	open(t, e, "nas", six, 2*time.Minute)
	expect(t, e, "nas", lefts{four: time.Minute, six: 2 * time.Minute})
	if err := e.Close("nas", six); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{four: time.Minute})
}

func testExtend(t *testing.T, e Env) {
	open(t, e, "nas", four, 30*time.Second)
	open(t, e, "nas", four, 8*time.Hour)
	expect(t, e, "nas", lefts{four: 8 * time.Hour})
}

func testShorten(t *testing.T, e Env) {
	open(t, e, "nas", four, 8*time.Hour)
	open(t, e, "nas", four, 30*time.Second)
	expect(t, e, "nas", lefts{four: 30 * time.Second})
}

func testPending(t *testing.T, e Env) {
	e.DropSets(t, "nas")
	for _, a := range []netip.Addr{four, six} {
		if err := e.Open(e.Now(), grant(e, "nas", a, time.Minute)); !errors.Is(err, door.ErrPending) {
			t.Errorf("open to %s without a set: error %v, want ErrPending", a, err)
		}
	}
	open(t, e, "web", four, time.Minute)
	e.MakeSets(t, "nas")
	open(t, e, "nas", four, time.Minute)
	expect(t, e, "nas", lefts{four: time.Minute})
}

func testFamily(t *testing.T, e Env) {
	e.DropFamily(t, "nas", true)
	if err := e.Open(e.Now(), grant(e, "nas", six, time.Minute)); !errors.Is(err, door.ErrFamily) {
		t.Errorf("open to %s with a set for IPv4 only: error %v, want ErrFamily", six, err)
	}
	open(t, e, "nas", four, time.Minute)
	if err := e.Close("nas", six); err != nil {
		t.Errorf("close without a set: %v", err)
	}
	grants := []door.Grant{grant(e, "nas", four, time.Minute), grant(e, "nas", six, time.Minute)}
	if unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants); err != nil || len(unserved) != 0 {
		t.Errorf("sync: unserved %v, error %v", unserved, err)
	}
	expect(t, e, "nas", lefts{four: time.Minute})
}

func testReopen(t *testing.T, e Env) {
	open(t, e, "nas", four, 100*time.Millisecond)
	e.Pass(200 * time.Millisecond)
	open(t, e, "nas", four, time.Minute)
	expect(t, e, "nas", lefts{four: time.Minute})
}

// A door is refused as a whole, whichever of its sets is of the wrong kind and whoever is to be let in.
func testWrongSet(t *testing.T, e Env) {
	for _, wrong := range []bool{false, true} {
		open(t, e, "web", four, time.Minute)
		e.Spoil(t, "nas", wrong)
		for _, a := range []netip.Addr{four, six} {
			if err := e.Open(e.Now(), grant(e, "nas", a, time.Minute)); !errors.Is(err, door.ErrWrongSet) {
				t.Errorf("open to %s: error %v, want ErrWrongSet", a, err)
			}
			if err := e.Close("nas", a); err != nil {
				t.Errorf("close to %s: %v", a, err)
			}
		}
		expect(t, e, "nas", nil)
		e.DropSets(t, "nas")
		e.MakeSets(t, "nas")
		open(t, e, "nas", four, time.Minute)
		expect(t, e, "nas", lefts{four: time.Minute})
	}
}

func testClose(t *testing.T, e Env) {
	open(t, e, "nas", four, time.Minute)
	open(t, e, "nas", other, time.Minute)
	if err := e.Close("nas", four); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{other: time.Minute})
}

func testCloseAbsent(t *testing.T, e Env) {
	if err := e.Close("nas", four); err != nil {
		t.Errorf("close of what was never open: %v", err)
	}
	e.DropSets(t, "nas")
	if err := e.Close("nas", four); err != nil {
		t.Errorf("close without a set: %v", err)
	}
}

func testExpiry(t *testing.T, e Env) {
	open(t, e, "nas", four, 300*time.Millisecond)
	open(t, e, "nas", six, 300*time.Millisecond)
	open(t, e, "nas", other, time.Minute)
	e.Pass(300*time.Millisecond + 100*time.Millisecond)
	expect(t, e, "nas", lefts{other: time.Minute})
}

func testSync(t *testing.T, e Env) {
	stranger := netip.MustParseAddr("198.51.100.7")
	stranger6 := netip.MustParseAddr("2001:db8::7")
	open(t, e, "nas", four, time.Minute)
	e.Plant(t, "nas", stranger, time.Hour)
	e.Plant(t, "nas", stranger6, time.Hour)
	e.Plant(t, "web", stranger, time.Hour)
	grants := []door.Grant{
		grant(e, "nas", four, time.Minute),
		grant(e, "nas", six, 2*time.Minute),
		grant(e, "web", other, 3*time.Minute),
	}
	for range 2 { // the second time nothing differs
		unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants)
		if err != nil || len(unserved) != 0 {
			t.Fatalf("sync: unserved %v, error %v", unserved, err)
		}
		expect(t, e, "nas", lefts{four: time.Minute, six: 2 * time.Minute})
		expect(t, e, "web", lefts{other: 3 * time.Minute})
	}
}

func testSyncTimes(t *testing.T, e Env) {
	e.Plant(t, "nas", four, 8*time.Hour)
	e.Plant(t, "nas", other, time.Minute)
	grants := []door.Grant{grant(e, "nas", four, 5*time.Minute), grant(e, "nas", other, 5*time.Minute)}
	if _, err := e.Sync(e.Now(), []string{"nas", "web"}, grants); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", lefts{four: 5 * time.Minute, other: 5 * time.Minute})
}

func testSyncMissing(t *testing.T, e Env) {
	e.DropSets(t, "nas")
	grants := []door.Grant{grant(e, "nas", four, time.Minute), grant(e, "web", four, time.Minute)}
	unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants)
	if err != nil || len(unserved) != 1 || unserved[0].Door != "nas" || !errors.Is(unserved[0].Reason, door.ErrPending) {
		t.Fatalf("sync without the sets of nas: unserved %v, error %v", unserved, err)
	}
	expect(t, e, "web", lefts{four: time.Minute})
	e.MakeSets(t, "nas")
	if unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants); err != nil || len(unserved) != 0 {
		t.Fatalf("sync with all sets: unserved %v, error %v", unserved, err)
	}
	expect(t, e, "nas", lefts{four: time.Minute})
}

func testSyncWrong(t *testing.T, e Env) {
	grants := []door.Grant{grant(e, "nas", four, time.Minute), grant(e, "nas", six, time.Minute), grant(e, "web", six, time.Minute)}
	for _, wrong := range []bool{false, true} {
		for _, g := range grants {
			open(t, e, g.Door, g.Address, time.Minute)
		}
		e.Spoil(t, "nas", wrong)
		for range 2 {
			unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants)
			if err != nil || len(unserved) != 1 || unserved[0].Door != "nas" || !errors.Is(unserved[0].Reason, door.ErrWrongSet) {
				t.Fatalf("sync: unserved %v, error %v", unserved, err)
			}
			// Nothing of the door is in force, so that nobody is told half of the truth.
			expect(t, e, "nas", nil)
			expect(t, e, "web", lefts{six: time.Minute})
		}
		e.DropSets(t, "nas")
		e.MakeSets(t, "nas")
		if unserved, err := e.Sync(e.Now(), []string{"nas", "web"}, grants); err != nil || len(unserved) != 0 {
			t.Fatalf("sync with right sets: unserved %v, error %v", unserved, err)
		}
		expect(t, e, "nas", lefts{four: time.Minute, six: time.Minute})
	}
}

// An element without an end is not right for any grant, not even for one that ends at once.
func testSyncEndless(t *testing.T, e Env) {
	const soon = 900 * time.Millisecond
	e.Plant(t, "nas", four, 0)
	e.Plant(t, "nas", other, 0)
	grants := []door.Grant{grant(e, "nas", four, soon), grant(e, "nas", other, time.Minute)}
	if _, err := e.Sync(e.Now(), []string{"nas"}, grants); err != nil {
		t.Fatal(err)
	}
	e.Pass(soon + 100*time.Millisecond)
	expect(t, e, "nas", lefts{other: time.Minute})
}

func testSyncOver(t *testing.T, e Env) {
	e.Plant(t, "nas", other, time.Hour)
	grants := []door.Grant{grant(e, "nas", four, 0), grant(e, "nas", other, -time.Second)}
	if _, err := e.Sync(e.Now(), []string{"nas"}, grants); err != nil {
		t.Fatal(err)
	}
	expect(t, e, "nas", nil)
}

func testSyncMany(t *testing.T, e Env) {
	var grants []door.Grant
	want := map[string]lefts{"nas": {}, "web": {}}
	for i := range 1000 {
		name := []string{"nas", "web"}[i%2]
		a := netip.AddrFrom4([4]byte{198, 18, byte(i >> 8), byte(i)})
		if i%3 == 0 {
			a = netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", i+1))
		}
		want[name][a] = time.Hour
		grants = append(grants, grant(e, name, a, time.Hour))
	}
	if _, err := e.Sync(e.Now(), []string{"nas", "web"}, grants); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		expect(t, e, name, want[name])
	}
	if _, err := e.Sync(e.Now(), []string{"nas", "web"}, nil); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		expect(t, e, name, nil)
	}
}
