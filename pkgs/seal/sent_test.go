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

// A clock that goes back by up to a second was off as clocks are; only one that goes back by more was set.
func TestSent_takes_more_than_a_second_back_for_a_clock_that_was_set(t *testing.T) {
	for back, want := range map[time.Duration]int{1000 * time.Millisecond: 1, 1001 * time.Millisecond: 2} {
		var s seal.Sent
		s.Press(noon, 4)
		// The next stamp is 104 ms after noon.
		if p := s.Press(noon.Add(104*time.Millisecond-back), 4); len(p.Starts) != want || p.Ahead != back {
			t.Errorf("%s ahead: %+v, want %d starts", back, p, want)
		}
	}
}

// sentAt returns a client that pressed a button once at each of these times after noon, in
// milliseconds, with one message each.
func sentAt(times []uint64) *seal.Sent {
	var used []seal.Span
	for _, at := range times {
		used = append(used, seal.Span{First: millis(noon) + at, Last: millis(noon) + at})
	}
	return seal.NewSent(used)
}

func TestSent_stamps_of_a_clock_that_was_set(t *testing.T) {
	const day = 86_400_000
	for name, tc := range map[string]struct {
		used []uint64 // after noon; it is noon again
		want []uint64
	}{
		"above what is three minutes ahead, but for one": {[]uint64{179_999, day}, []uint64{0, 180_100, day + 101}},
		"not above what is farther ahead":                {[]uint64{180_000, day}, []uint64{0, day + 101}},
		"above what is one ahead":                        {[]uint64{1, day}, []uint64{102, day + 101}},
		"not above the present itself":                   {[]uint64{0, 50_000, day}, []uint64{101, 50_101, day + 101}},
		"once above presses that are ten seconds apart":  {[]uint64{20_000, 30_000, day}, []uint64{0, 30_101, day + 101}},
		"above both of two that are farther apart":       {[]uint64{20_000, 30_001, day}, []uint64{0, 20_101, 30_102, day + 101}},
		"once above all and what is ten seconds below":   {[]uint64{50_000, 59_950}, []uint64{0, 60_051}},
		"above the highest three of many": {
			[]uint64{20_000, 40_000, 60_000, 80_000, 100_000, day}, []uint64{0, 60_101, 80_101, 100_101, day + 101}},
		"apart from what is a tenth of a second ahead": {[]uint64{100, day}, []uint64{201, day + 101}},
		"but by no more than that":                     {[]uint64{101, day}, []uint64{0, 202, day + 101}},
		"above all, where there is no room below": {
			[]uint64{0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 1000}, []uint64{1101}},
		"above all, where that is little more than the present": {[]uint64{1000}, []uint64{0, 1101}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []uint64
			for _, start := range sentAt(tc.used).Press(noon, 1).Starts {
				got = append(got, start-millis(noon))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestSent_leaves_room_for_all_stamps_of_a_press(t *testing.T) {
	const day = 86_400_000
	for ahead, want := range map[uint64]uint64{149: 250, 150: 0} {
		if got := sentAt([]uint64{ahead, day}).Press(noon, 50).Starts[0] - millis(noon); got != want {
			t.Errorf("%d ms before another stamp a press of 50 begins %d ms later, want %d", ahead, got, want)
		}
	}
}

// What lies between the nearest two counts as used when there are more than 32 presses.
func TestSent_remembers_32_presses(t *testing.T) {
	for presses, want := range map[int]int{31: 31, 32: 32, 33: 32, 34: 32} {
		var s seal.Sent
		for i := range presses {
			s.Press(noon.Add(time.Duration(i)*time.Minute), 4)
		}
		if got := len(s.Used()); got != want {
			t.Errorf("%d presses: %d ranges, want %d", presses, got, want)
		}
	}
}

// A press takes as many stamps as it has messages, one at least and 100 at most, and the last is in the year 10889.
func TestSent_takes_a_stamp_for_each_message(t *testing.T) {
	const last = 281_474_976_710_655
	for n, want := range map[int]uint64{-1: 1, 0: 1, 1: 1, 2: 2, 100: 100, 101: 100} {
		var s seal.Sent
		s.Press(noon, n)
		if used := s.Used(); len(used) != 1 || used[0].Last-used[0].First+1 != want {
			t.Errorf("%d messages: used %v, want %d stamps", n, used, want)
		}
		var end seal.Sent
		if got := end.Press(time.UnixMilli(last+10), n).Starts; len(got) != 1 || got[0] != last-want+1 {
			t.Errorf("%d messages at the end of time: start %v, want %d", n, got, last-want+1)
		}
	}
}
