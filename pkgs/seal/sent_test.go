// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestSent(t *testing.T) {
	at := millis(noon)
	const minute, day = 60_000, 86_400_000
	type press struct {
		clock time.Duration // ahead of noon
		want  seal.Press
	}
	for name, presses := range map[string][]press{
		"the present": {{0, seal.Press{First: at}}, {time.Hour, seal.Press{First: at + 60*minute}}},
		"two at once are apart": {
			{0, seal.Press{First: at}},
			{0, seal.Press{First: at + 104, Ahead: 104 * time.Millisecond}},
			{1, seal.Press{First: at + 208, Ahead: 208 * time.Millisecond}},
		},
		"a clock that was ahead a little": {
			{time.Minute - 104*time.Millisecond, seal.Press{First: at + minute - 104}},
			{0, seal.Press{First: at + minute, Ahead: time.Minute}},
			{0, seal.Press{First: at + minute + 104, Present: at, Ahead: time.Minute + 104*time.Millisecond}},
		},
		"a clock that was ahead by a day": {
			{24 * time.Hour, seal.Press{First: at + day}},
			{0, seal.Press{First: at + day + 104, Present: at, Ahead: 24*time.Hour + 104*time.Millisecond}},
			{0, seal.Press{First: at + day + 208, Present: at + 104, Ahead: 24*time.Hour + 208*time.Millisecond}},
		},
		"a clock that is set in two steps": {
			{24 * time.Hour, seal.Press{First: at + day}},
			{time.Hour, seal.Press{First: at + day + 104, Present: at + 60*minute, Ahead: 23*time.Hour + 104*time.Millisecond}},
			{0, seal.Press{First: at + day + 208, Present: at, Ahead: 24*time.Hour + 208*time.Millisecond}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s seal.Sent
			for i, p := range presses {
				if got := s.Press(noon.Add(p.clock), 4); got != p.want {
					t.Errorf("press %d: %+v, want %+v", i, got, p.want)
				}
			}
		})
	}
}

// Whatever the clock does, no stamp is taken twice, the presses are apart, and the present is always
// among them.
func TestSent_never_takes_a_stamp_twice(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for range 300 {
		s, now := new(seal.Sent), noon
		var taken []uint64
		take := func(first uint64) {
			for _, other := range taken {
				if first < other+4+100 && other < first+4+100 {
					t.Fatalf("a press at %d after one at %d", first, other)
				}
			}
			taken = append(taken, first)
		}
		for range 60 {
			switch random.IntN(4) {
			case 0:
				now = now.Add(time.Duration(random.Int64N(int64(72*time.Hour))) - 36*time.Hour)
			default:
				now = now.Add(time.Duration(random.IntN(5000)) * time.Millisecond)
			}
			p := s.Press(now, 4)
			take(p.First)
			if p.Present != 0 {
				take(p.Present)
			}
			if p.First > millis(now)+60_000 && p.Present == 0 && len(taken) < 20 {
				t.Fatalf("at %d nothing of the present after %v", millis(now), taken)
			}
			s = seal.NewSent(s.Used())
		}
	}
}
