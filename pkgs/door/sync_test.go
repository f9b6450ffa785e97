// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/door/doortest"
)

// pendingFor is why the fake firewall cannot serve a door that has no set.
func pendingFor(name string) string { return name + ": door " + name + ": " + pending }

// tell returns doors with their reasons as texts.
func tell(unserved []door.Unserved) []string {
	var list []string
	for _, u := range unserved {
		list = append(list, u.Door+": "+u.Reason.Error())
	}
	return list
}

func TestCloseOwn_of_a_door_that_the_firewall_cannot_serve(t *testing.T) {
	for name, spoil := range map[string]func(*doortest.Fake){
		"without a set":   func(fw *doortest.Fake) { fw.DropSets("nas") },
		"of a wrong kind": func(fw *doortest.Fake) { fw.Spoil("nas", false) },
		"of one family":   func(fw *doortest.Fake) { fw.DropFamily("nas", false) },
	} {
		b, fw := start(t, door.Limits{})
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, Client: "phone"})
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, Client: "laptop"})
		spoil(fw)
		_, closed, still, err := b.CloseOwn(noon, "nas", four, "phone")
		if err != nil || !closed || still != "laptop" || len(b.Grants(noon)) != 1 {
			t.Errorf("%s: closed %v, still open for %q, error %v, left %v", name, closed, still, err, b.Grants(noon))
		}
	}
}

func TestSync_has_one_element_for_two_grants_of_an_address(t *testing.T) {
	b, fw := start(t, door.Limits{})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 30 * time.Minute, Client: "laptop"})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: 10 * time.Minute, Client: "phone"})
	fw.DropSets("nas")
	fw.MakeSets("nas")
	mustOpen(t, b, noon, door.Ask{Door: "web", Address: four, For: 20 * time.Second, Client: "laptop"})
	mustOpen(t, b, noon, door.Ask{Door: "web", Address: four, For: 50 * time.Second, Client: "phone"})
	fw.Calls()
	if _, _, err := b.Sync(noon); err != nil {
		t.Fatal(err)
	}
	same(t, "the longer is the first", map[netip.Prefix]time.Duration{alone(four): 30 * time.Minute}, fw.Elements(noon, "nas"))
	same(t, "the longer is the second", map[netip.Prefix]time.Duration{alone(four): 50 * time.Second}, fw.Elements(noon, "web"))
	same(t, "calls", []string{"sync 2 doors 2 grants"}, fw.Calls())
}

func TestOpen_without_a_set_is_pending(t *testing.T) {
	b, fw := start(t, door.Limits{})
	fw.DropSets("nas")
	_, unserved, err := b.Sync(noon)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "unserved", []string{pendingFor("nas")}, tell(unserved))
	same(t, "Unserved()", []string{pendingFor("nas")}, tell(b.Unserved()))
	if g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four}); !g.Pending {
		t.Error("the grant is not pending")
	}

	fw.MakeSets("nas")
	now := at(4 * time.Minute)
	ready, unserved, err := b.Sync(now)
	if err != nil || len(unserved) > 0 {
		t.Fatalf("unserved %v, error %v", unserved, err)
	}
	same(t, "ready", []string{"nas"}, ready)
	same(t, "grants", []door.Grant{{Door: "nas", Network: alone(four), Until: at(10 * time.Minute)}}, b.Grants(now))
	same(t, "what is left is in force", map[netip.Prefix]time.Duration{alone(four): 6 * time.Minute}, fw.Elements(now, "nas"))
}

func TestOpen_of_a_door_whose_set_is_wrong_is_refused(t *testing.T) {
	b, fw := start(t, door.Limits{})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	fw.Spoil("nas", true) // the other family's: the door counts as a whole
	if _, _, err := b.Open(noon, door.Ask{Door: "nas", Address: other}); !errors.Is(err, door.ErrWrongSet) {
		t.Errorf("error %v, want ErrWrongSet", err)
	}
	why := []string{"nas: set nas_6: " + door.ErrWrongSet.Error()}
	ready, unserved, err := b.Sync(noon)
	if err != nil || len(ready) > 0 {
		t.Fatalf("ready %q, error %v", ready, err)
	}
	same(t, "unserved", why, tell(unserved))
	same(t, "the grant is not in force, and says so",
		[]door.Grant{{Door: "nas", Network: alone(four), Until: at(10 * time.Minute), Pending: true}}, b.Grants(noon))
	if _, unserved, _ := b.Sync(noon); len(unserved) > 0 {
		t.Errorf("told twice: %v", unserved)
	}
	same(t, "Unserved() still says it", why, tell(b.Unserved()))
	fw.Spoil("nas", false) // another reason is news
	if _, unserved, _ := b.Sync(noon); len(unserved) != 1 {
		t.Errorf("another reason: %v, want news", unserved)
	}
	fw.DropSets("nas")
	if _, unserved, _ := b.Sync(noon); len(unserved) != 1 || !errors.Is(unserved[0].Reason, door.ErrPending) {
		t.Errorf("it went: %v, want news", unserved)
	}
	fw.Spoil("nas", true)
	if _, unserved, _ := b.Sync(noon); len(unserved) != 1 || !errors.Is(unserved[0].Reason, door.ErrWrongSet) {
		t.Errorf("it came back as before: %v, want news", unserved)
	}
	fw.DropSets("nas")
	fw.MakeSets("nas")
	if ready, _, err = b.Sync(at(time.Minute)); err != nil {
		t.Fatal(err)
	}
	same(t, "ready", []string{"nas"}, ready)
	same(t, "what is left is in force", map[netip.Prefix]time.Duration{alone(four): 9 * time.Minute}, fw.Elements(at(time.Minute), "nas"))
}

// scripted is a firewall that says what a test wants.
type scripted struct {
	*doortest.Fake
	unserved []door.Unserved // said by Sync
	unsynced error           // said by Sync
	broken   error           // said by Open
}

func (s *scripted) Sync(time.Time, []door.Door, []door.Grant) ([]door.Unserved, error) {
	return s.unserved, s.unsynced
}

func (s *scripted) Open(now time.Time, d door.Door, g door.Grant) error {
	if s.broken != nil {
		return s.broken
	}
	return s.Fake.Open(now, d, g)
}

// startScripted returns a book with the door nas, ready.
func startScripted(t *testing.T) (*door.Book, *scripted) {
	t.Helper()
	fw := &scripted{Fake: doortest.NewFake("nas")}
	b := door.NewBook(fw, door.Limits{})
	if _, err := b.SetDoors(noon, []door.Door{nas}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Sync(noon); err != nil {
		t.Fatal(err)
	}
	return b, fw
}

func TestSync_tells_once_that_a_set_is_missing_whichever_set_says_so(t *testing.T) {
	b, fw := startScripted(t)
	for i, set := range []string{"nas_4", "nas_6"} { // the second is no news
		fw.unserved = []door.Unserved{{Door: "nas", Reason: fmt.Errorf("set %s: %w", set, door.ErrPending)}}
		if _, unserved, err := b.Sync(noon); err != nil || len(unserved) != 1-i {
			t.Errorf("%s: told %v, error %v", set, unserved, err)
		}
	}
}

func TestSync_says_what_the_firewall_refuses_when_a_set_came(t *testing.T) {
	b, fw := startScripted(t)
	fw.DropSets("nas")
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	fw.MakeSets("nas")
	fw.broken, fw.unsynced = errors.New("netlink broke"), errors.New("another door's set is busy")
	if _, _, err := b.Sync(noon); !errors.Is(err, fw.broken) || !errors.Is(err, fw.unsynced) {
		t.Errorf("error %v, want %v and %v", err, fw.broken, fw.unsynced)
	}
	same(t, "still pending", true, b.Grants(noon)[0].Pending)
	fw.broken = nil
	if _, _, err := b.Sync(noon); !errors.Is(err, fw.unsynced) {
		t.Errorf("error %v, want %v", err, fw.unsynced)
	}
	same(t, "pending", false, b.Grants(noon)[0].Pending)
}

// What a Sync put into the firewall is not put there once more, grant by grant.
func TestSync_opens_all_grants_of_sets_that_came_at_once(t *testing.T) {
	b, fw := start(t, door.Limits{})
	fw.DropSets("nas")
	for _, a := range []netip.Addr{four, other, six} {
		mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a, Client: "phone"})
	}
	fw.MakeSets("nas")
	fw.Calls()
	if _, _, err := b.Sync(at(time.Minute)); err != nil {
		t.Fatal(err)
	}
	same(t, "calls", []string{"sync 2 doors 3 grants"}, fw.Calls())
	for _, g := range b.Grants(at(time.Minute)) {
		if g.Pending || !g.Since.Equal(at(time.Minute)) {
			t.Errorf("pending %t, in force since %s: %s", g.Pending, g.Since, g.Network)
		}
	}
}

func TestSync_puts_nothing_in_force_that_is_over(t *testing.T) {
	b, fw := start(t, door.Limits{})
	fw.DropSets("nas")
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four, For: time.Minute})
	fw.MakeSets("nas")
	fw.Calls()
	if _, _, err := b.Sync(at(time.Minute)); err != nil {
		t.Fatal(err)
	}
	same(t, "calls", []string{"sync 2 doors 0 grants"}, fw.Calls())
}

func TestUnserved_doors_are_in_order(t *testing.T) {
	var names, want []string
	var doors []door.Door
	for i := range 24 { // a small map has but few orders
		names = append(names, string(rune('a'+i)))
		want = append(want, pendingFor(names[i]))
		doors = append(doors, door.Door{Name: names[i], OpenFor: time.Minute, MaxOpen: time.Minute})
	}
	fw := doortest.NewFake()
	b := door.NewBook(fw, door.Limits{})
	if _, err := b.SetDoors(noon, doors); err != nil {
		t.Fatal(err)
	}
	_, unserved, err := b.Sync(noon)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "told", want, tell(unserved))
	same(t, "Unserved()", want, tell(b.Unserved()))
	fw.MakeSets(names...)
	ready, _, err := b.Sync(noon)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ready", names, ready)
}

func TestOpen_of_a_door_for_one_family(t *testing.T) {
	b, fw := start(t, door.Limits{})
	fw.DropFamily("nas", true)
	if _, _, err := b.Open(noon, door.Ask{Door: "nas", Address: six}); !errors.Is(err, door.ErrFamily) {
		t.Errorf("error %v, want ErrFamily", err)
	}
	same(t, "nothing was granted", nil, b.Grants(noon))
	same(t, "the door is not pending", nil, tell(b.Unserved()))

	fw.DropSets("nas")
	for _, a := range []netip.Addr{four, six} {
		if g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a}); !g.Pending {
			t.Errorf("without any set the grant to %s is not pending", a)
		}
	}
	same(t, "the door is pending", []string{pendingFor("nas")}, tell(b.Unserved()))
	fw.MakeSets("nas")
	fw.DropFamily("nas", true)
	ready, _, err := b.Sync(noon)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "ready", []string{"nas"}, ready)
	same(t, "what cannot be is dropped", []door.Grant{{Door: "nas", Network: alone(four), Until: at(10 * time.Minute)}}, b.Grants(noon))
}

func TestSync_restores_what_a_firewall_restart_lost(t *testing.T) {
	b, fw := start(t, door.Limits{})
	mustOpen(t, b, noon, door.Ask{Door: "nas", Address: four})
	mustOpen(t, b, noon, door.Ask{Door: "web", Address: six})
	fw.DropSets("nas", "web")
	fw.MakeSets("nas", "web")
	now := at(40 * time.Second)
	ready, unserved, err := b.Sync(now)
	if len(ready)+len(unserved) > 0 || err != nil {
		t.Errorf("ready %q, unserved %v, error %v", ready, unserved, err)
	}
	same(t, "nas", map[netip.Prefix]time.Duration{alone(four): 9*time.Minute + 20*time.Second}, fw.Elements(now, "nas"))
	same(t, "web", map[netip.Prefix]time.Duration{alone(six): 20 * time.Second}, fw.Elements(now, "web"))
}

// A grant is in force as long as the firewall has a set for its family; the other family's is no matter of it.
func TestSync_of_a_grant_whose_set_goes_away(t *testing.T) {
	for _, a := range []netip.Addr{four, six} {
		b, fw := start(t, door.Limits{})
		g := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: a})
		kept := mustOpen(t, b, noon, door.Ask{Door: "nas", Address: map[netip.Addr]netip.Addr{four: six, six: four}[a]})
		for _, gone := range []bool{true, false, true, false} {
			if gone {
				fw.DropFamily("nas", a.Is6())
			} else {
				fw.MakeSets("nas")
			}
			for range 2 {
				ready, unserved, err := b.Sync(noon)
				if len(ready)+len(unserved)+len(b.Unserved()) > 0 || err != nil {
					t.Errorf("%s gone %v: ready %q, unserved %v, %v, error %v", a, gone, ready, unserved, b.Unserved(), err)
				}
				for _, has := range b.Grants(noon) {
					if want := gone && has.Network == g.Network; has.Pending != want || !has.Since.Equal(kept.Since) {
						t.Errorf("%s gone %v: grant %+v, want pending %v", a, gone, has, want)
					}
				}
			}
			want := map[netip.Prefix]time.Duration{g.Network: 10 * time.Minute, kept.Network: 10 * time.Minute}
			if gone {
				delete(want, g.Network)
				// Who knocks again meanwhile waits, too.
				if again, extended, err := b.Open(noon, door.Ask{Door: "nas", Address: a}); err != nil || !extended || !again.Pending {
					t.Errorf("knock at %s: %+v, extended %v, error %v", a, again, extended, err)
				}
			}
			same(t, "in force", want, fw.Elements(noon, "nas"))
		}
	}
}
