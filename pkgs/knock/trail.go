// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"cmp"
	"math/bits"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Attempt describes how somebody tried a sequence in vain, even if he got no further than one step. It is for
// an owner who wants to know what is wrong with his knock.
type Attempt struct {
	Steps  int           // of the sequence; 0 = a Finding is of no attempt
	Right  int           // so many came in their order and in time
	Within time.Duration // the sequence's time window
	At     time.Time     // when its last packet came
	Lock   Obstacle      // the trip wire that locked the sender out before, if Until is not zero
	Until  time.Time     // the end of that lock
	End    Obstacle      // what came instead of the next right step; Step is 0 if nothing came
	Late   time.Duration // TooSlow: how long after the first step End came
	Last   bool          // nothing came because what there is to see ends here
	Lost   bool          // there were too many senders at once to follow this one to its end
}

// Obstacle is a packet that was not the next right step.
type Obstacle struct {
	Proto wire.Proto
	Port  uint16 // of TCP and UDP; the payload size of ICMP
	Step  int    // the number of the step that it is, was meant to be or stands beside, from 1 on
}

// trails follow what senders do to sequences, beside the detector and by its verdicts: they decide
// nothing. Where the detector forgets a sender, its trail goes on for a while, because a step that
// comes too late is how an attempt ends.
type trails struct {
	list  []Sequence
	table *table[trail]
	// other has the ports of steps in the protocol that they do not have.
	other map[target][]otherProtocol
	swept time.Duration // when Expire last looked at all of them
}

// otherProtocol is a packet that would be a step, were it of the other protocol.
type otherProtocol struct {
	sequence uint16
	step     uint8
}

// trail is what one sender did to one sequence. In its entry, since is when the newest first step
// came, or else its first packet, until when it is reported at the latest, and the rank one more than
// right.
type trail struct {
	right    uint8  // steps that came in their order and in time, at the most
	astray   uint8  // packets that did not, up to 255
	reason   Reason // of end, "" = nothing came in the way since the last right step
	end      touch
	late     time.Duration // of end, since the first step
	last     time.Duration // when the newest packet came
	lock     touch         // the newest trip wire
	locked   time.Duration // the end of its lock, 0 = none
	reported bool          // what comes now until the next first step belongs to what was reported
}

// touch is an Obstacle in half the space.
type touch struct {
	target
	step uint8
}

// linger is for how long after its time window a trail waits for a step that comes too late.
const linger = time.Minute

// sweepEvery is how often all trails are looked at, at the most.
const sweepEvery = time.Second

// newTrails makes a table of so many sets.
func newTrails(list []Sequence, matcher Matcher, now time.Time, sets int) *trails {
	s := &trails{table: newTable[trail](now, sets)}
	s.of(list, matcher)
	return s
}

// of says what the trails are of.
func (s *trails) of(list []Sequence, matcher Matcher) {
	s.list, s.other = list, make(map[target][]otherProtocol)
	for i, q := range list {
		for n, step := range q.Steps {
			at := target{swapped(step.Proto), step.port()}
			known := slices.ContainsFunc(matcher[at], func(r role) bool { return int(r.sequence) == i }) ||
				slices.ContainsFunc(s.other[at], func(o otherProtocol) bool { return int(o.sequence) == i })
			if at.proto != 0 && !known {
				s.other[at] = append(s.other[at], otherProtocol{uint16(i), uint8(n + 1)})
			}
		}
	}
}

// swapped returns TCP for UDP and the other way round, 0 for what has no other protocol.
func swapped(p wire.Proto) wire.Proto {
	switch p {
	case wire.TCP:
		return wire.UDP
	case wire.UDP:
		return wire.TCP
	}
	return 0
}

// find returns the trail of a sender that goes on, or nil. One whose time is over is reported.
func (s *trails) find(clock time.Duration, sequence uint16, source netip.Addr, emit func(Finding)) *entry[trail] {
	e := s.table.find(s.table.of(sequence, source))
	if e != nil && clock > e.until {
		s.finish(e, Attempt{}, emit)
		return nil
	}
	return e
}

// begin makes a trail. If there is no place for it, the one that is least far makes room.
func (s *trails) begin(clock time.Duration, sequence uint16, source netip.Addr, emit func(Finding)) *entry[trail] {
	from := s.table.of(sequence, source)
	_, set := s.table.set(from)
	least := &set.entries[0]
	for i := range set.entries {
		if e := &set.entries[i]; e.rank < least.rank || e.rank == least.rank && e.since < least.since {
			least = e
		}
	}
	if least.rank != 0 {
		s.finish(least, Attempt{Lost: clock <= least.until}, emit)
	}
	return s.table.put(from, clock, clock)
}

// touched notes that a packet of a trail came.
func (s *trails) touched(e *entry[trail], clock time.Duration) {
	e.state.last = clock
	e.until = max(clock, e.since+s.list[e.which].Within, e.state.locked) + linger
	e.rank = 1 + uint16(e.state.right)
}

// step takes a packet to the port of one or more steps, with the detector's verdict.
func (s *trails) step(clock time.Duration, sequence, steps uint16, v verdict, p *wire.Packet, emit func(Finding)) {
	if v.again {
		return
	}
	e := s.find(clock, sequence, p.Src, emit)
	if e == nil {
		e = s.begin(clock, sequence, p.Src, emit)
	}
	t, q := &e.state, &s.list[sequence]
	if v.done == 1 && (t.reported || clock-e.since > q.Within) { // another attempt
		s.report(e, Attempt{}, emit)
		lock, locked := t.lock, t.locked
		*t = trail{}
		if clock <= locked {
			t.lock, t.locked = lock, locked
		}
	}
	t.last = clock
	switch {
	case v.done == 0:
		s.astray(e, clock, WrongOrder, touch{aimed(p), lowest(steps)}, emit)
		if last := uint16(1) << (len(q.Steps) - 1); steps&last != 0 && t.right > 0 {
			s.report(e, Attempt{}, emit)
		}
	case v.done > int(t.right):
		t.right, t.reason, t.end, t.late = uint8(v.done), "", touch{}, 0
		fallthrough
	case v.done == int(t.right):
		e.since = clock - v.age
	}
	s.touched(e, clock)
	if v.done == len(q.Steps) {
		s.whole(e, v.opens, p.Src, emit)
	}
}

// astray notes a packet that came instead of the next right step. The first one says most, unless
// it turns out to do no harm.
func (s *trails) astray(e *entry[trail], clock time.Duration, why Reason, at touch, emit func(Finding)) {
	t := &e.state
	if t.reported {
		return
	}
	t.astray = max(t.astray, t.astray+1)
	if t.reason == "" {
		t.reason, t.end = why, at
	}
	if late := clock - e.since; t.right > 0 && late > s.list[e.which].Within {
		if why == WrongOrder && t.reason == WrongOrder {
			t.reason, t.end, t.late = TooSlow, at, late
		}
		s.report(e, Attempt{}, emit)
	}
}

// wrongProtocol takes a packet that may be a step of the wrong protocol.
func (s *trails) wrongProtocol(clock time.Duration, at target, p *wire.Packet, emit func(Finding)) {
	if p.Proto == wire.TCP && !p.IsSYN() {
		return // an answer, or the rest of a connection
	}
	for _, o := range s.other[at] {
		e := s.find(clock, o.sequence, p.Src, emit)
		if e == nil {
			e = s.begin(clock, o.sequence, p.Src, emit)
		}
		e.state.last = clock
		s.astray(e, clock, WrongProtocol, touch{at, o.step}, emit)
		s.touched(e, clock)
	}
}

// trip takes a packet to a trip wire beside steps, which locks its sender out for a time.
func (s *trails) trip(clock time.Duration, sequence, steps uint16, p *wire.Packet, emit func(Finding)) {
	e := s.find(clock, sequence, p.Src, emit)
	if e == nil {
		e = s.begin(clock, sequence, p.Src, emit)
	}
	t, at := &e.state, touch{aimed(p), uint8(1 + bits.TrailingZeros16(steps))}
	if !t.reported && t.right > 0 && clock-e.since <= s.list[sequence].Within {
		t.reason, t.end, t.last = TripWire, at, clock
	}
	s.report(e, Attempt{}, emit)
	*t = trail{lock: at, locked: clock + s.list[sequence].Within}
	e.since = clock
	s.touched(e, clock)
}

// whole is for a sender of whom the whole sequence came, which opens unless he is locked out. Other
// sequences that begin like it have come part of the way, and that is nothing to report.
func (s *trails) whole(e *entry[trail], opens bool, source netip.Addr, emit func(Finding)) {
	e.state.reported = opens
	s.report(e, Attempt{}, emit)
	for i := range s.list {
		if other := s.table.find(s.table.of(uint16(i), source)); other != nil {
			other.state.reported = true
		}
	}
}

// report emits what became of a trail, once. It is no attempt if there was no right step, but for one whose steps
// all came in the wrong order.
func (s *trails) report(e *entry[trail], a Attempt, emit func(Finding)) {
	t := &e.state
	if t.reported || t.right == 0 && t.astray < 2 {
		return
	}
	t.reported = true
	q := &s.list[e.which]
	a.Steps, a.Right, a.Within = len(q.Steps), int(t.right), q.Within
	a.At = s.table.base.Add(t.last)
	why := cmp.Or(t.reason, Unfinished)
	if t.locked > 0 {
		a.Lock, a.Until = t.lock.obstacle(), s.table.base.Add(t.locked)
	}
	if a.Right == a.Steps {
		why = TripWire
	}
	a.End, a.Late = t.end.obstacle(), t.late
	emit(Finding{
		Request: Request{Kind: KindSequence, Name: q.Name, From: e.source.addr()},
		Reason:  why,
		Step:    a.Right,
		Attempt: a,
	})
}

// finish reports a trail and forgets it.
func (s *trails) finish(e *entry[trail], a Attempt, emit func(Finding)) {
	s.report(e, a, emit)
	e.drop()
}

// expire reports the trails whose time is over; if all is true, of all.
func (s *trails) expire(now time.Time, all bool, emit func(Finding)) {
	clock := s.table.clock(now)
	if since := clock - s.swept; !all && 0 <= since && since < sweepEvery {
		return
	}
	s.swept = clock
	var over []*entry[trail]
	for i := range s.table.sets {
		for j := range s.table.sets[i].entries {
			if e := &s.table.sets[i].entries[j]; e.rank != 0 && (all || clock > e.until) {
				over = insert(over, e)
			}
		}
	}
	for _, e := range over {
		s.finish(e, Attempt{Last: all}, emit)
	}
}

// insert keeps trails in the order of their last packets; the table has none that anybody knows.
func insert(list []*entry[trail], e *entry[trail]) []*entry[trail] {
	list = append(list, e)
	i := len(list) - 1
	for ; i > 0 && later(list[i-1], e); i-- {
		list[i] = list[i-1]
	}
	list[i] = e
	return list
}

func later(a, b *entry[trail]) bool {
	if a.state.last != b.state.last {
		return a.state.last > b.state.last
	}
	if a.which != b.which {
		return a.which > b.which
	}
	return slices.Compare(a.source[:], b.source[:]) > 0
}

// addFilter adds the ports that are of interest only here.
func (s *trails) addFilter(f *wire.Filter) {
	for at := range s.other {
		only := wire.PortRange{First: at.port, Last: at.port}
		if at.proto == wire.UDP {
			f.UDP = append(f.UDP, only)
		} else {
			f.SYN = append(f.SYN, only)
		}
	}
}

func (t touch) obstacle() Obstacle { return Obstacle{Proto: t.proto, Port: t.port, Step: int(t.step)} }

// aimed is aim for a packet that is known to be aimed at something.
func aimed(p *wire.Packet) target {
	at, _ := aim(p)
	return at
}

// lowest returns the number of the first of some steps.
func lowest(steps uint16) uint8 { return 1 + uint8(bits.TrailingZeros16(steps)) }
