// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
)

// Kinds of events, the same words in the log, the control protocol and LuCI.
const (
	started  = "started"
	opened   = "opened"
	extended = "extended"
	closed   = "closed"  // early: by a knock, by the owner, or because the door went
	expired  = "expired" // on time
	refused  = "refused"
	pending  = "pending" // the firewall has no set for a door
	ready    = "ready"   // it has one again
	link     = "link"    // a network device came or went
	reload   = "reload"
	trouble  = "trouble" // something that the owner should mend
)

// Limits of the event list.
const (
	keepEvents    = 256              // events that are kept for later readers
	alikeWithin   = 10 * time.Second // a refusal like the last one within this time only counts up
	refusalBurst  = 30               // refusals shown at once …
	refusalRefill = 2 * time.Second  // … and one more in each such time
)

// events keeps the newest events and tells followers of each new one.
// Refusals are what strangers can cause, so they alone are limited in rate.
type events struct {
	tell func(control.Event) // takes each that is shown and matters enough

	mu      sync.Mutex
	level   config.Level    // that matters enough
	list    []control.Event // oldest first, at most keepEvents
	last    uint64
	changed chan struct{} // closed when there is news
	shown   bucket
	hidden  int // refusals not shown since the last one that was
}

func newEvents(tell func(control.Event)) *events {
	return &events{tell: tell, changed: make(chan struct{}), shown: bucket{burst: refusalBurst, refill: refusalRefill}}
}

// add numbers, keeps and tells e.
func (l *events) add(now time.Time, e control.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	e.Time = now.Round(0)
	if e.Kind == refused {
		if l.countAlike(now, e) {
			return
		}
		if !l.shown.take(now) {
			l.hidden++
			return
		}
		if l.hidden > 0 {
			e.Hidden, l.hidden = l.hidden, 0
		}
	}
	l.last++
	e.Number = l.last
	if len(l.list) == keepEvents {
		copy(l.list, l.list[1:])
		l.list = l.list[:keepEvents-1]
	}
	l.list = append(l.list, e)
	close(l.changed)
	l.changed = make(chan struct{})
	if level(e.Kind) >= l.level {
		l.tell(e)
	}
}

// setLevel says which events matter enough for the log. All are kept.
func (l *events) setLevel(level config.Level) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.level = level
}

// countAlike counts e on the newest event if that tells the same.
func (l *events) countAlike(now time.Time, e control.Event) bool {
	if len(l.list) == 0 {
		return false
	}
	last := &l.list[len(l.list)-1]
	if last.Kind != e.Kind || last.Reason != e.Reason || last.Address != e.Address || last.Client != e.Client ||
		last.Door != e.Door || now.Sub(last.Time) > alikeWithin {
		return false
	}
	last.Count = max(last.Count, 1) + 1
	return true
}

// since returns the events after number n, and a channel that is closed when there are more.
func (l *events) since(n uint64) ([]control.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := len(l.list)
	for i > 0 && l.list[i-1].Number > n {
		i--
	}
	return append([]control.Event{}, l.list[i:]...), l.changed
}

// follow calls each for every event after number n until ctx ends or each fails.
func (l *events) follow(ctx context.Context, n uint64, each func(control.Event) error) error {
	for {
		list, changed := l.since(n)
		for _, e := range list {
			if err := each(e); err != nil {
				return err
			}
			n = e.Number
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}

// level is how much an event matters to a log.
func level(kind string) config.Level {
	switch kind {
	case refused, pending, trouble:
		return config.LevelWarn
	}
	return config.LevelInfo
}

// bucket is a token bucket: burst at once, then one in each refill. The zero value of its
// private fields is a full bucket.
type bucket struct {
	burst  int
	refill time.Duration
	spent  int
	since  time.Time // when the first of the spent tokens began to come back
}

func (b *bucket) take(now time.Time) bool {
	if back := int(now.Sub(b.since) / b.refill); back >= b.spent {
		b.spent, b.since = 0, now
	} else if back > 0 {
		b.spent -= back
		b.since = b.since.Add(time.Duration(back) * b.refill)
	}
	if b.spent == b.burst {
		return false
	}
	b.spent++
	return true
}
