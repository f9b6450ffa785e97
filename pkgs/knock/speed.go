// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"crypto/hmac"
	"time"
)

const (
	// spaUnit is what a unit of work takes on the slowest router, a MIPS 24Kc of 580 MHz.
	spaUnit = 25 * time.Microsecond

	// maxSpeed bounds what a clock that goes on in large steps would say; the fastest processors have half of it.
	maxSpeed = 1000
)

// Speed measures how many times faster than the slowest router a machine computes hashes: the one in which
// it is least ahead counts, so that a limit in proportion takes no greater part of its time. It is 1 to 1000.
// The slowest takes 10 ms for that.
func Speed(now func() time.Time) int {
	speed := maxSpeed
	var text [64]byte
	for kind, h := range spaHashes {
		mac := hmac.New(h.make, text[:1])
		var sum [64]byte // of the longest hash
		best := time.Hour
		for range 3 { // the first one makes the key ready, and fills the caches
			began := now()
			mac.Reset()
			mac.Write(text[:])
			mac.Sum(sum[:0])
			best = min(best, now().Sub(began))
		}
		if best <= 0 {
			return 1
		}
		slowest := time.Duration(spaCost(kind, len(text))) * spaUnit
		speed = min(speed, int(slowest/best))
	}
	return max(1, speed)
}
