// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// visit is one time that a person wants in.
type visit struct {
	soak    *soak
	person  *person
	kind    kind
	service service
	six     bool
	turn    int
	from    []netip.Addr // for which it opens; the first one is looked at
	long    bool         // where the knock can say so, it asks for as long as the door allows
	begun   time.Time    // the first press
	try     int
	pressed time.Time // when the last press began
	entry   int       // of the one-time sequences
	message []byte    // of a browser
}

func (v *visit) String() string {
	return fmt.Sprintf("%s: %s, %s to %s", v.person.name, v.kind.name, v.service.name, v.from[0])
}

// use is what the visit wants.
func (v *visit) use() use { return use{v.service.name, v.from[0]} }

// uses are all that its knock may open.
func (v *visit) uses() (list []use) {
	for _, a := range v.from {
		list = append(list, use{v.service.name, a})
	}
	return list
}

// What becomes of a door that is open.
const (
	leaveIt = iota
	renewIt
	closeIt
	watchIt
)

var afterwards = []int{leaveIt, leaveIt, renewIt, closeIt, watchIt}

// visit wants in, and then does something with the open door.
func (p *person) visit(s *soak, r *rand.Rand) {
	v := p.plan(s, r)
	v.goThrough(afterwards[r.IntN(len(afterwards))])
}

func (v *visit) goThrough(then int) {
	v.long = then == closeIt // so that its end by itself is not taken for the close
	v.soak.note(v.String())
	opened := v.enter()
	if opened.IsZero() {
		return
	}
	switch then {
	case renewIt:
		v.renew(opened)
	case closeIt:
		v.close()
	case watchIt:
		v.watch()
	}
}

// enter knocks until the door is open, and returns when that was seen; zero if it did not open. That it
// must is an invariant.
func (v *visit) enter() (opened time.Time) {
	s, p := v.soak, v.person
	if err := p.comeFrom(p.four[v.turn], p.six[v.turn]); err != nil {
		s.give(err)
		return opened
	}
	s.model.count(func(c *counts) { c.Knocks++ })
	v.begun = time.Now()
	done, excused := v.insist("an honest knock opens", v.kind.ways, time.Time{}, v.kind.press, func() bool {
		// Without a firewall every door is open: only with its element it is because of the knock.
		return p.reaches(v.service, v.from[0]) && v.isIn()
	})
	v.usedUp(done, excused)
	if !done {
		if excused {
			s.model.count(func(c *counts) { c.Excused++ })
		}
		return opened
	}
	opened = time.Now()
	s.model.count(func(c *counts) { c.Opened++ })
	s.did("knock: " + v.kind.name)
	if v.message != nil {
		v.steal()
	}
	v.told(v.begun, "opened", "extended")
	return opened
}

// usedUp notes which one-time sequence is due after a knock that opened, or that something shut out.
func (v *visit) usedUp(done, excused bool) {
	p := v.person
	switch {
	case v.kind.ways[0] != byOnce:
	case done:
		p.due, p.maybeDue = v.entry+1, v.entry+1
	case excused:
		p.maybeDue = min(p.maybeDue+1, onceSize)
	}
}

// isIn reports whether the kernel has an element for what the visit wants.
func (v *visit) isIn() bool {
	list, err := elements(v.soak.ctx)
	_, is := find(list, v.use())
	return err == nil && is
}

// is reports whether an event is of one of these kinds, and of what the visit wants.
func (v *visit) is(kinds ...string) func(control.Event) bool {
	return func(e control.Event) bool {
		return slices.Contains(kinds, e.Kind) && e.Door == v.service.name && e.Address == v.from[0].String()
	}
}

// told wants one of these events of the visit's door and address since a time, unless there was a fault.
func (v *visit) told(since time.Time, kinds ...string) {
	s := v.soak
	if !s.events.await(s.ctx, since, toldWithin, v.is(kinds...)) && !s.model.harmed(losesEvents, since) {
		s.violated("no event is lost", "%s: the daemon told no event %s of it within %s", v, strings.Join(kinds, " or "), toldWithin)
		return
	}
	s.held("no event is lost")
}

const (
	// enough is how often somebody presses before he gives up: a busy machine may lose packets.
	enough = 3
	// patience is how long after a knock has gone out its effect may take.
	patience = 4 * time.Second
	// toldWithin is how long the telling of an event may take.
	toldWithin = 30 * time.Second
)

// insist presses until done says so. It is a violation if that takes more presses than enough during each
// of which one of the ways was free; excused is true if that was not so, or if it came to no end until a
// time, unless that is zero.
func (v *visit) insist(invariant string, ways []string, until time.Time, press func(*visit) error, done func() bool) (is, excused bool) {
	s := v.soak
	most := enough
	if v.kind.ways[0] == byOnce {
		most *= v.person.maybeDue - v.person.due + 1
	}
	var misses, excuses []string
	for v.try = 0; v.try < 2*most && len(misses) < most && s.ctx.Err() == nil; v.try++ {
		since, lost := time.Now(), s.router.dropped()
		v.pressed = since
		s.model.count(func(c *counts) { c.Messages += v.kind.messages })
		s.model.ask(v.uses()...)
		ok, err := v.pressAndLook(press, done)
		s.model.asked(time.Now(), v.uses()...)
		if ok {
			if len(misses) > 0 && most == enough { // else it was not known which one-time sequence is due
				s.model.count(func(c *counts) { c.Again++ })
				s.note(fmt.Sprintf("%s: pressed again (%s)", v, strings.Join(misses, "; ")))
			}
			s.held(invariant)
			return true, false
		}
		switch why := s.model.excuse(ways, since); {
		case !until.IsZero() && time.Now().After(until):
			return false, true
		case why != "":
			excuses = append(excuses, why)
			// A one-time sequence may be used up by it, so that pressing again cannot open.
			if len(excuses) > 1 || v.kind.ways[0] == byOnce {
				s.note(fmt.Sprintf("%s: shut out (%s)", v, why))
				return false, true
			}
		case s.router.dropped() != lost:
			excuses = append(excuses, "the kernel dropped packets")
		default:
			misses = append(misses, fmt.Sprintf("pressed at %s: %v", since.Format(time.TimeOnly), errors.Join(err, v.view(since))))
		}
	}
	if s.ctx.Err() != nil {
		return false, false
	}
	if len(misses) < most {
		return false, true
	}
	s.violated(invariant, "%s: %d presses without effect, and nothing in force that shuts them out\n  %s", v, most, strings.Join(misses, "\n  "))
	return false, false
}

// pressAndLook knocks, and looks from before that on until the effect is there or patience is over.
func (v *visit) pressAndLook(press func(*visit) error, done func() bool) (ok bool, err error) {
	pressed := make(chan error, 1)
	go func() { pressed <- press(v) }()
	var over <-chan time.Time
	for {
		if done() {
			if over == nil {
				err = <-pressed
			}
			return true, err
		}
		select {
		case err = <-pressed:
			pressed = nil
			over = time.After(patience)
		case <-over:
			return false, err
		case <-time.After(50 * time.Millisecond):
		}
		if pressed == nil && v.soak.ctx.Err() != nil {
			return false, err
		}
	}
}

// view is what the daemon and the kernel say of a knock that had no effect.
func (v *visit) view(since time.Time) error {
	list, err := elements(v.soak.ctx)
	element, is := find(list, v.use())
	heard, _ := v.soak.events.heardSince(since, func(e control.Event) bool { return e.Address == v.from[0].String() })
	var events []string
	for _, e := range heard {
		events = append(events, strings.TrimSpace(e.Kind+" "+e.Reason+" "+e.Detail))
	}
	return errors.Join(err, fmt.Errorf("element in the kernel: %t (%d s left); events of the address: %q", is, element.left, events))
}
