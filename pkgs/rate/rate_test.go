// SPDX-License-Identifier: Apache-2.0

package rate

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	l := Limit{Every: time.Second, Burst: 3}
	tests := []struct {
		name string
		at   time.Duration
		n    int
		want bool
	}{
		{"full_at_first", 0, 3, true},
		{"empty_after_the_burst", 0, 1, false},
		{"not_quite_refilled", 999 * time.Millisecond, 1, false},
		{"refilled_by_one", time.Second, 1, true},
		{"and_by_no_more", time.Second, 1, false},
		{"more_than_the_burst_never_fits", time.Hour, 4, false},
		{"full_after_a_long_time", time.Hour, 3, true},
		{"full_when_the_clock_went_back", 0, 3, true},
	}
	var b Bucket
	for _, tt := range tests {
		if got := b.Take(l, tt.at, tt.n); got != tt.want {
			t.Errorf("%s: Take = %v, want %v", tt.name, got, tt.want)
		}
	}
}
