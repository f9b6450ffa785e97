// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// renew knocks again while the door is open: its end must move.
func (v *visit) renew(opened time.Time) {
	const invariant = "a knock at an open door extends it"
	s := v.soak
	if !pause(s.ctx, time.Until(opened.Add(renewAfter))) || v.kind.ways[0] == byOnce && v.person.due >= onceSize {
		return
	}
	begin := time.Now()
	var told []control.Event
	done, excused := v.insist(invariant, v.kind.ways, time.Time{}, v.kind.press, func() bool {
		told, _ = s.events.heardSince(begin, v.is("opened", "extended"))
		return len(told) > 0
	})
	v.usedUp(done, excused)
	if !done || told[0].Kind == "opened" {
		return // it was too late
	}
	list, err := elements(s.ctx)
	e, is := find(list, v.use())
	// nft rounds down to seconds; the former end was renewAfter earlier.
	end := time.Now().Add(time.Duration(e.left+1) * time.Second)
	if least := v.pressed.Add(openFor - time.Second); err == nil && !s.model.harmed(endsGrants, begin) && (!is || end.Before(least)) {
		s.violated(invariant, "%s: the kernel closes it at %s at the latest, and should at %s at the earliest", v, end.Format(time.TimeOnly), least.Format(time.TimeOnly))
		return
	}
	s.model.count(func(c *counts) { c.Renewed++ })
}

// close closes the door by a knock of its client or, where the knock cannot say that, as the owner.
func (v *visit) close() {
	const invariant = "a door that was closed is closed"
	s := v.soak
	begin := time.Now()
	list, err := elements(s.ctx)
	e, is := find(list, v.use())
	if err != nil || !is {
		return // it is over
	}
	ways, press := []string{byControl}, (*visit).ownerCloses
	if strings.HasPrefix(v.kind.name, "message") && v.kind.client == "" {
		ways = []string{bySTUN, byPorts}
		press = func(v *visit) error { return v.latchkeyWith("--close", "--no-probe", "--address", v.from[0].String()) }
	}
	end := begin.Add(time.Duration(e.left) * time.Second) // by itself, at the earliest
	done, _ := v.insist(invariant, ways, end, press, func() bool {
		list, err := elements(s.ctx)
		_, is := find(list, v.use())
		return err == nil && !is && time.Now().Before(end)
	})
	if !done {
		return
	}
	s.model.count(func(c *counts) { c.Closed++ })
	if !s.model.harmed(endsGrants|delaysKnocks, v.begun) { // else what opened it may come once more
		s.model.closed(time.Now(), v.use())
	}
	open := v.person.reaches(v.service, v.from[0])
	if s.model.harmed(endsGrants, begin) {
		return // it may not be the knock that closed it, and without a firewall every door is open
	}
	if open {
		s.violated(invariant, "%s: it still lets the address in", v)
	}
	v.told(begin, "closed")
}

// ownerCloses closes at the router. When the program has said that it is done, it is.
func (v *visit) ownerCloses() error {
	s, begin := v.soak, time.Now()
	err := v.with("router", s.router.program, "close", v.service.name, v.from[0].String(), "--socket", s.router.socket())
	if err == nil && v.isIn() && !s.model.harmed(endsGrants, begin) {
		s.violated("a door that was closed is closed", "%s: latchkeyd close has ended, and the kernel still lets the address in", v)
	}
	return err
}

// watch looks at an open door until it is closed: that is when the kernel was told, no earlier and no
// later, and it tells of it.
func (v *visit) watch() {
	const invariant = "doors close on time"
	s, since := v.soak, v.pressed // it opened at some time after that
	var end time.Time             // at the latest, as the kernel has it
	for {
		before := time.Now()
		list, err := elements(s.ctx)
		if err != nil {
			s.give(err)
			return
		}
		e, is := find(list, v.use())
		if !is {
			break
		}
		if by := time.Now().Add(time.Duration(e.left+1) * time.Second); end.IsZero() || by.After(end) && (time.Since(since) < late || s.model.harmed(endsGrants, since)) {
			end = by
		}
		if before.After(end.Add(2 * time.Second)) {
			s.violated(invariant, "%s: the kernel was to close it at %s, and has %d s left for it", v, end.Format(time.TimeOnly), e.left)
			return
		}
		if !pause(s.ctx, 300*time.Millisecond) {
			return
		}
	}
	if s.model.harmed(endsGrants, since) {
		return // it may have been closed, or be about to come back
	}
	if early := since.Add(openFor - time.Second); time.Now().Before(early) {
		s.violated(invariant, "%s: it was open until %s at the latest, and should be until %s at least", v, time.Now().Format(time.TimeOnly), early.Format(time.TimeOnly))
		return
	}
	if v.person.reaches(v.service, v.from[0]) {
		s.violated(invariant, "%s: it still lets the address in", v)
		return
	}
	s.model.count(func(c *counts) { c.Watched++ })
	s.held(invariant)
	v.told(since, "expired")
}
