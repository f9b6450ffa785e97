// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
)

// budgetSets is the size of a budget's table of senders: 64 sets of 8 senders of 48 bytes, 25 kB.
const budgetSets = 64

// budget bounds the work for all senders together, and lets one sender have a quarter of it. A
// flood that does not forge its source then leaves enough for the others.
type budget struct {
	all     rate.Bucket
	most    rate.Limit
	share   rate.Limit
	senders *table[rate.Bucket]
}

// newBudget makes a budget of so many units per second, and at once so many or what there is for 50 ms. The
// largest is what a sender can always get at once.
func newBudget(now time.Time, perSecond, burst, largest int) *budget {
	burst = max(burst, perSecond/20)
	return &budget{
		most:    rate.Limit{Every: time.Second / time.Duration(perSecond), Burst: max(burst, largest)},
		share:   rate.Limit{Every: 4 * time.Second / time.Duration(perSecond), Burst: max(burst/4, largest)},
		senders: newTable[rate.Bucket](now, budgetSets),
	}
}

// take reports whether a sender may have n units, and counts them if he may.
func (b *budget) take(now time.Time, from netip.Addr, n int) bool {
	clock := b.senders.clock(now)
	sender := b.senders.of(0, from)
	e := b.senders.find(sender)
	if e == nil {
		e = b.senders.put(sender, clock, 0)
	}
	e.until = clock + time.Duration(b.share.Burst)*b.share.Every
	return e.state.Take(b.share, clock, n) && b.all.Take(b.most, clock, n)
}
