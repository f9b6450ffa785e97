// SPDX-License-Identifier: Apache-2.0

package doortest

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
)

// Fake is a firewall in memory. Its elements end by the time that its methods are given.
// It may be used from several goroutines.
type Fake struct {
	mu    sync.Mutex
	sets  map[set]elements // those that there are
	wrong map[set]bool     // those of the wrong kind
	fail  error
	calls []string
}

// set names a set of a door.
type set struct {
	door      string
	six, wide bool
}

// all are those that a door may have.
func all(name string) []set {
	return []set{{name, false, false}, {name, true, false}, {name, false, true}, {name, true, true}}
}

// elements are networks and when they end.
type elements map[netip.Prefix]time.Time

var _ door.Firewall = (*Fake)(nil)

// NewFake returns a firewall that has the sets of these doors.
func NewFake(doors ...string) *Fake {
	f := &Fake{sets: map[set]elements{}, wrong: map[set]bool{}}
	f.MakeSets(doors...)
	return f
}

// MakeSets makes the sets of doors that open to single addresses, empty, where they are missing.
func (f *Fake) MakeSets(doors ...string) { f.makeSets(false, doors) }

// MakeWideSets makes the sets of doors that open to networks, empty, where they are missing.
func (f *Fake) MakeWideSets(doors ...string) { f.makeSets(true, doors) }

func (f *Fake) makeSets(wide bool, doors []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range doors {
		for _, s := range []set{{d, false, wide}, {d, true, wide}} {
			if f.sets[s] == nil {
				f.sets[s] = elements{}
			}
		}
	}
}

// DropSets removes the sets of doors with all that is in them.
func (f *Fake) DropSets(doors ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range doors {
		for _, s := range all(d) {
			delete(f.sets, s)
			delete(f.wrong, s)
		}
	}
}

// DropFamily removes a door's sets of one family with all that is in them.
func (f *Fake) DropFamily(name string, six bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sets, set{name, six, false})
	delete(f.sets, set{name, six, true})
}

// Spoil puts sets of the wrong kind, empty, in the place of a door's sets of one family.
func (f *Fake) Spoil(name string, six bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, wide := range []bool{false, true} {
		f.sets[set{name, six, wide}] = elements{}
		f.wrong[set{name, six, wide}] = true
	}
}

// of names the set of a door for a network.
func of(d door.Door, n netip.Prefix) set {
	six := n.Addr().Is6()
	return set{d.Name, six, d.Wide(six)}
}

// refusal is why a door cannot be served at all, or nil.
func (f *Fake) refusal(d door.Door) error {
	four, six := set{d.Name, false, d.Wide(false)}, set{d.Name, true, d.Wide(true)}
	switch {
	case f.wrong[four]:
		return fmt.Errorf("set %s_4: %w", d.Name, door.ErrWrongSet)
	case f.wrong[six]:
		return fmt.Errorf("set %s_6: %w", d.Name, door.ErrWrongSet)
	case f.sets[four] == nil && f.sets[six] == nil:
		return fmt.Errorf("door %s: %w", d.Name, door.ErrPending)
	}
	return nil
}

// lack is why a set of a door that can be served is not there.
func (f *Fake) lack(s set) error {
	if f.sets[set{s.door, s.six, !s.wide}] != nil {
		return fmt.Errorf("door %s: %w", s.door, door.ErrWidth)
	}
	return fmt.Errorf("door %s: %w", s.door, door.ErrFamily)
}

// Fail makes every call from now on fail with err; nil ends that.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

// Calls returns what was asked of the firewall since the last Calls, as "open nas 192.0.2.1 10m0s",
// "close nas 192.0.2.1 192.0.2.2" and "sync 2 doors 3 grants".
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// Plant puts an element into a door's set, which there is, behind the back of everybody.
func (f *Fake) Plant(name string, n netip.Prefix, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	six := n.Addr().Is6()
	s := set{name, six, false}
	if f.sets[s] == nil {
		s.wide = true
	}
	f.sets[s][n] = until
}

// Elements returns what is left of each element in a door's sets, nil if it has none.
func (f *Fake) Elements(now time.Time, name string) map[netip.Prefix]time.Duration {
	return f.left(now, all(name))
}

// ElementsOf is Elements of the sets for networks, or of those for single addresses.
func (f *Fake) ElementsOf(now time.Time, name string, wide bool) map[netip.Prefix]time.Duration {
	return f.left(now, []set{{name, false, wide}, {name, true, wide}})
}

func (f *Fake) left(now time.Time, sets []set) map[netip.Prefix]time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left map[netip.Prefix]time.Duration
	for _, s := range sets {
		if f.sets[s] != nil && left == nil {
			left = map[netip.Prefix]time.Duration{}
		}
		for n, until := range f.sets[s] {
			if now.Before(until) {
				left[n] = until.Sub(now)
			}
		}
	}
	return left
}

// Sync is door.Firewall's.
func (f *Fake) Sync(now time.Time, doors []door.Door, grants []door.Grant) (unserved []door.Unserved, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("sync %d doors %d grants", len(doors), len(grants)))
	if f.fail != nil {
		return nil, f.fail
	}
	for _, d := range doors {
		for _, s := range all(d.Name) {
			if !f.wrong[s] {
				clear(f.sets[s])
			}
		}
		why := f.refusal(d)
		var lacks *door.Unserved
		if why != nil {
			unserved = append(unserved, door.Unserved{Door: d.Name, Reason: why})
		}
		for _, g := range grants {
			if g.Door != d.Name || why != nil || !now.Before(g.Until) {
				continue
			}
			s := of(d, g.Network)
			if has := f.sets[s]; has != nil {
				has[g.Network] = g.Until
			} else {
				lacks = &door.Unserved{Door: d.Name, Reason: f.lack(s), Family: 4}
				if s.six {
					lacks.Family = 6
				}
			}
		}
		if lacks != nil {
			unserved = append(unserved, *lacks)
		}
	}
	return unserved, nil
}

// Open is door.Firewall's.
func (f *Fake) Open(now time.Time, d door.Door, g door.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("open %s %s %s", g.Door, door.Name(g.Network), g.Until.Sub(now)))
	if f.fail != nil {
		return f.fail
	}
	if why := f.refusal(d); why != nil {
		return why
	}
	s := of(d, g.Network)
	has := f.sets[s]
	if has == nil {
		return f.lack(s)
	}
	if s.wide { // single addresses do not overlap
		for n, until := range has {
			if n != g.Network && n.Overlaps(g.Network) && now.Before(until) {
				return fmt.Errorf("door %s: %s overlaps with %s", g.Door, g.Network, n)
			}
		}
	}
	has[g.Network] = g.Until
	return nil
}

// Close is door.Firewall's.
func (f *Fake) Close(d door.Door, networks ...netip.Prefix) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	call := []string{"close", d.Name}
	for _, n := range networks {
		call = append(call, door.Name(n))
	}
	f.calls = append(f.calls, strings.Join(call, " "))
	if f.fail != nil {
		return f.fail
	}
	for _, n := range networks {
		s := of(d, n)
		if !s.wide {
			delete(f.sets[s], n)
			continue
		}
		maps.DeleteFunc(f.sets[s], func(other netip.Prefix, _ time.Time) bool { return other.Overlaps(n) })
	}
	return nil
}
