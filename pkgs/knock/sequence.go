// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxSteps is the largest number of steps of a sequence.
const MaxSteps = 16

// attemptSets is the size of the table of attempts: 2048 sets of 8 attempts of 72 bytes, 1.2 MB
// when a flood has filled it all. It holds the first steps of the last 65 ms of a flood of 250 000
// forged senders per second, several times the pause between two steps of a knock.
const attemptSets = 2048

// toldFrom is how many right steps make an attempt worth telling the owner about when it fails.
// With fewer it is most likely a stray packet or a scan.
const toldFrom = 2

// sequences recognises knocks of ordered steps.
//
// Each (sequence, sender) is on its own: nothing that one sender does changes another's progress.
// The ports beside each step's port are trip wires. Touching one ends the sender's attempt and
// locks him out of that sequence for its time window. A scan therefore opens a sequence only if it
// meets all steps in order before any of their neighbours. For n steps that are not next to each
// other the chance in a scan in random order is 1 in (3n)!/(2n)!: 504 for 3 steps, 11 880 for 4,
// 360 360 for 5; a scan in ascending or descending order always touches a neighbour first.
type sequences struct {
	list  []Sequence
	roles map[target][]role // not more than three for each step
	table *table[attempt]
}

// target is what a packet is aimed at.
type target struct {
	proto wire.Proto
	port  uint16 // of TCP and UDP; the payload size of ICMP
}

// role is what a target means to one sequence.
type role struct {
	sequence    uint16
	steps       uint16 // bit i: this is the port of step i
	wire        bool   // this is the neighbour of a step's port
	flags, mask wire.TCPFlags
}

// attempt is how far a sender is in one sequence. How long it may go on is in its entry.
type attempt struct {
	done   uint8 // right steps so far; all of them: the knock was recognised
	locked bool  // a trip wire was touched
	quiet  bool  // its end is nothing to tell, see quieten
	// prints are fingerprints of the latest packet that each TCP step was taken from. They are
	// only compared with packets to the same port, so 16 bits are enough.
	prints [MaxSteps]uint16
}

var _ Detector = (*sequences)(nil)

func newSequences(cfg Config, now time.Time) Detector {
	if len(cfg.Sequences) == 0 {
		return nil
	}
	d := &sequences{
		list:  cfg.Sequences,
		roles: make(map[target][]role),
		table: newTable[attempt](now, attemptSets),
	}
	for i, s := range cfg.Sequences {
		d.addRoles(uint16(i), s.Steps)
	}
	return d
}

func (d *sequences) addRoles(sequence uint16, steps []Step) {
	for i, s := range steps {
		d.addRole(target{s.Proto, s.port()},
			role{sequence: sequence, steps: 1 << i, flags: s.Flags, mask: s.Mask})
		if s.Proto == wire.ICMP {
			continue
		}
		for _, neighbour := range [...]uint16{s.Port - 1, s.Port + 1} {
			isStep := func(o Step) bool { return o.Proto == s.Proto && o.Port == neighbour }
			if neighbour == 0 || slices.ContainsFunc(steps, isStep) {
				continue
			}
			d.addRole(target{s.Proto, neighbour},
				role{sequence: sequence, wire: true, flags: s.Flags, mask: s.Mask})
		}
	}
}

// addRole joins roles that differ only in their steps. The roles of one target stay sorted by
// sequence, because addRoles is called in that order.
func (d *sequences) addRole(at target, r role) {
	for i := range d.roles[at] {
		o := &d.roles[at][i]
		if o.sequence == r.sequence && o.flags == r.flags && o.mask == r.mask {
			o.steps |= r.steps
			o.wire = o.wire || r.wire
			return
		}
	}
	d.roles[at] = append(d.roles[at], r)
}

// port is the number that a step is aimed at: a port, or the payload size of ICMP.
func (s Step) port() uint16 {
	if s.Proto == wire.ICMP {
		return s.Size
	}
	return s.Port
}

// Observe implements Detector.
func (d *sequences) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	at, ok := aim(p)
	if !ok {
		return
	}
	roles := d.roles[at]
	for i := 0; i < len(roles); {
		sequence, steps, tripped := roles[i].sequence, uint16(0), false
		for ; i < len(roles) && roles[i].sequence == sequence; i++ {
			if r := &roles[i]; p.Flags&r.mask == r.flags {
				steps |= r.steps
				tripped = tripped || r.wire
			}
		}
		switch {
		case tripped:
			d.trip(now, sequence, p.Src, emit)
		case steps != 0:
			d.step(now, sequence, steps, p, emit)
		}
	}
}

// aim tells what a packet is aimed at, and false if it can be no step.
func aim(p *wire.Packet) (target, bool) {
	if p.Proto == wire.TCP || p.Proto == wire.UDP {
		return target{p.Proto, p.DstPort}, true
	}
	return target{wire.ICMP, uint16(p.Size)}, p.IsEcho() && p.Size <= MaxEchoSize
}

// trip ends the attempt of a sender who touched a trip wire, and locks him out of the sequence.
func (d *sequences) trip(now time.Time, sequence uint16, source netip.Addr, emit func(Finding)) {
	clock := d.table.clock(now)
	until := clock + d.list[sequence].Within
	e := d.table.find(sequence, source)
	if e == nil {
		if e = d.table.put(sequence, source, clock, until); e == nil {
			return
		}
	}
	if why := TripWire; d.running(e) {
		if clock > e.until {
			why = TooSlow
		}
		d.giveUp(e, why, source, emit)
	}
	e.rank, e.until, e.state.locked = 1, until, true
}

// step takes a packet to the port of one or more steps of a sequence.
func (d *sequences) step(now time.Time, sequence, steps uint16, p *wire.Packet, emit func(Finding)) {
	clock := d.table.clock(now)
	s := &d.list[sequence]
	e := d.table.find(sequence, p.Src)
	if e != nil && clock > e.until {
		if d.running(e) {
			d.giveUp(e, TooSlow, p.Src, emit)
		}
		e.drop()
		e = nil
	}
	if e == nil {
		if steps&1 == 0 {
			return
		}
		if e = d.table.put(sequence, p.Src, clock, clock+s.Within); e != nil {
			d.take(e, 0, p, emit)
		}
		return
	}
	if e.state.locked || d.repeated(e, steps, p) {
		return
	}
	running, done := d.running(e), e.state.done
	switch {
	case running && steps&(1<<done) != 0:
		d.take(e, done, p, emit)
		return
	case running && again(steps, done):
		if steps&1 != 0 {
			e.since, e.until = clock, clock+s.Within
		}
		d.take(e, done-1, p, emit)
		return
	}
	// Not the step that is next: the first step starts over, any other one ends the attempt.
	if running {
		d.giveUp(e, WrongOrder, p.Src, emit)
	}
	switch {
	case steps&1 != 0:
		e.since, e.until, e.state.quiet = clock, clock+s.Within, false
		d.take(e, 0, p, emit)
	case running:
		e.drop()
	}
}

// again tells if a packet, which is not the next step, is the latest one again: networks duplicate
// UDP, and some programs send each step more than once. Where it could be the first step of a new
// attempt it is that, unless the two cannot be told apart and need not be, because every step so
// far was aimed at the same.
func again(steps uint16, done uint8) bool {
	latest, sofar := uint16(1)<<(done-1), uint16(1)<<done-1
	return steps&latest != 0 && (steps&1 == 0 || steps&sofar == sofar)
}

// take counts a packet as the given step, which may be the last one. A recognised attempt stays in
// the table until its time is over, so that late retransmissions do not begin another.
func (d *sequences) take(e *entry[attempt], step uint8, p *wire.Packet, emit func(Finding)) {
	a := &e.state
	if p.Proto == wire.TCP {
		a.prints[step] = d.print(p)
	}
	a.done = step + 1
	e.rank = uint16(a.done)
	if d.running(e) {
		return
	}
	e.rank = 1
	d.quieten(p.Src)
	s := &d.list[e.which]
	emit(Finding{
		Request: Request{Kind: KindSequence, Name: s.Name, From: p.Src, Once: s.Once},
		Reason:  OK,
		Step:    int(a.done),
	})
}

// quieten is for a sender whose knock was recognised. Sequences that begin like that one have come
// part of the way with it. They may go on, but that they do not end is no refused knock.
func (d *sequences) quieten(source netip.Addr) {
	for i := range d.list {
		if e := d.table.find(uint16(i), source); e != nil {
			e.state.quiet = true
		}
	}
}

// repeated tells if p is a retransmission of a packet that was a step before.
func (d *sequences) repeated(e *entry[attempt], steps uint16, p *wire.Packet) bool {
	if p.Proto != wire.TCP {
		return false
	}
	f := d.print(p)
	for i, print := range e.state.prints {
		if steps&(1<<i) != 0 && print == f {
			return true
		}
	}
	return false
}

// print is a fingerprint that is never zero, which stands for "no packet yet".
func (d *sequences) print(p *wire.Packet) uint16 {
	return uint16(fingerprint(d.table.seed, p)) | 1
}

// running tells if an attempt can still get to its last step.
func (d *sequences) running(e *entry[attempt]) bool {
	return !e.state.locked && int(e.state.done) < len(d.list[e.which].Steps)
}

func (d *sequences) giveUp(e *entry[attempt], why Reason, source netip.Addr, emit func(Finding)) {
	if e.state.done < toldFrom || e.state.quiet {
		return
	}
	s := &d.list[e.which]
	emit(Finding{
		Request: Request{Kind: KindSequence, Name: s.Name, From: source, Once: s.Once},
		Reason:  why,
		Step:    int(e.state.done),
	})
}

// AddFilter implements Detector.
func (d *sequences) AddFilter(f *wire.Filter) {
	for at, roles := range d.roles {
		only := wire.PortRange{First: at.port, Last: at.port}
		switch at.proto {
		case wire.ICMP:
			f.Echo = append(f.Echo, at.port)
		case wire.UDP:
			f.UDP = append(f.UDP, only)
		case wire.TCP:
			if slices.ContainsFunc(roles, func(r role) bool { return !r.wantsSYN() }) {
				f.TCP = append(f.TCP, only)
			} else {
				f.SYN = append(f.SYN, only)
			}
		}
	}
}

// wantsSYN tells if every packet that a role fits is one of wire.Filter's SYN.
func (r role) wantsSYN() bool {
	return r.mask&plainMask == plainMask && r.flags&plainMask == plainFlags
}
