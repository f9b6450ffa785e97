// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"testing"
	"time"
)

// TestSpeed measures by clocks that go on by the same each time they are read.
func TestSpeed(t *testing.T) {
	const least = 3 * spaUnit // of one HMAC with SHA-1, on the slowest router
	for _, tt := range []struct {
		name string
		each time.Duration
		want int
	}{
		{"as_the_slowest", least, 1},
		{"slower", 10 * least, 1},
		{"ten_times_as_fast", least / 10, 10},
		{"faster_than_any", 1, maxSpeed},
		{"a_clock_that_stands_still", 0, 1},
		{"a_clock_that_goes_back", -time.Second, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := start
			if got := Speed(func() time.Time { now = now.Add(tt.each); return now }); got != tt.want {
				t.Errorf("speed %d, want %d", got, tt.want)
			}
		})
	}
	t.Run("one_hash_is_slow", func(t *testing.T) {
		now, read := start, 0
		got := Speed(func() time.Time {
			now = now.Add(1)
			if read++; (read-1)/6 == 2 { // three times two readings for each hash: SHA-1 is the third
				now = now.Add(least/2 - 1)
			}
			return now
		})
		if got != 2 {
			t.Errorf("speed %d, want 2", got)
		}
	})
	t.Run("a_clock_of_large_steps", func(t *testing.T) { // as where the kernel has no finer one than its timer
		now, read := start, 0
		got := Speed(func() time.Time {
			if read++; read%5 == 0 {
				now = now.Add(4 * time.Millisecond)
			}
			return now
		})
		if got != 1 {
			t.Errorf("speed %d, want 1", got)
		}
	})
	t.Run("one_measurement_is_disturbed", func(t *testing.T) {
		now, read := start, 0
		got := Speed(func() time.Time {
			if read++; read%6 == 4 {
				now = now.Add(time.Second)
			}
			now = now.Add(least / 20)
			return now
		})
		if got != 20 {
			t.Errorf("speed %d, want 20", got)
		}
	})
	t.Logf("this machine is %d times as fast as the slowest router", Speed(time.Now))
}
