// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	// slotSets is the size of the table of senders: 32 sets of 8 senders of 1.6 kB, 410 kB when a
	// flood has filled it all.
	slotSets = 32

	// slotTime is how long the SYNs of a sender are remembered, since the newest.
	slotTime = time.Minute

	// backupTime is how long a second connection to the same port is taken for the backup that
	// browsers open after 250 ms, up to 350 ms under load.
	backupTime = 600 * time.Millisecond

	// hitsKept is how many SYNs of a sender are remembered: two knocks of 24 and the backups.
	hitsKept = 4 * slotCount

	// hintSlots is how many slots carry the hint.
	hintSlots = 3
)

// slots is the carrier of messages as TCP SYNs to one port in each of 24 slots, which a web page
// can send by fetch, and any program by connect. The order does not matter.
//
// State for a sender begins only with a SYN that fits a byte of a valid hint. Per slot the newest
// byte counts, so a knock that got lost half way does not spoil the next one; what looks newer but
// is not, a retransmission or a browser's backup connection, is left out. Two clients behind one
// address that knock in the same 200 ms mix their bytes: both have to knock again.
type slots struct {
	opener *opener
	base   uint16
	table  *table[slotState]
}

// slotState is the SYNs of one sender. The rank of its entry is 1, and 2 once the first slots hold
// a client's whole hint, which a blind flood does not manage.
type slotState struct {
	filled uint32 // bit i: slot i has a byte
	bytes  [slotCount]byte
	next   uint8 // in hits
	told   bool  // that the slots were filled with no message
	hits   [hitsKept]hit
}

// hit is one SYN.
type hit struct {
	at    time.Duration // in the table's clock
	print uint32
	port  uint16 // 0 = none
}

var _ Detector = (*slots)(nil)

func newSlots(o *opener, base uint16, now time.Time) *slots {
	return &slots{opener: o, base: base, table: newTable[slotState](now, slotSets)}
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
	e := d.entry(now, slot, p)
	if e == nil {
		return
	}
	s, clock := &e.state, d.table.clock(now)
	if !s.isNew(clock, fingerprint(d.table.seed, p), p.DstPort) {
		return
	}
	s.bytes[slot] = b
	s.filled |= 1 << slot
	e.since, e.until, e.rank = clock, clock+slotTime, 1
	const hint, whole = 1<<hintSlots - 1, 1<<slotCount - 1
	if s.filled&hint != hint || d.opener.ring.Cost(s.bytes[:]) == 0 {
		return
	}
	e.rank = 2
	if s.filled == whole && d.try(now, p, s, emit) {
		e.rank = 1 // it is through: the next one of its prefix may have the place
	}
}

// entry returns the state of the sender of p, new if p may begin one.
func (d *slots) entry(now time.Time, slot int, p *wire.Packet) *entry[slotState] {
	clock := d.table.clock(now)
	e := d.table.find(0, p.Src)
	if e != nil && clock > e.until {
		e.drop()
		e = nil
	}
	if e == nil && slot < hintSlots {
		e = d.table.put(0, p.Src, clock, clock+slotTime)
	}
	return e
}

// isNew tells whether a SYN is neither a retransmission nor a backup connection, and remembers it.
func (s *slotState) isNew(now time.Duration, print uint32, port uint16) bool {
	backup := false
	for i := range s.hits {
		h := &s.hits[i]
		if h.port != port {
			continue
		}
		if h.print == print {
			return false
		}
		backup = backup || now-h.at < backupTime
	}
	s.hits[s.next] = hit{at: now, print: print, port: port}
	s.next = (s.next + 1) % hitsKept
	return !backup
}

// try opens the message that the slots hold. When it is none that is told only once, since every
// SYN of a second knock makes another mixture of both.
func (d *slots) try(now time.Time, p *wire.Packet, s *slotState, emit func(Finding)) (opened bool) {
	f, first := d.opener.open(now, CarrierPorts, p.Src, s.bytes[:])
	switch {
	case !first:
		return false
	case f.Reason != OK && s.told:
		return false
	}
	s.told = true
	d.opener.tell(now, f, emit)
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
