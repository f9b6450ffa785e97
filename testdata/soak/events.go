// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// follower reads every event that the daemon tells, over its restarts.
type follower struct {
	router *router
	tell   func(gap string) // called for events that are missing

	mu      sync.Mutex
	run     string // of the daemon
	losses  int    // of former runs, as router.lost counts them
	last    uint64 // number of the newest event
	list    []heard
	total   int
	changed chan struct{} // closed when there is news
}

// heard is an event, and when it came.
type heard struct {
	control.Event
	at time.Time
}

// keepHeard is how long events are kept.
const keepHeard = 5 * time.Minute

func newFollower(r *router, tell func(string)) *follower {
	return &follower{router: r, tell: tell, changed: make(chan struct{})}
}

// follow goes on until ctx ends. Where the daemon is not there it looks again.
func (f *follower) follow(ctx context.Context) {
	for ctx.Err() == nil {
		_ = f.followOnce(ctx) // it ends when the daemon does
		pause(ctx, 20*time.Millisecond)
	}
}

func (f *follower) followOnce(ctx context.Context) error {
	c, err := control.Dial(f.router.socket())
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	var s control.Status
	if err := c.Call(control.Request{Method: "status"}, &s); err != nil {
		return err
	}
	since := f.meet(s, f.router.lost())
	var e control.Event
	for err = c.Call(control.Request{Method: "events", Since: since, Follow: true}, &e); err == nil; err = c.Next(&e) {
		f.hear(e)
		e = control.Event{}
	}
	return err
}

// meet returns after which event to ask a daemon that has this status, when former ones were ended so many times
// in a way that loses events. Where that happened, numbers go on behind the events that could be saved; else
// behind those that were told.
func (f *follower) meet(s control.Status, losses int) (since uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.run == s.Run:
		return f.last
	case f.run == "" || losses != f.losses:
		f.last = s.Former
	case s.Former < f.last:
		f.tell(fmt.Sprintf("the daemon was ended by SIGTERM after event %d, and saved those up to %d", f.last, s.Former))
	}
	f.run, f.losses = s.Run, losses
	return f.last
}

func (f *follower) hear(e control.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.Number != f.last+1 {
		f.tell(fmt.Sprintf("event %d (%s) came after event %d", e.Number, e.Kind, f.last))
	}
	now := time.Now()
	f.last = e.Number
	f.total++
	for len(f.list) > 0 && now.Sub(f.list[0].at) > keepHeard {
		f.list = f.list[1:]
	}
	f.list = append(f.list, heard{e, now})
	close(f.changed)
	f.changed = make(chan struct{})
}

// heardSince returns the events that came since a time and that is says are meant, and a channel that is
// closed when there are more.
func (f *follower) heardSince(since time.Time, is func(control.Event) bool) (list []control.Event, changed <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, h := range f.list {
		if !h.at.Before(since) && is(h.Event) {
			list = append(list, h.Event)
		}
	}
	return list, f.changed
}

// await waits for an event since a time; ok is false if there is none in time.
func (f *follower) await(ctx context.Context, since time.Time, within time.Duration, is func(control.Event) bool) (ok bool) {
	over := time.After(within)
	for {
		list, changed := f.heardSince(since, is)
		if len(list) > 0 {
			return true
		}
		select {
		case <-changed:
		case <-over:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

// number returns how many events came.
func (f *follower) number() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.total
}
