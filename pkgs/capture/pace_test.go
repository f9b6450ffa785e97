// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	start := time.Date(2026, 11, 22, 5, 0, 0, 0, time.UTC)
	// rests counts the rests during a second of wake-ups at a distance.
	rests := func(p *pace, distance time.Duration) (n int) {
		for now := start; now.Before(start.Add(time.Second)); now = now.Add(distance) {
			if rest := p.woke(now); rest > 0 {
				n++
				now = now.Add(rest)
			}
		}
		return n
	}
	t.Run("never rests at one wake-up per millisecond", func(t *testing.T) {
		if n := rests(new(pace), time.Millisecond); n != 0 {
			t.Errorf("%d rests", n)
		}
	})
	t.Run("wakes at most 1000 times a second and once per rest when busy", func(t *testing.T) {
		if n := rests(new(pace), 10*time.Microsecond); n < 300 || n > 500 {
			t.Errorf("%d rests of 2 ms in a second, want 300 to 500", n)
		}
	})
	t.Run("forgives after a quiet time", func(t *testing.T) {
		var p pace
		for range paceBudget {
			if p.woke(start) != 0 {
				t.Fatal("rest within the budget")
			}
		}
		if p.woke(start) == 0 {
			t.Error("no rest above the budget")
		}
		if p.woke(start.Add(paceRefill)) != 0 {
			t.Error("nothing was given back after 1 ms")
		}
		for range paceBudget {
			if p.woke(start.Add(time.Second)) != 0 {
				t.Fatal("rest after a quiet time")
			}
		}
	})
	t.Run("bears a clock that goes back", func(t *testing.T) {
		p := pace{spent: paceBudget, last: start}
		if p.woke(start.Add(-time.Hour)) != 0 {
			t.Error("rest after the clock went back")
		}
	})
}
