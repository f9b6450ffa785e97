// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"testing"
	"time"
	"unsafe"
)

// moment returns a time whose two clocks part, as on a router whose clock is set: wall is what the
// clock on the wall says, elapsed what the monotonic clock says. Package time has no way to make
// one, so this knows what a time.Time is made of, and TestMoment that it still is.
func moment(wall time.Time, elapsed time.Duration) time.Time {
	const (
		hasMonotonic = 1 << 63
		nanoBits     = 30
	)
	since1885 := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	var t time.Time
	p := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	p.wall = hasMonotonic | uint64(since1885)<<nanoBits | uint64(wall.Nanosecond())
	p.ext = int64(elapsed) + 1
	return t
}

func TestMoment(t *testing.T) {
	for _, wall := range []time.Time{start, time.Unix(34, 5), start.AddDate(30, 0, 0)} {
		m := moment(wall, time.Hour)
		if !m.Round(0).Equal(wall) {
			t.Errorf("the clock says %v, want %v", m.Round(0), wall)
		}
		if got := moment(wall.AddDate(1, 0, 0), 90*time.Minute).Sub(m); got != 30*time.Minute {
			t.Errorf("%v passed, want 30 minutes", got)
		}
		if got := m.Add(time.Minute).Sub(m); got != time.Minute || !m.Add(time.Minute).Round(0).Equal(wall.Add(time.Minute)) {
			t.Errorf("a minute later is %v later", got)
		}
	}
}
