// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// use is an address at a door.
type use struct {
	door    string
	address netip.Addr
}

func (u use) String() string { return u.door + " to " + u.address.String() }

// The ways in which knocks reach the daemon, as far as faults and floods shut them out differently.
const (
	bySequence = "sequence"
	byOnce     = "one-time sequence"
	bySTUN     = "message by STUN"
	byPorts    = "message by ports"
	byFwknop   = "fwknop"
	byControl  = "control socket"
)

var everyWay = []string{bySequence, byOnce, bySTUN, byPorts, byFwknop, byControl}

// late is how much later than it was sent the daemon may take a knock, at the worst: it may have been
// stopped for some seconds, on a busy machine.
const late = 20 * time.Second

// model knows what must be true of the router, from what was done to it.
type model struct {
	mu       sync.Mutex
	allowed  map[use]time.Time // by when the kernel must have ended what was asked for; zero = it is being asked for
	troubles []*trouble
	counts   counts
}

// trouble is a fault or a flood that may keep knocks out.
type trouble struct {
	name       string
	shuts      []string // ways
	harm       harm     // none by a flood
	begin, end time.Time
}

// counts are what is shown.
type counts struct {
	Knocks       int `json:"knocks"`        // honest ones
	Opened       int `json:"opened"`        // of these
	Excused      int `json:"excused"`       // of these: not opened while something could shut them out
	Again        int `json:"again"`         // pressed more than once before it opened, with no excuse
	Renewed      int `json:"renewed"`       // grants
	Closed       int `json:"closed"`        // by a knock
	Watched      int `json:"watched"`       // until the kernel closed the door
	Copies       int `json:"copies"`        // of messages, sent by a thief
	Floods       int `json:"floods"`        //
	FloodPackets int `json:"flood_packets"` // of these
	Faults       int `json:"faults"`
	Callers      int `json:"callers"` // that misbehaved
	Checkpoints  int `json:"checkpoints"`
	Events       int `json:"events"`
	Messages     int `json:"messages"` // that may each have been a write to the state file
	Writes       int `json:"writes"`   // of the state file
}

func newModel() *model { return &model{allowed: map[use]time.Time{}} }

// count changes the counts.
func (m *model) count(change func(*counts)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.counts)
}

// ask says that a knock for these goes out now, and asked that it has gone out. One that is asked for
// again meanwhile stays so.
func (m *model) ask(uses ...use) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, u := range uses {
		m.allowed[u] = time.Time{}
	}
}

func (m *model) asked(now time.Time, uses ...use) {
	for _, u := range uses {
		m.allow(u, now.Add(late+maxOpen))
	}
}

// allow lets an element be there until a time.
func (m *model) allow(u use, until time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.allowed[u] = until
}

// closed says that a use was closed, and is not to come back unless it is asked for again.
func (m *model) closed(now time.Time, u use) { m.allow(u, now) }

// wrong says what is wrong with an element of the kernel's sets that were read from a time on, "" if nothing is.
func (m *model) wrong(looked time.Time, e element) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	by, known := m.allowed[e.use]
	switch most := int(maxOpen/time.Second) + 1; {
	case !known:
		return "it never knocked"
	case foreign.Contains(e.address):
		if looked.After(by) {
			return "the daemon left somebody else's element alone"
		}
	case e.forGood:
		return "it stays for good"
	case e.timeout > most || e.left > most:
		return fmt.Sprintf("it stays for %d of %d s, and the door's longest time is %s", e.left, e.timeout, maxOpen)
	case !by.IsZero() && looked.After(by):
		return fmt.Sprintf("it should have ended at %s at the latest", by.Format(time.TimeOnly))
	}
	return ""
}

// begin says that something may keep knocks out from now on. Its end is told by finish.
func (m *model) begin(name string, harm harm, shuts []string) *trouble {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := &trouble{name: name, shuts: shuts, harm: harm, begin: time.Now()}
	m.troubles = append(m.troubles, t)
	return t
}

func (m *model) finish(t *trouble) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t.end = time.Now()
	// What ended long ago excuses nothing any more.
	m.troubles = slices.DeleteFunc(m.troubles, func(x *trouble) bool { return !x.end.IsZero() && t.end.Sub(x.end) > 10*time.Minute })
}

// overlaps reports whether the trouble was there at any time from since to now.
func (t *trouble) overlaps(since time.Time) bool { return t.end.IsZero() || t.end.After(since) }

// excuse names the troubles that together may have shut out a knock that travels in these ways, since a
// time; "" = one way was free all the time, so it must have opened.
func (m *model) excuse(ways []string, since time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for _, way := range ways {
		shut := false
		for _, t := range m.troubles {
			if t.overlaps(since) && slices.Contains(t.shuts, way) {
				shut = true
				names = append(names, t.name)
			}
		}
		if !shut {
			return ""
		}
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), ", ")
}

// harmed reports whether since a time there was a fault that may do this.
func (m *model) harmed(by harm, since time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.ContainsFunc(m.troubles, func(t *trouble) bool { return t.harm&by != 0 && t.overlaps(since) })
}
