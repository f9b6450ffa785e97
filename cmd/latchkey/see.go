// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/probe"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	// lookBefore is how long a knock waits for what a door answers before it.
	lookBefore = 400 * time.Millisecond
	// lookAfter is how long a knock has for its effect.
	lookAfter = 3 * time.Second
	// leastSending is for how long messages are sent, even if a door opened: one family's may open it
	// before the other's have left.
	leastSending = 300 * time.Millisecond
)

// notTried is the verdict on a door whose port was not tried.
const notTried probe.Verdict = "not-tried"

// sight is a door that a knock is about, and what is seen of it.
type sight struct {
	link.Door // what the link says of it, but for Name nothing if it says nothing
	watch     *probe.Watch
	why       string // it is not tried
}

func (s *sight) verdict() probe.Verdict {
	if s.watch == nil {
		return notTried
	}
	return s.watch.Verdict()
}

// port is the one at which the door is tried; 0 = none.
func (s *sight) port() uint16 { return firstPort(s.Of(wire.TCP)) }

// firstPort returns the first of some ports; 0 if there are none.
func firstPort(ports []wire.PortRange) uint16 {
	if len(ports) == 0 {
		return 0
	}
	return ports[0].First
}

// sights returns the doors that a wish is about, and which of them can be seen.
func (k *knocker) sights(w wish) []*sight {
	names := k.link.Doors
	if w.door != "" {
		names = []string{w.door}
	}
	var all []*sight
	for _, name := range names {
		s := &sight{}
		known := false
		if s.Door, known = k.link.Door(name); !known {
			s.Door.Name = name
		}
		switch {
		case w.close:
			s.why = "whether it closes is not looked at"
		case !w.probe:
			s.why = "it was not looked at, as was asked for"
		case w.address.IsValid():
			s.why = "from here it cannot be seen whether it is open to " + w.address.String()
		case !known:
			s.why = "the link does not say which port to try"
		case s.port() == 0:
			s.why = "a UDP port does not tell whether it is open"
		}
		all = append(all, s)
	}
	return all
}

// begin looks at the doors from before the knock on. End must be called for what it returns.
func (k *knocker) begin(ctx context.Context, sights []*sight) {
	for _, s := range sights {
		if s.why != "" {
			continue
		}
		var to []netip.AddrPort
		for _, a := range k.to {
			to = append(to, netip.AddrPortFrom(a, s.port()))
		}
		s.watch = probe.Begin(ctx, to)
	}
	ctx, cancel := context.WithTimeout(ctx, lookBefore)
	defer cancel()
	for _, s := range sights {
		if s.watch != nil {
			s.watch.Settle(ctx, lookBefore)
		}
	}
}

func end(sights []*sight) {
	for _, s := range sights {
		if s.watch != nil {
			s.watch.End()
		}
	}
}

// await waits until all doors answer that can be seen, or the knock has had its time. It is true if
// all of them are open.
func await(ctx context.Context, sights []*sight) bool {
	ctx, cancel := context.WithTimeout(ctx, lookAfter)
	defer cancel()
	var all sync.WaitGroup
	for _, s := range sights {
		if s.watch != nil && s.verdict() != probe.Open {
			all.Go(func() {
				if conn := s.watch.Await(ctx); conn != nil {
					_ = conn.Close()
				}
			})
		}
	}
	all.Wait()
	return count(sights, probe.Open) == len(sights)
}

func count(sights []*sight, v probe.Verdict) (n int) {
	for _, s := range sights {
		if s.verdict() == v {
			n++
		}
	}
	return n
}

// describe returns, for a person, what was seen of a door.
func (s *sight) describe() string {
	port := fmt.Sprintf("TCP port %d", s.port())
	switch s.verdict() {
	case probe.Open:
		return s.Name + " is open: " + port + " did not let you in before the knock, and does now"
	case probe.Answered:
		return answered(s.Name)
	case probe.Refuses:
		return s.Name + " is open, but the service behind it refuses: " + port + " was silent before the knock, and refuses now"
	case probe.Unclear:
		return s.Name + ": cannot tell whether it is open: this router answers closed ports, or the service behind the door is not there or too slow"
	case probe.NoAnswer:
		return s.Name + " gives no answer: " + port + " is silent after the knock, too"
	case probe.Offline:
		return s.Name + " cannot be reached: this machine is offline"
	}
	return s.Name + ": knocked; " + s.why
}

// answered is what is said of a door that needed no knock.
func answered(door string) string {
	return door + " answered before the knock: you are at home, or it is open already"
}

// fail is what a knock ends with, going by what was seen.
func fail(router string, sights []*sight) error {
	if silent := count(sights, probe.NoAnswer); silent > 0 {
		return coded{hinted{fmt.Errorf("the knock at %s went out, but %s not answer", router, named(sights, probe.NoAnswer, "does", "do")),
			askOwner}, exitClosed}
	}
	if count(sights, probe.Refuses) > 0 {
		return coded{hinted{fmt.Errorf("%s open at %s, but nothing answers behind it", named(sights, probe.Refuses, "is", "are"), router),
			"the service must run, and listen on the port that the door leads to"}, exitRefused}
	}
	if count(sights, probe.Offline) > 0 {
		return hinted{errors.New("this machine is offline"), offline}
	}
	return nil
}

const askOwner = "the router's owner sees the reason under Services > Latchkey > Events, or with latchkeyd events"

func named(sights []*sight, v probe.Verdict, one, more string) string {
	var names []string
	for _, s := range sights {
		if s.verdict() == v {
			names = append(names, s.Name)
		}
	}
	if len(names) == 1 {
		return "door " + names[0] + " " + one
	}
	return "doors " + strings.Join(names, ", ") + " " + more
}
