// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	// slotSets is the size of the table of senders: 32 sets of 8 senders of 1.6 kB, 410 kB when a
	// flood has filled it all.
	slotSets = 32

	// otherSets is the size of the table of senders that began with a byte of no expected hint, which
	// count only while the clock is not synchronised: half of that.
	otherSets = 16

	// slotTime is how long the SYNs of a sender are remembered.
	slotTime = time.Minute

	// backupTime is how long a second connection to the same port is taken for the backup that
	// browsers open after 250 ms, up to 350 ms under load.
	backupTime = 600 * time.Millisecond

	// hintSlots is how many slots carry the hint.
	hintSlots = 3
)

// slots is the carrier of messages as TCP SYNs to one port in each of 24 slots, which a web page
// can send by fetch, and any program by connect. The order does not matter.
//
// State for a sender begins only with a SYN that fits a byte of a valid hint. Per slot the newest
// byte counts, so a knock that got lost half way does not spoil the next one; what looks newer but
// is not, a retransmission or a browser's backup connection, is left out.
type slots struct {
	opener          *opener
	base            uint16
	expected, other *table[slotState]
}

// slotState is the SYNs of one sender. The rank of its entry is 1, and 2 once the first slots hold
// a client's whole hint, which a blind flood does not manage.
type slotState struct {
	press
	reported bool // that the slots were filled with no message
}

var _ Detector = (*slots)(nil)

func newSlots(o *opener, base uint16, now time.Time) *slots {
	return &slots{
		opener:   o,
		base:     base,
		expected: newTable[slotState](now, slotSets),
		other:    newTable[slotState](now, otherSets),
	}
}

// Observe implements Detector.
func (d *slots) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	slot, b, ok := slotOf(p.DstPort, d.base)
	if !ok || !p.IsSYN() {
		return
	}
	if slot < hintSlots && !d.opener.ring.HintByte(slot, b) {
		return
	}
	e := d.entry(now, slot, b, p.Src)
	if e == nil {
		return
	}
	s, clock := &e.state, d.expected.clock(now)
	h := hitOf(clock, d.expected.keys.print(p), p)
	if !s.add(h) {
		return
	}
	e.since, e.until, e.rank = clock, clock+slotTime, 1
	msg := s.draft(h, d.base)
	if !msg.hasHint() {
		return
	}
	if expected, _ := d.opener.ring.Cost(msg.bytes[:]); expected > 0 {
		e.rank = 2
	}
	if msg.whole() && d.try(now, p, s, &msg, emit) {
		s.spend(h)
		e.rank = 1 // it is through: the next one of its prefix may have the place
	}
}

// entry returns the state of a sender, new if the byte may begin one.
func (d *slots) entry(now time.Time, slot int, b byte, from netip.Addr) *entry[slotState] {
	clock := d.expected.clock(now)
	if e := find(d.expected, clock, from); e != nil {
		return e
	}
	old := find(d.other, clock, from)
	if d.opener.ring.Expects(slot, b) {
		e := d.expected.put(d.expected.of(0, from), clock, clock+slotTime)
		if old != nil {
			e.state = old.state
			old.drop()
		}
		return e
	}
	if old == nil && slot < hintSlots {
		old = d.other.put(d.other.of(0, from), clock, clock+slotTime)
	}
	return old
}

// find returns the state of a sender, nil if he has none that is not over.
func find[S any](t *table[S], clock time.Duration, from netip.Addr) *entry[S] {
	e := t.find(t.of(0, from))
	if e != nil && clock > e.until {
		e.drop()
		return nil
	}
	return e
}

// try opens the message that the slots hold. When it is none that is reported only once, since every
// SYN of a second knock makes another mixture of both.
func (d *slots) try(now time.Time, p *wire.Packet, s *slotState, msg *draft, emit func(Finding)) (opened bool) {
	f, first := d.opener.open(now, CarrierPorts, p.Src, msg.bytes[:])
	switch {
	case !first:
		return false
	case f.Reason != OK && s.reported:
		return false
	}
	s.reported = true
	d.opener.report(now, f, emit)
	return f.Reason == OK
}

// AddFilter implements Detector.
func (d *slots) AddFilter(f *wire.Filter) {
	for slot := range hintSlots {
		for b := range slotSize {
			if d.opener.ring.HintByte(slot, byte(b)) {
				port := d.base + uint16(slot*slotSize+b)
				f.SYN = append(f.SYN, wire.PortRange{First: port, Last: port})
			}
		}
	}
	f.SYN = append(f.SYN, wire.PortRange{
		First: d.base + hintSlots*slotSize,
		Last:  d.base + (slotCount*slotSize - 1),
	})
}
