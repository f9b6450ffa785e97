// SPDX-License-Identifier: Apache-2.0

package capture

import "time"

const (
	paceBudget = 32                   // wake-ups in a row
	paceRefill = time.Millisecond     // for one more
	paceRest   = 2 * time.Millisecond // when they are spent
)

// A pace lets a reader answer at once while packets are rare, and makes it read in batches when
// they are not: what costs at 1000 to 100,000 packets per second is waking up, not reading. The
// zero value has its whole budget.
type pace struct {
	spent int       // wake-ups, at most paceBudget
	last  time.Time // when one was last given back
}

// woke is called at each wake-up. It returns for how long packets shall be left to gather before
// the reader looks again.
func (p *pace) woke(now time.Time) time.Duration {
	if back := now.Sub(p.last) / paceRefill; back >= paceBudget || back < 0 {
		p.spent, p.last = 0, now
	} else {
		p.spent = max(0, p.spent-int(back))
		p.last = p.last.Add(back * paceRefill)
	}
	if p.spent < paceBudget {
		p.spent++
		return 0
	}
	return paceRest
}
