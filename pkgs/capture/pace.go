// SPDX-License-Identifier: Apache-2.0

package capture

import "time"

const (
	paceBudget = 32                    // waits in a row
	paceRefill = 16 * time.Millisecond // for one more
	paceRest   = 3 * time.Millisecond  // when they are spent
)

// A pace lets a reader answer at once while packets are rare, and makes it read in batches when
// they are not: what costs at 1000 to 100,000 packets per second is being woken, not reading. A
// reader that waits for packets is woken by the first; one that rests finds all that came
// meanwhile. The zero value has its whole budget of waits.
type pace struct {
	spent int       // waits, at most paceBudget
	last  time.Time // when one was last given back
}

// wait is called when there is nothing left to read; busy reports whether anything was read since it
// was called before. It returns whether to wait for the next packet; else the reader shall rest
// for paceRest, and look again.
func (p *pace) wait(now time.Time, busy bool) bool {
	if back := now.Sub(p.last) / paceRefill; back >= paceBudget || back < 0 {
		p.spent, p.last = 0, now
	} else {
		p.spent = max(0, p.spent-int(back))
		p.last = p.last.Add(back * paceRefill)
	}
	if !busy {
		return true
	}
	if p.spent == paceBudget {
		return false
	}
	p.spent++
	return true
}
