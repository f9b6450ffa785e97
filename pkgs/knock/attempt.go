// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"math/bits"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// attempt is how far a sender is in one sequence.
type attempt struct {
	walked   uint16 // bit i: the steps up to i came in their order, in time
	locked   bool   // a trip wire was touched
	proved   uint8  // in the lock the whole sequence came: if not 0, the next time it opens
	reported bool   // its end was reported
	quiet    bool   // its end is nothing to report, see quieten
	lock     tick   // if locked, the last moment of the lock
}

// proof is what a whole sequence in a lock is worth. Each trip wire halves it, so that it stands one.
const proof = 2

// mark is what is remembered of one step of an attempt.
type mark struct {
	// began is when the first of the steps up to this one came. Of several ways to see the packets
	// as these steps it is the one that began latest, which has the most time left.
	began tick
	// print is the fingerprint of the latest TCP packet to this step's port. Prints are only
	// compared with those of packets to the same port, so 16 bits are enough.
	print uint16
}

// tick is a time in the table's clock, in units of 16.4 µs and modulo 19 h. It takes half the space
// of a time, and ticks are compared only within the life of an attempt, which is minutes, and in a table of
// first steps, from which those of hours ago are swept.
type tick uint32

func tickOf(d time.Duration) tick { return tick(d >> 14) }

// age is how long before now t was, in ticks; 0 if now is before it, as in a log when summer time ends.
func (t tick) age(now tick) tick {
	if int32(now-t) < 0 {
		return 0
	}
	return now - t
}

// duration is t in the units of others.
func (t tick) duration() time.Duration { return time.Duration(t) << 14 }

// over reports whether t is past; it must be less than 9 h away.
func (t tick) over(now tick) bool { return int32(t-now) < 0 }

// done is the number of steps that came in their order.
func (a *attempt) done() int { return bits.Len16(a.walked) }

// expire forgets steps that are too long ago to be part of a knock, and a lock that ended before.
func (a *attempt) expire(marks []mark, now, within tick) {
	for i := range marks {
		if marks[i].began.age(now) > within {
			a.walked &^= 1 << i
		}
	}
	if a.lock.over(now - within) { // all that began in it is too long ago, too
		a.locked, a.proved = false, 0
	}
}

// walk takes a packet to the port of one or more steps. It returns the number of steps that came in
// their order and end with this packet; 0 means that it came out of order.
func (a *attempt) walk(marks []mark, steps uint16, now tick) (done int) {
	for i := len(marks) - 1; i >= 0; i-- { // downward: one packet is one step
		switch {
		case steps&(1<<i) == 0:
			continue
		case i == 0:
			marks[i].began = now
		case a.walked&(1<<(i-1)) != 0:
			marks[i].began = marks[i-1].began
		default:
			continue
		}
		a.walked |= 1 << i
		done = max(done, i+1)
	}
	return done
}

// repeated reports whether a TCP packet is a retransmission of one of the latest to its port, of which as
// many are remembered as there are steps with this port, and remembers it.
func repeated(marks []mark, steps, print uint16) bool {
	for i := range marks {
		if steps&(1<<i) != 0 && marks[i].print == print {
			return true
		}
	}
	for i := range marks {
		if steps&(1<<i) != 0 {
			marks[i].print, print = print, marks[i].print
		}
	}
	return false
}

// marksOf returns the marks of an attempt, one for each step of its sequence.
func (d *sequences) marksOf(e *entry[attempt]) []mark {
	first := int(e.place) * d.longest
	return d.marks[first : first+len(d.list[e.which].Steps)]
}

// lookUp returns what is left of a sender's attempt at this time; nil is nothing.
func (d *sequences) lookUp(clock time.Duration, from sender, emit func(Finding)) *entry[attempt] {
	e := d.table.find(from)
	if e == nil {
		return nil
	}
	done, over := e.state.done(), clock > e.until
	e.state.expire(d.marksOf(e), tickOf(clock), tickOf(d.list[from.which].Within))
	if over || e.state.walked == 0 {
		d.giveUp(e, TooSlow, done, emit)
	}
	if over {
		e.drop()
		return nil
	}
	return e
}

// begin makes an attempt of a sender who has none.
func (d *sequences) begin(clock time.Duration, from sender) *entry[attempt] {
	e := d.table.put(from, clock, clock+d.list[from.which].Within)
	clear(d.marksOf(e))
	return e
}

// resume makes an attempt of a sender of whom only the first step came before; nil is that it did not.
func (d *sequences) resume(clock time.Duration, from sender) *entry[attempt] {
	now := tickOf(clock)
	r, ok := d.firsts.take(from, now, tickOf(d.list[from.which].Within))
	if !ok {
		return nil
	}
	e := d.begin(clock, from)
	e.until -= r.came.age(now).duration()
	e.state.walked = 1
	d.marksOf(e)[0] = mark{began: r.came, print: r.print}
	return e
}

// trip ends the attempt of a sender who touched a trip wire, and locks him out of the sequence.
func (d *sequences) trip(clock time.Duration, from sender, emit func(Finding)) {
	e := d.lookUp(clock, from, emit)
	if e == nil {
		d.firsts.take(from, 0, 0) // so that he starts over when the lock ends
		e = d.begin(clock, from)
	}
	a := &e.state
	d.giveUp(e, TripWire, a.done(), emit)
	e.rank, e.since, e.until = 1, clock, clock+d.list[from.which].Within
	a.walked, a.locked, a.lock, a.proved = 0, true, tickOf(e.until), a.proved/2
}

// verdict is what a packet to the port of a step was.
type verdict struct {
	done  int           // so many steps came in their order and end with it; 0 = it came out of order
	age   time.Duration // how long ago the first of them came
	opens bool          // the whole sequence came, and nothing locks its sender out
	again bool          // it was a retransmission
}

// step takes a packet to the port of one or more steps of a sequence.
func (d *sequences) step(clock time.Duration, from sender, steps uint16, p *wire.Packet, emit func(Finding)) (v verdict) {
	first, within := steps&1 != 0, d.list[from.which].Within
	e := d.lookUp(clock, from, emit)
	if e == nil && steps == 1 && len(d.list[from.which].Steps) > 1 {
		print := uint16(0)
		if p.Proto == wire.TCP {
			print = d.print(p)
		}
		if d.firsts.put(from, print, tickOf(clock), tickOf(within)) {
			return verdict{again: true}
		}
		return verdict{done: 1}
	}
	if e == nil {
		e = d.resume(clock, from)
	}
	if e == nil && first {
		e = d.begin(clock, from)
	}
	if e == nil {
		return verdict{}
	}
	a, marks := &e.state, d.marksOf(e)
	if p.Proto == wire.TCP && repeated(marks, steps, d.print(p)) {
		return verdict{again: true}
	}
	if first {
		if a.quiet {
			a.walked = 0 // of another sequence, which is over
		}
		a.quiet, a.reported = false, false
		e.until = max(e.until, clock+within)
	}
	v.done = a.walk(marks, steps, tickOf(clock))
	if v.done > 0 {
		e.since = clock
		v.age = marks[v.done-1].began.age(tickOf(clock)).duration()
	}
	last := uint16(1) << (len(marks) - 1)
	switch {
	case v.done == len(marks):
		v.opens = d.whole(clock, e, marks[v.done-1].began, emit)
	case v.done == 0 && steps&last != 0:
		d.giveUp(e, WrongOrder, a.done(), emit)
	}
	e.rank = uint16(max(1, a.done()))
	return v
}

// whole is for a sender of whom the whole sequence came, with a first step at began. What is
// remembered of it stays until its time is over, so that late retransmissions do not begin another.
// It reports whether it opens.
func (d *sequences) whole(clock time.Duration, e *entry[attempt], began tick, emit func(Finding)) (opens bool) {
	a, s, source := &e.state, &d.list[e.which], e.source.addr()
	d.quieten(clock, source)
	f := Finding{
		Request: Request{Kind: KindSequence, Name: s.Name, From: source, Once: s.Once},
		Reason:  OK,
		Step:    len(s.Steps),
		Whole:   true,
	}
	a.walked = 0
	if a.locked && !a.lock.over(began) && a.proved == 0 {
		a.proved = proof
		f.Reason = TripWire
	} else {
		a.locked, a.proved = false, 0
	}
	emit(f)
	return f.Reason == OK
}

// quieten is for a sender of whom a whole sequence came. Sequences that begin like that one have
// come part of the way with it. They may go on, but that they do not end is no refused knock.
func (d *sequences) quieten(clock time.Duration, source netip.Addr) {
	for i := range d.list {
		from := d.table.of(uint16(i), source)
		e := d.table.find(from)
		if e == nil {
			e = d.resume(clock, from)
		}
		if e != nil {
			e.state.quiet = true
		}
	}
}

// print is a fingerprint that is never zero, which stands for "no packet yet".
func (d *sequences) print(p *wire.Packet) uint16 {
	return uint16(d.table.keys.print(p)) | 1
}

// giveUp reports an attempt that ended after so many right steps, once.
func (d *sequences) giveUp(e *entry[attempt], why Reason, done int, emit func(Finding)) {
	if done < reportFrom || e.state.quiet || e.state.reported {
		return
	}
	e.state.reported = true
	s := &d.list[e.which]
	emit(Finding{
		Request: Request{Kind: KindSequence, Name: s.Name, From: e.source.addr(), Once: s.Once},
		Reason:  why,
		Step:    done,
	})
}
