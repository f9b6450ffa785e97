// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/rate"
)

// Kinds of events, the same words in the log, the control protocol and LuCI.
const (
	started  = "started"
	opened   = "opened"
	extended = "extended"
	closed   = "closed"  // early: by a knock, by the owner, or because the configuration changed
	expired  = "expired" // on time
	refused  = "refused"
	pending  = "pending" // the firewall has no set for a door
	ready    = "ready"   // it has one again
	broken   = "broken"  // the firewall cannot serve a door, and time will not heal it
	link     = "link"    // a network device came or went
	reload   = "reload"
	trouble  = "trouble" // something that the owner should mend
)

// Limits of the event list.
const (
	keepEvents  = 256 // events that are kept for later readers …
	keepRefused = 128 // … of which refusals, which strangers can cause

	refusedAlike  = 10 * time.Second // a refusal like a former one within this time only counts up
	extendedAlike = 2 * time.Second  // so does an extension: one press of a button is several messages
	lookBack      = 8                // events among which a former one is looked for
)

// shownRefusals limits what strangers can put into a list, and each client by itself: a flood must
// not hide from the owner that his own phone's clock is wrong.
var shownRefusals = rate.Limit{Every: 2 * time.Second, Burst: 30}

// events keeps the newest events and wakes those who follow them. It writes nowhere: a reader who
// stalls, such as the log, holds up nobody.
type events struct {
	start time.Time

	mu      sync.Mutex
	list    []entry // oldest first, at most keepEvents
	refused int     // refusals in list
	last    uint64
	changed chan struct{}           // closed when there is news
	shown   map[string]*rate.Bucket // by client; "" = strangers. At most as many as clients
	hidden  int                     // refusals not shown since the last one that was
}

// entry is an event with its time in a clock that nobody sets.
type entry struct {
	control.Event
	at time.Duration // since start
}

func newEvents(start time.Time) *events {
	return &events{start: start, changed: make(chan struct{}), shown: map[string]*rate.Bucket{}}
}

// add numbers and keeps e.
func (l *events) add(now time.Time, e control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := now.Sub(l.start)
	if l.countAlike(at, e) {
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
	l.makeRoom(e.Kind)
	l.list = append(l.list, entry{e, at})
	close(l.changed)
	l.changed = make(chan struct{})
}

// makeRoom drops the oldest event, or the oldest refusal where those have their share.
func (l *events) makeRoom(kind string) {
	isRefused := func(e entry) bool { return e.Kind == refused }
	drop := -1
	if kind == refused && l.refused == keepRefused {
		drop = slices.IndexFunc(l.list, isRefused)
	} else if len(l.list) == keepEvents {
		drop = 0
	}
	if drop >= 0 {
		if isRefused(l.list[drop]) {
			l.refused--
		}
		l.list = slices.Delete(l.list, drop, drop+1)
	}
	if kind == refused {
		l.refused++
	}
}

// countAlike counts e on a recent event that tells the same.
func (l *events) countAlike(at time.Duration, e control.Event) bool {
	within := extendedAlike
	switch e.Kind {
	case refused:
		within = refusedAlike
	case extended:
	default:
		return false
	}
	for i := len(l.list) - 1; i >= max(len(l.list)-lookBack, 0); i-- {
		old := &l.list[i]
		alike := old.Kind == e.Kind || e.Kind == extended && old.Kind == opened
		if alike && old.Reason == e.Reason && old.Address == e.Address && old.Client == e.Client && old.Door == e.Door && old.Knock == e.Knock &&
			at-old.at <= within {
			old.Count = max(old.Count, 1) + 1
			old.Until = cmp.Or(e.Until, old.Until)
			return true
		}
	}
	return false
}

// since returns the events after number n, and a channel that is closed when there are more.
func (l *events) since(n uint64) ([]control.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := []control.Event{}
	for _, e := range l.list {
		if e.Number > n {
			list = append(list, e.Event)
		}
	}
	return list, l.changed
}

// follow calls each for every event after number n until each fails, or ctx ends and there is no
// more to tell.
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
