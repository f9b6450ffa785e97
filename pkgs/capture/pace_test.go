// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	// second plays a second of packets at a distance, and counts.
	second := func(distance time.Duration) (waits, rests int) {
		var p pace
		packet := start // the next one
		for now, busy := start, false; now.Before(start.Add(time.Second)); {
			if p.wait(now, busy) {
				waits++
				now = packet
			} else {
				rests++
				now = now.Add(paceRest)
			}
			busy = !packet.After(now)
			for !packet.After(now) {
				packet = packet.Add(distance)
			}
		}
		return waits, rests
	}
	for name, tt := range map[string]struct {
		distance         time.Duration
		waits, rests     int // at least
		maxWait, maxRest int // at most
	}{
		"never rests at one packet in 16 milliseconds":        {16 * time.Millisecond, 62, 0, 64, 0},
		"rests and waits in turns at one in a millisecond":    {time.Millisecond, 62, 280, 96, 333},
		"rests and waits in turns at one in 100 microseconds": {100 * time.Microsecond, 62, 300, 96, 334},
		"rests and waits in turns at one in 10 microseconds":  {10 * time.Microsecond, 62, 300, 96, 334},
	} {
		t.Run(name, func(t *testing.T) {
			waits, rests := second(tt.distance)
			if waits < tt.waits || waits > tt.maxWait || rests < tt.rests || rests > tt.maxRest {
				t.Errorf("%d waits and %d rests in a second, want %d to %d and %d to %d",
					waits, rests, tt.waits, tt.maxWait, tt.rests, tt.maxRest)
			}
		})
	}
	t.Run("waits when nothing came during a rest", func(t *testing.T) {
		p := pace{spent: paceBudget, last: start}
		if p.wait(start, true) {
			t.Error("waits without a budget")
		}
		if !p.wait(start, false) {
			t.Error("rests again, although nothing came")
		}
	})
	t.Run("forgives after a quiet time", func(t *testing.T) {
		p := pace{spent: paceBudget, last: start}
		for range paceBudget {
			if !p.wait(start.Add(time.Second), true) {
				t.Fatal("rests after a quiet second")
			}
		}
		if p.wait(start.Add(time.Second), true) {
			t.Error("waits above the budget")
		}
	})
	t.Run("bears a clock that goes back", func(t *testing.T) {
		p := pace{spent: paceBudget, last: start}
		if !p.wait(start.Add(-time.Hour), true) {
			t.Error("rests after the clock went back")
		}
	})
}
