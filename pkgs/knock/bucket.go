// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"
)

// limit is a rate: burst at once, and one more in every interval.
type limit struct {
	every time.Duration
	burst int
}

// bucket keeps a limit. The zero value is full. It is a generic cell rate algorithm, which needs
// to remember only one time: when the bucket will be full again.
type bucket struct{ full time.Duration }

// take tells whether n fit into the limit at now, and counts them if they do.
func (b *bucket) take(l limit, now time.Duration, n int) bool {
	whole := time.Duration(l.burst) * l.every
	if b.full < now || b.full > now+whole { // more than whole: the clock went back
		b.full = now
	}
	full := b.full + time.Duration(n)*l.every
	if full > now+whole {
		return false
	}
	b.full = full
	return true
}

// budgetSets is the size of a budget's table of senders: 64 sets of 8 senders of 48 bytes, 25 kB.
const budgetSets = 64

// budget bounds the work for all senders together, and lets one sender have a quarter of it. A
// flood that does not forge its source then leaves enough for the others.
type budget struct {
	all     bucket
	most    limit
	share   limit
	senders *table[bucket]
}

// newBudget makes a budget of so many units per second and at once. The largest is what a sender
// can always get at once.
func newBudget(now time.Time, perSecond, burst, largest int) *budget {
	return &budget{
		most:    limit{time.Second / time.Duration(perSecond), max(burst, largest)},
		share:   limit{4 * time.Second / time.Duration(perSecond), max(burst/4, largest)},
		senders: newTable[bucket](now, budgetSets),
	}
}

// take tells whether a sender may have n units, and counts them if he may.
func (b *budget) take(now time.Time, from netip.Addr, n int) bool {
	clock := b.senders.clock(now)
	e := b.senders.find(0, from)
	if e == nil { // never nil from put: no rank is above 1
		e = b.senders.put(0, from, clock, 0)
	}
	e.until = clock + time.Duration(b.share.burst)*b.share.every
	return e.state.take(b.share, clock, n) && b.all.take(b.most, clock, n)
}
