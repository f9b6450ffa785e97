// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestSent(t *testing.T) {
	at := millis(noon)
	const minute, day = 60_000, 86_400_000
	type press struct {
		clock time.Duration // ahead of noon
		want  seal.Press
	}
	one := func(first uint64, ahead time.Duration) seal.Press {
		return seal.Press{Starts: []uint64{first}, Ahead: ahead}
	}
	for name, presses := range map[string][]press{
		"the present": {{0, one(at, 0)}, {time.Hour, one(at+60*minute, 0)}},
		"two at once are apart": {
			{0, one(at, 0)},
			{0, one(at+104, 104*time.Millisecond)},
			{1, one(at+208, 208*time.Millisecond)},
		},
		"a clock that was ahead a little": {
			{20 * time.Second, one(at+20_000, 0)},
			{0, seal.Press{Starts: []uint64{at, at + 20_104}, Ahead: 20_104 * time.Millisecond}},
		},
		"a clock that was ahead by a day": {
			{24 * time.Hour, one(at+day, 0)},
			{0, seal.Press{Starts: []uint64{at, at + day + 104}, Ahead: 24*time.Hour + 104*time.Millisecond}},
			{0, seal.Press{Starts: []uint64{at + 104, at + day + 208}, Ahead: 24*time.Hour + 208*time.Millisecond}},
		},
		"a clock that is set in two steps": {
			{24 * time.Hour, one(at+day, 0)},
			{time.Hour, seal.Press{Starts: []uint64{at + 60*minute, at + day + 104}, Ahead: 23*time.Hour + 104*time.Millisecond}},
			{0, seal.Press{Starts: []uint64{at, at + day + 208}, Ahead: 24*time.Hour + 208*time.Millisecond}},
		},
		"a clock that was ahead a little, then far, and is right": {
			{time.Minute, one(at+minute, 0)},
			{24 * time.Hour, one(at+day, 0)},
			{0, seal.Press{Starts: []uint64{at, at + minute + 104, at + day + 104}, Ahead: 24*time.Hour + 104*time.Millisecond}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var s seal.Sent
			for i, p := range presses {
				if diff := cmp.Diff(p.want, s.Press(noon.Add(p.clock), 4)); diff != "" {
					t.Errorf("press %d (-want +got):\n%s", i, diff)
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
			for _, first := range p.Starts {
				take(first)
			}
			if p.Starts[0] > millis(now)+1000 && len(taken) < 20 {
				t.Fatalf("at %d nothing of the present after %v", millis(now), taken)
			}
			s = seal.NewSent(s.Used())
		}
	}
}
