// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// hitsKept is how many SYNs of a sender are remembered: two knocks of 24 and the backups.
const hitsKept = 4 * slotCount

// press is the newest SYNs that came in one sender's name.
//
// Somebody who forges his address can put SYNs among his, and one wrong byte makes the message
// worthless. What comes from one system is told apart by what systems do not vary from one connection
// to the next: largest segment and window scale; and, where it is one, the clock in the timestamps.
// Linux and Android begin it for each pair of addresses at a secret number, so nobody can guess it;
// others begin it anew for each connection, so a press is also looked for without the clock.
type press struct {
	hits [hitsKept]hit
	next uint8 // in hits
}

// hit is one SYN.
type hit struct {
	at       tick
	print    uint32 // tells it from every other SYN of the sender, but not from its retransmissions
	clock    uint32 // of the timestamp
	port     uint16 // 0 = none
	look     uint16 // what the system shows of itself; odd if there is a clock
	backup   bool   // a second connection to its port, by a system that looks the same
	ofBackup bool   // the same by one with the same clock
}

const (
	// clocksApart is by how much the clocks of two SYNs of a system may differ, in milliseconds, from
	// the time between them. The SYNs of a press come within a second, and some clocks tick each 10 ms.
	clocksApart = 1000
	tickMillis  = 61 // ticks in a millisecond, as near as it has to be
)

// lookOf is what the options of a SYN show of the system that sent it.
func lookOf(o wire.Options) uint16 {
	look := o.MSS<<5 | uint16(o.Scale)<<1
	if o.HasClock {
		look |= 1
	}
	return look
}

// alike tells whether two SYNs can come from one system by what they show of it.
func (h *hit) alike(o *hit) bool { return h.look == o.look }

// together tells whether two SYNs come from one system by its clock.
func (h *hit) together(o *hit) bool {
	if h.look != o.look || h.look&1 == 0 {
		return false
	}
	passed := int32(h.at-o.at) / tickMillis
	apart := int32(h.clock-o.clock) - passed
	return -clocksApart <= apart && apart <= clocksApart
}

// add remembers a SYN, and tells whether it is new and no retransmission.
func (p *press) add(h hit) bool {
	for i := range p.hits {
		o := &p.hits[i]
		if o.port != h.port {
			continue
		}
		if o.print == h.print {
			return false
		}
		if h.alike(o) && o.at.age(h.at) < tickOf(backupTime) {
			h.backup = true
			h.ofBackup = h.ofBackup || h.together(o)
		}
	}
	p.hits[p.next] = h
	p.next = (p.next + 1) % hitsKept
	return true
}

// draft is a message as far as the slots of a press have bytes.
type draft struct {
	bytes  [slotCount]byte
	filled uint32 // bit i: slot i has a byte
}

func (d *draft) set(slot int, b byte) {
	d.bytes[slot] = b
	d.filled |= 1 << slot
}

func (d *draft) hasHint() bool { return d.filled&(1<<hintSlots-1) == 1<<hintSlots-1 }
func (d *draft) whole() bool   { return d.filled == 1<<slotCount-1 }

// drafts returns the newest byte of each slot, of the SYNs with the clock of h, and of all that look
// like it. Backup connections are not new, and what is older than slotTime does not count.
func (p *press) drafts(h hit, base uint16) (byClock, byLook draft) {
	for i := range p.hits {
		o := &p.hits[(int(p.next)+i)%hitsKept] // the oldest first
		if o.port == 0 || o.at.age(h.at) > tickOf(slotTime) || !h.alike(o) {
			continue
		}
		slot, b, _ := slotOf(o.port, base)
		if !o.backup {
			byLook.set(slot, b)
		}
		if !o.ofBackup && h.together(o) {
			byClock.set(slot, b)
		}
	}
	return byClock, byLook
}

// hitOf is what is remembered of a SYN.
func hitOf(now time.Duration, print uint32, p *wire.Packet) hit {
	o := wire.ParseOptions(p.Options)
	return hit{at: tickOf(now), print: print, clock: o.Clock, port: p.DstPort, look: lookOf(o)}
}
