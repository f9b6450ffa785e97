// SPDX-License-Identifier: Apache-2.0

package doortest

import (
	"fmt"
	"net/netip"
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
	door string
	six  bool
}

// elements are addresses and when they end.
type elements map[netip.Addr]time.Time

var _ door.Firewall = (*Fake)(nil)

// NewFake returns a firewall that has the sets of these doors.
func NewFake(doors ...string) *Fake {
	f := &Fake{sets: map[set]elements{}, wrong: map[set]bool{}}
	f.MakeSets(doors...)
	return f
}

// MakeSets makes the sets of doors, empty, where they are missing.
func (f *Fake) MakeSets(doors ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range doors {
		for _, s := range []set{{d, false}, {d, true}} {
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
		for _, s := range []set{{d, false}, {d, true}} {
			delete(f.sets, s)
			delete(f.wrong, s)
		}
	}
}

// DropFamily removes one of a door's sets with all that is in it.
func (f *Fake) DropFamily(name string, six bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.sets, set{name, six})
}

// Spoil puts a set of the wrong kind, empty, in the place of one of a door's sets.
func (f *Fake) Spoil(name string, six bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets[set{name, six}] = elements{}
	f.wrong[set{name, six}] = true
}

// refusal is why a door cannot be served at all, or nil.
func (f *Fake) refusal(name string) error {
	four, six := set{name, false}, set{name, true}
	switch {
	case f.wrong[four]:
		return fmt.Errorf("set %s_4: %w", name, door.ErrWrongSet)
	case f.wrong[six]:
		return fmt.Errorf("set %s_6: %w", name, door.ErrWrongSet)
	case f.sets[four] == nil && f.sets[six] == nil:
		return fmt.Errorf("door %s: %w", name, door.ErrPending)
	}
	return nil
}

// Fail makes every call from now on fail with err; nil ends that.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail = err
}

// Calls returns what was asked of the firewall since the last Calls, as "open nas 192.0.2.1 10m0s",
// "close nas 192.0.2.1" and "sync 2 doors 3 grants".
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	calls := f.calls
	f.calls = nil
	return calls
}

// Plant puts an element into a door's set behind the back of everybody.
func (f *Fake) Plant(name string, address netip.Addr, until time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sets[set{name, address.Is6()}][address] = until
}

// Elements returns what is left of each element in a door's sets, nil if it has none.
func (f *Fake) Elements(now time.Time, name string) map[netip.Addr]time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	var left map[netip.Addr]time.Duration
	for s, all := range f.sets {
		if s.door != name {
			continue
		}
		if left == nil {
			left = map[netip.Addr]time.Duration{}
		}
		for a, until := range all {
			if now.Before(until) {
				left[a] = until.Sub(now)
			}
		}
	}
	return left
}

// Sync is door.Firewall's.
func (f *Fake) Sync(now time.Time, doors []string, grants []door.Grant) (unserved []door.Unserved, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("sync %d doors %d grants", len(doors), len(grants)))
	if f.fail != nil {
		return nil, f.fail
	}
	for _, name := range doors {
		for _, s := range []set{{name, false}, {name, true}} {
			if !f.wrong[s] {
				clear(f.sets[s])
			}
		}
		if why := f.refusal(name); why != nil {
			unserved = append(unserved, door.Unserved{Door: name, Reason: why})
		}
	}
	for _, g := range grants {
		if all := f.sets[set{g.Door, g.Address.Is6()}]; all != nil && f.refusal(g.Door) == nil && now.Before(g.Until) {
			all[g.Address] = g.Until
		}
	}
	return unserved, nil
}

// Open is door.Firewall's.
func (f *Fake) Open(now time.Time, g door.Grant) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("open %s %s %s", g.Door, g.Address, g.Until.Sub(now)))
	if f.fail != nil {
		return f.fail
	}
	if why := f.refusal(g.Door); why != nil {
		return why
	}
	all := f.sets[set{g.Door, g.Address.Is6()}]
	if all == nil {
		return fmt.Errorf("door %s: %w", g.Door, door.ErrFamily)
	}
	all[g.Address] = g.Until
	return nil
}

// Close is door.Firewall's.
func (f *Fake) Close(name string, address netip.Addr) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, fmt.Sprintf("close %s %s", name, address))
	if f.fail != nil {
		return f.fail
	}
	delete(f.sets[set{name, address.Is6()}], address)
	return nil
}
