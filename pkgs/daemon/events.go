// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// Kinds of events, the same words in the log, the control protocol and LuCI.
const (
	started  = "started"
	opened   = "opened"
	extended = "extended"
	closed   = "closed"  // early: by a knock, by the owner, or because the configuration changed
	expired  = "expired" // on time
	refused  = "refused"
	inside   = "inside"  // a knock that came from inside, where it opens nothing
	scan     = "scan"    // somebody tried many closed ports
	pending  = "pending" // the firewall has no set for a door
	ready    = "ready"   // it has one again
	broken   = "broken"  // the firewall cannot serve a door, and time will not heal it
	link     = "link"    // a network device came or went
	reload   = "reload"
	trouble  = "trouble" // something that the owner should mend
)

// Limits of the event list, each for itself: what strangers cause does not push out who was in. The very
// first event stays besides: it says since when there is something to know.
const (
	keepVisits  = 512 // ends of grants, each of which says when that grant began: a week of 73 a day
	keepRefused = 128 // knocks that opened nothing, which strangers can cause
	keepSystem  = 64  // what a restart or a reload brings
	keepTrouble = 32  // what the owner should mend
	keepScans   = 64

	// The rest is what knocks that open something can cause: one of them an event for each door, and as much again
	// over the other family.
	keepOthers = 2 * config.MaxDoors

	maxDropped = 256 // events whose room is not given back yet: that costs a look at the whole list

	refusedAlike  = 10 * time.Second // a refusal like a former one within this time only counts up
	extendedAlike = 2 * time.Second  // so does an extension, of a message within seal.PressWindow
	lookBack      = 8                // events among which a former refusal is looked for

	saveEvents = 5 * time.Second // how often events are saved at the most

	// maxCounts is how many counts there are of a kind with its door and reason. What would be more is counted
	// by kind alone, with the reason manyCounts: that is one further count for each kind.
	maxCounts  = 1024
	manyCounts = "many"
)

// shownRefusals limits what strangers can put into a list, and each client by itself: a flood must
// not hide from the owner that his own phone's clock is wrong.
var shownRefusals = rate.Limit{Every: 2 * time.Second, Burst: 30}

// events keeps the newest events and wakes those who follow them. It writes nowhere: a reader who
// stalls, such as the log, holds up nobody.
type events struct {
	start time.Time

	mu      sync.Mutex
	list    []entry // oldest first; of those without a part, which are no events any more, at most maxDropped
	parts   map[byte]*part
	dropped int // how many there are of those
	last    uint64
	former  uint64                  // number of the newest event of former runs
	set     time.Duration           // by how much the clock was set since start
	changes uint64                  // of the list
	saved   uint64                  // changes when it was saved last …
	savedAt time.Duration           // … and when that was, since start
	changed chan struct{}           // closed when there is news
	shown   map[string]*rate.Bucket // by client; "" = strangers. At most as many as clients
	hidden  int                     // refusals not shown since the last one that was
	counts  []control.Count         // at most maxCounts, and one for each kind
}

// entry is an event with its time in a clock that nobody sets.
type entry struct {
	control.Event
	at   time.Duration // since start
	part byte          // see partOf; 0 = it was dropped
}

// part is what is known of a part of the list.
type part struct {
	n      int // events, without the very first one
	oldest int // no index of the list below it has one of them
}

func newEvents(start time.Time) *events {
	return &events{start: start, changed: make(chan struct{}), shown: map[string]*rate.Bucket{}, parts: map[byte]*part{}}
}

// add numbers and keeps e.
func (l *events) add(now time.Time, e control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adjust(now)
	at := now.Sub(l.start)
	alike := l.countAlike(at, e)
	if !alike || e.Kind == refused { // two extensions of one press are one
		l.count(e)
	}
	if alike {
		return
	}
	if e.Kind == refused || e.Kind == attempt {
		b := l.shown[e.Client]
		if b == nil {
			b = new(rate.Bucket)
			l.shown[e.Client] = b
		}
		if !b.Take(shownRefusals, at, 1) {
			l.hidden++
			return
		}
		e.Hidden, l.hidden = l.hidden, 0
	}
	l.last++
	e.Number, e.Time = l.last, now.Round(0)
	l.keep(e, at)
	l.changes++
	close(l.changed)
	l.changed = make(chan struct{})
}

// count counts e, by what an owner may want to tell apart.
func (l *events) count(e control.Event) {
	if n := l.countOf(e.Kind, e.Door, e.Reason); n != nil {
		n.Count++
		return
	}
	c := control.Count{Kind: e.Kind, Door: e.Door, Reason: e.Reason, Count: 1}
	if len(l.counts) >= maxCounts {
		if n := l.countOf(e.Kind, "", manyCounts); n != nil {
			n.Count++
			return
		}
		c.Door, c.Reason = "", manyCounts
	}
	l.counts = append(l.counts, c)
}

// countOf returns a count, nil if there is none yet.
func (l *events) countOf(kind, door, reason string) *control.Count {
	i := slices.IndexFunc(l.counts, func(n control.Count) bool { return n.Kind == kind && n.Door == door && n.Reason == reason })
	if i < 0 {
		return nil
	}
	return &l.counts[i]
}

// keep appends e, and drops the oldest of the events that share a part of the list with it, if they fill it. Thousands may
// come at once: the others are neither looked at nor moved for each.
func (l *events) keep(e control.Event, at time.Duration) {
	name, most := partOf(e)
	if len(l.list) > 0 { // the very first event is in no part
		p := l.parts[name]
		if p == nil {
			p = &part{oldest: 1}
			l.parts[name] = p
		}
		if p.n++; p.n > most {
			for l.list[p.oldest].part != name {
				p.oldest++
			}
			l.list[p.oldest] = entry{}
			l.dropped++
			p.n--
		}
	}
	l.list = append(l.list, entry{e, at, name})
	if l.dropped > maxDropped {
		l.list = slices.DeleteFunc(l.list, func(e entry) bool { return e.part == 0 })
		for _, p := range l.parts {
			p.oldest = 1
		}
		l.dropped = 0
	}
}

// kept returns the events after number n, oldest first.
func (l *events) kept(n uint64) []control.Event {
	first := len(l.list)
	for first > 0 && (l.list[first-1].part == 0 || l.list[first-1].Number > n) {
		first--
	}
	list := make([]control.Event, 0, len(l.list)-first)
	for _, e := range l.list[first:] {
		if e.part != 0 {
			list = append(list, e.Event)
		}
	}
	return list
}

// partOf returns which part of the list is for events like e, and how many it holds.
func partOf(e control.Event) (part byte, most int) {
	if e.From != nil {
		return 'v', keepVisits
	}
	switch e.Kind {
	case refused, inside:
		return 'r', keepRefused
	case scan:
		return 'n', keepScans
	case started, pending, ready, link, reload:
		return 's', keepSystem
	case trouble, broken:
		if e.Kind == broken || e.Door == "" { // else an opening brought it about
			return 't', keepTrouble
		}
	}
	return 'o', keepOthers
}

// adjust moves the times of all events if somebody has set the clock since it last looked: what was reported
// an hour ago is an hour old, also on a router that learns the time only after its start.
func (l *events) adjust(now time.Time) {
	set := now.Round(0).Sub(l.start.Round(0)) - now.Sub(l.start)
	by := set - l.set
	if by.Abs() <= clock.Slack {
		return
	}
	l.set = set
	for i := range l.list {
		l.list[i].Shift(by)
	}
	l.changes++
}

// countAlike counts e on a recent event that says the same, or that is of the same press.
func (l *events) countAlike(at time.Duration, e control.Event) bool {
	var most int
	var longest time.Duration
	switch e.Kind {
	case refused:
		most, longest = lookBack, refusedAlike
	case extended: // a press may open every door before it extends the first one
		most, longest = keepOthers, sameTime(e)
	}
	for i := len(l.list) - 1; i >= max(len(l.list)-most, 0); i-- {
		old := &l.list[i]
		switch {
		case old.part == 0:
			continue
		case old.Number <= l.former || at-old.at > longest:
			return false
		case e.Kind == refused && said(old.Event) == said(e):
		case e.Kind == extended && samePress(old.Event, e):
			old.Until = cmp.Or(e.Until, old.Until)
			if e.Knock != old.Knock {
				old.Also = e.Knock
			}
		default:
			continue
		}
		old.Count = max(old.Count, 1) + 1
		l.changes++
		return true
	}
	return false
}

// said is what an event says, whenever it happened and how often.
func said(e control.Event) control.Event {
	e.Number, e.Time, e.Count, e.Hidden = 0, time.Time{}, 0, 0
	return e
}

// samePress reports whether what opened a door and what extended it may be one press of a button.
func samePress(old, e control.Event) bool {
	return (old.Kind == opened || old.Kind == extended) && old.Door == e.Door && old.Client == e.Client &&
		old.Address == e.Address && old.Detail == e.Detail && (old.Knock == e.Knock || isMessage(old) && isMessage(e))
}

// sameTime is how long after an event an extension may be of the same press.
func sameTime(e control.Event) time.Duration {
	if isMessage(e) {
		return seal.PressWindow
	}
	return extendedAlike
}

func isMessage(e control.Event) bool { return strings.HasPrefix(e.Knock, messagePrefix) }

// addTo adds to a status what there is to know without the list. The number of the newest event is 0 if there
// was none.
func (l *events) addTo(s *control.Status) {
	l.mu.Lock()
	s.Last = l.last
	s.Counts = append(s.Counts, l.counts...)
	l.mu.Unlock()
}

// since returns the events after number n, and a channel that is closed when there are more.
func (l *events) since(n uint64) ([]control.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.kept(n), l.changed
}

// restore takes the events of former runs, oldest first, before anything is added. Numbers go on.
func (l *events) restore(list []control.Event) {
	l.list = make([]entry, 0, len(list))
	for _, e := range list {
		l.keep(e, 0)
		l.last, l.former = e.Number, e.Number
	}
}

// toSave returns the events if they have changed since they were last taken to be saved and that is long
// enough ago, or at once if this is the end.
func (l *events) toSave(now time.Time, end bool) (list []control.Event, is bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.adjust(now)
	at := now.Sub(l.start)
	if l.changes == l.saved || !end && l.saved > 0 && at-l.savedAt < saveEvents {
		return nil, false
	}
	l.saved, l.savedAt = l.changes, at
	return l.kept(0), true
}

// follow calls each for every event after number n until each fails, or ctx ends and there is nothing
// more.
func (l *events) follow(ctx context.Context, n uint64, each func(control.Event) error) error {
	for {
		list, changed := l.since(n)
		for _, e := range list {
			if err := each(e); err != nil {
				return err
			}
			n = e.Number
		}
		if len(list) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
