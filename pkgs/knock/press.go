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
// to the next: the largest segment, the window scale, and whether there are timestamps. Sequence
// numbers, source ports and the timestamps themselves tell nothing: since about 2026 Linux, too, begins
// them at another number for each connection.
type press struct {
	hits [hitsKept]hit
	next uint8 // in hits
}

// hit is one SYN.
type hit struct {
	at     tick
	print  uint32 // tells it from every other SYN of the sender, but not from its retransmissions
	port   uint16 // 0 = none
	look   uint16 // what the system shows of itself
	backup bool   // a second connection to its port, by a system that looks the same
	spent  bool   // it was part of a message that opened
}

// hitOf is what is remembered of a SYN.
func hitOf(now time.Duration, print uint32, p *wire.Packet) hit {
	o := wire.ParseOptions(p.Options)
	look := o.MSS<<5 | uint16(o.Scale)<<1
	if o.Clock {
		look |= 1
	}
	return hit{at: tickOf(now), print: print, port: p.DstPort, look: look}
}

// add remembers a SYN, and reports whether it is new and no retransmission.
func (p *press) add(h hit) bool {
	for i := range p.hits {
		o := &p.hits[i]
		if o.port != h.port {
			continue
		}
		if o.print == h.print {
			return false
		}
		h.backup = h.backup || o.look == h.look && o.at.age(h.at) < tickOf(backupTime)
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

func (d *draft) hasHint() bool { return d.filled&(1<<hintSlots-1) == 1<<hintSlots-1 }
func (d *draft) whole() bool   { return d.filled == 1<<slotCount-1 }

// draft returns the newest byte of each slot, of the SYNs that look like h. A backup connection is not
// new, and what is older than slotTime does not count.
func (p *press) draft(h hit, base uint16) (d draft) {
	for i := range p.hits {
		o := &p.hits[(int(p.next)+i)%hitsKept] // the oldest first
		if o.port == 0 || o.look != h.look || o.spent || o.at.age(h.at) > tickOf(slotTime) {
			continue
		}
		slot, b, _ := slotOf(o.port, base)
		if !o.backup || d.filled&(1<<slot) == 0 {
			d.bytes[slot] = b
			d.filled |= 1 << slot
		}
	}
	return d
}

// spend marks the SYNs that look like h as used, so that they do not mix with those of the next knock.
func (p *press) spend(h hit) {
	for i := range p.hits {
		o := &p.hits[i]
		o.spent = o.spent || o.look == h.look
	}
}
