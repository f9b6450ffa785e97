// SPDX-License-Identifier: Apache-2.0

// Package rate limits how often something happens that strangers can cause.
//
// It reads no clock: times are what has passed since any fixed moment, so a wall clock that jumps
// does no harm.
//
// It is not meant for other programs.
package rate

import "time"

// Limit is a rate: Burst at once, and one more in Every.
type Limit struct {
	Every time.Duration
	Burst int
}

// Bucket keeps a limit. The zero value is full. It is a generic cell rate algorithm (ITU-T I.371),
// which needs to remember only one time: when the bucket will be full again.
type Bucket struct{ full time.Duration }

// Take reports whether n fit into the limit at now, and counts them if they do.
func (b *Bucket) Take(l Limit, now time.Duration, n int) bool {
	whole := time.Duration(l.Burst) * l.Every
	if b.full < now || b.full > now+whole { // more than whole: the clock went back
		b.full = now
	}
	full := b.full + time.Duration(n)*l.Every
	if full > now+whole {
		return false
	}
	b.full = full
	return true
}
