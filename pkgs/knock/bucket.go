// SPDX-License-Identifier: Apache-2.0

package knock

import "time"

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
