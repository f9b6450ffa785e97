// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxSteps is the largest number of steps of a sequence.
const MaxSteps = 16

// attemptSets is the size of the table of attempts, but for those that are no further than the first step:
// 512 sets of 8 attempts of 56 bytes, and 8 bytes for each step of the longest sequence: 360 kB for four
// steps when a flood has filled it all.
const attemptSets = 512

// reportFrom is how many right steps make an attempt worth a report when it fails.
// With fewer it is most likely a stray packet or a scan.
const reportFrom = 2

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
	matcher Matcher
	firsts  *firsts
	table   *table[attempt]
	marks   []mark // as many as the longest sequence has steps, for each place in the table
	longest int
	trails  *trails // nil = attempts are not followed
}

var _ Detector = (*sequences)(nil)

func newSequences(cfg Config, now time.Time) Detector {
	if len(cfg.Sequences) == 0 {
		return nil
	}
	d := &sequences{
		list:    cfg.Sequences,
		matcher: NewMatcher(cfg.Sequences),
		firsts:  newFirsts(len(cfg.Sequences)),
		table:   newTable[attempt](now, attemptSets),
	}
	for _, s := range cfg.Sequences {
		d.longest = max(d.longest, len(s.Steps))
	}
	d.marks = make([]mark, attemptSets*ways*d.longest)
	if cfg.Follow > 0 {
		d.trails = newTrails(cfg.Sequences, d.matcher, now, cfg.Follow)
	}
	return d
}

// renew takes sequences in the place of others and forgets who was on the way in those. It reports whether
// there is room for them: as many, and none longer.
func (d *sequences) renew(list []Sequence) bool {
	if len(list) != len(d.list) {
		return false
	}
	for _, s := range list {
		if len(s.Steps) > d.longest {
			return false
		}
	}
	was := d.list
	other := func(which uint16) bool { return list[which].Once != was[which].Once }
	d.list, d.matcher = list, NewMatcher(list)
	d.table.forget(other)
	for i := range list {
		if other(uint16(i)) {
			d.firsts.forget(uint16(i))
		}
	}
	if d.trails != nil {
		d.trails.of(d.list, d.matcher)
		d.trails.table.forget(other)
	}
	return true
}

// Observe implements Detector.
func (d *sequences) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	clock := d.table.clock(now)
	d.firsts.sweep(clock)
	d.matcher.Match(p, func(r Match) {
		sequence := uint16(r.Sequence)
		from := d.table.of(sequence, p.Src)
		if r.Wires != 0 {
			d.trip(clock, from, emit)
			if d.trails != nil {
				d.trails.trip(clock, sequence, r.Wires, p, emit)
			}
			return
		}
		v := d.step(clock, from, r.Steps, p, emit)
		if d.trails != nil {
			d.trails.step(clock, sequence, r.Steps, v, p, emit)
		}
	})
	if at, ok := aim(p); ok && d.trails != nil {
		d.trails.wrongProtocol(clock, at, p, emit)
	}
}

// AddFilter implements Detector.
func (d *sequences) AddFilter(f *wire.Filter) {
	for at, roles := range d.matcher {
		only := wire.PortRange{First: at.port, Last: at.port}
		switch at.proto {
		case wire.ICMP:
			f.Echo = append(f.Echo, only)
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
	if d.trails != nil {
		d.trails.addFilter(f)
	}
}

// wantsSYN reports whether every packet that a role fits is one of wire.Filter's SYN.
func (r role) wantsSYN() bool {
	return r.mask&plainMask == plainMask && r.flags&plainMask == plainFlags
}
