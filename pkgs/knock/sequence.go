// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxSteps is the largest number of steps of a sequence.
const MaxSteps = 16

// attemptSets is the size of the table of attempts: 2048 sets of 8 attempts of 56 bytes, and 8 bytes
// for each step of the longest sequence: 1.4 MB for four steps when a flood has filled it all. It
// holds the first steps of the last 65 ms of a flood of 250 000 forged senders per second, several
// times the pause between two steps of a knock.
const attemptSets = 2048

// toldFrom is how many right steps make an attempt worth telling the owner about when it fails.
// With fewer it is most likely a stray packet or a scan.
const toldFrom = 2

// sequences recognises knocks of ordered steps. Each (sequence, sender) is on its own: nothing that
// one sender does changes another's progress.
//
// The steps count in their order, whatever other steps come between: browsers, networks and forgers
// repeat packets. The ports beside each step's port are trip wires. Touching one ends the sender's
// attempt and locks him out of that sequence for its time window. A scan therefore opens a sequence
// only if it meets all steps in order before any of their neighbours. For n steps that are not next
// to each other the chance in a scan of every port, each once and in random order, is 1 in
// (3n)!/(2n)!: 504 for 3 steps, 11 880 for 4, 360 360 for 5; a scan in ascending or descending order
// always touches a neighbour first.
//
// A lock is not for good, because a packet to a trip wire can be forged: whoever is locked out and
// comes through the whole sequence twice, with no trip wire in either and one between them at the
// most, is let in. Scan after scan without a pause does so by 3 × the chance above squared: once in
// 84 672 scans for 3 steps, far behind what a scan finds who waits for the end of each lock.
type sequences struct {
	list    []Sequence
	roles   map[target][]role // not more than three for each step
	table   *table[attempt]
	marks   []mark // as many as the longest sequence has steps, for each place in the table
	longest int
	stories *stories // nil = attempts are not followed
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
		d.longest = max(d.longest, len(s.Steps))
	}
	d.marks = make([]mark, attemptSets*ways*d.longest)
	if cfg.Follow > 0 {
		d.stories = newStories(cfg.Sequences, d.roles, now, cfg.Follow)
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
	clock, roles := d.table.clock(now), d.roles[at]
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
			d.trip(clock, sequence, p.Src, emit)
			if d.stories != nil {
				d.stories.trip(clock, sequence, p, emit)
			}
		case steps != 0:
			v := d.step(clock, sequence, steps, p, emit)
			if d.stories != nil {
				d.stories.step(clock, sequence, steps, v, p, emit)
			}
		}
	}
	if d.stories != nil {
		d.stories.wrongProtocol(clock, at, p, emit)
	}
}

// aim tells what a packet is aimed at, and false if it can be no step.
func aim(p *wire.Packet) (target, bool) {
	if p.Proto == wire.TCP || p.Proto == wire.UDP {
		return target{p.Proto, p.DstPort}, true
	}
	return target{wire.ICMP, uint16(p.Size)}, p.IsEcho() && p.Size <= MaxEchoSize
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
	if d.stories != nil {
		d.stories.addFilter(f)
	}
}

// wantsSYN tells if every packet that a role fits is one of wire.Filter's SYN.
func (r role) wantsSYN() bool {
	return r.mask&plainMask == plainMask && r.flags&plainMask == plainFlags
}
