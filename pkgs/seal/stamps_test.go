// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

var (
	phone4 = netip.MustParseAddr("203.0.113.7")
	phone6 = netip.MustParseAddr("2001:db8::7")
	thief4 = netip.MustParseAddr("203.0.113.66")
	thief6 = netip.MustParseAddr("2001:db8::66")
)

// step is one message that arrives, or something that happens to the router.
type step struct {
	after  time.Duration // since the first step
	stamp  uint64
	from   netip.Addr
	accept bool // if it counts, it is also accepted
	window seal.Window
	want   seal.Verdict
}

const (
	fresh, dup, replayed, overtaken, elsewhere = seal.Fresh, seal.Copy, seal.Replayed, seal.Overtaken, seal.Elsewhere

	ms  = time.Millisecond
	sec = time.Second
)

// clock is the window of a router whose clock is right and says this stamp, with 1000 to either side.
func clock(stamp uint64) seal.Window { return seal.Window{First: stamp - 1000, Last: stamp + 1000} }

func TestStamps(t *testing.T) {
	free := seal.Window{}
	for name, tc := range map[string]struct {
		past  seal.Past
		steps []step
	}{
		"a stamp counts once": {steps: []step{
			{0, 5000, phone4, true, free, fresh},
			{61 * sec, 5000, phone4, false, free, replayed},
			{60 * sec, 5101, phone4, false, free, fresh},
		}},
		"a refused one is used up too": {steps: []step{
			{0, 5000, phone4, false, free, fresh},
			{50 * ms, 5000, thief4, false, free, elsewhere},
			{61 * sec, 5000, thief4, false, free, replayed},
		}},
		"zero is no stamp": {steps: []step{{0, 0, phone4, false, free, overtaken}}},
		"after a restart only above the floor": {past: seal.Past{Floor: 5000}, steps: []step{
			{0, 5000, phone4, false, clock(9000), overtaken},
			{0, 5001, phone4, false, clock(9000), fresh},
		}},
		"after a restart nothing that was received above the floor": {
			past: seal.Past{Floor: 5000, Spans: []seal.Span{{First: 7000, Last: 7200}}}, steps: []step{
				{0, 6999, phone4, false, free, fresh},
				{0, 7000, phone4, false, free, replayed},
				{0, 7200, phone4, false, free, replayed},
				{0, 7201, phone4, false, free, fresh},
			}},
		"retransmissions are copies": {steps: []step{
			{0, 5000, phone4, true, free, fresh},
			{60 * ms, 5000, phone4, false, free, dup},
			{15 * sec, 5000, phone4, false, free, dup},
			{60 * sec, 5000, phone4, false, free, dup},
			{60*sec + 1, 5000, phone4, false, free, replayed},
		}},
		"a thief is no copy, and for five seconds like another address of the client": {steps: []step{
			{0, 5000, phone4, true, free, fresh},
			{60 * ms, 5000, thief4, false, free, elsewhere},
			{5000 * ms, 5000, thief4, false, free, elsewhere},
			{5001 * ms, 5000, thief4, false, free, replayed},
		}},
		"once per family": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{300 * ms, 5000, phone4, true, free, fresh},
			{350 * ms, 5000, phone6, false, free, dup},
			{350 * ms, 5000, phone4, false, free, dup},
			{400 * ms, 5000, thief4, false, free, elsewhere},
			{400 * ms, 5000, thief6, false, free, elsewhere},
		}},
		"the other family also after a refusal": {steps: []step{
			{0, 5000, phone6, false, free, fresh},
			{300 * ms, 5000, phone4, true, free, fresh},
		}},
		"the other family for two seconds": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{2000 * ms, 5000, phone4, true, free, fresh},
		}},
		"the other family only soon": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{2001 * ms, 5000, phone4, false, free, elsewhere},
		}},
		"the other family not when the press is over": {steps: []step{
			{0, 5000, phone4, true, free, fresh},
			{4900 * ms, 5001, phone6, true, free, fresh},
			{5000 * ms, 5001, phone4, true, free, elsewhere},
		}},
		"time that goes back excuses nothing": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{-3 * sec, 5000, phone4, false, free, replayed},
		}},
		"by two seconds neither": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{-2 * sec, 5000, phone4, false, free, replayed},
		}},
		"another device's packets are handled late": {steps: []step{
			{0, 5000, phone6, true, free, fresh},
			{-sec, 5000, phone4, true, free, fresh},
		}},
		"the messages of a press have five seconds": {steps: []step{
			{0, 5002, phone4, true, free, fresh},
			{0, 5001, phone4, true, free, fresh},
			{4999 * ms, 5000, phone4, true, free, fresh},
			{5000 * ms, 5003, phone4, false, free, replayed},
			{5000 * ms, 5102, phone4, false, free, replayed},
			{5000 * ms, 5103, phone4, false, free, fresh},
		}},
		"a refused press is over after five seconds, and only it": {steps: []step{
			{0, 5000, phone4, false, free, fresh},
			{5000 * ms, 5100, phone4, false, free, replayed},
			{5000 * ms, 4900, phone4, false, free, replayed},
			{5000 * ms, 5101, phone4, false, free, fresh},
			{5000 * ms, 4899, phone4, false, free, fresh},
		}},
		"a press is a tenth of a second to either side of its first message": {steps: []step{
			{0, 5000, phone4, false, free, fresh},
			{4 * sec, 4900, phone4, false, free, fresh}, // of it: nothing below is its press
			{4 * sec, 5100, phone4, false, free, fresh},
			{9 * sec, 4850, phone4, false, free, fresh},
			{9 * sec, 5150, phone4, false, free, fresh},
		}},
		"older presses have five seconds from the accepted one on": {steps: []step{
			{0, 9000, phone4, true, free, fresh},
			{4999 * ms, 5000, phone4, true, free, fresh},
			{5000 * ms, 6000, phone4, false, free, overtaken},
		}},
		"presses that are older by more than five seconds have none": {steps: []step{
			{0, 9000, phone4, true, free, fresh},
			{1 * ms, 3901, phone4, true, free, fresh},
			{1 * ms, 3900, thief4, false, free, overtaken},
		}},
		"a later knock opens no new window for older ones": {steps: []step{
			{0, 7000, phone4, true, free, fresh},
			{4 * sec, 9000, phone4, true, free, fresh},
			{4900 * ms, 8000, phone4, true, free, fresh},
			{5 * sec, 6000, phone4, false, free, overtaken},
			{5 * sec, 8200, phone4, true, free, fresh},
			{9 * sec, 8400, phone4, false, free, overtaken},
		}},
		"a refused one from the future lifts no floor": {steps: []step{
			{0, 90_000_000, phone4, false, clock(50_000), fresh},
			{6 * sec, 50_000, phone4, true, clock(50_000), fresh},
		}},
		"an accepted one from the future locks nobody out when the clock becomes right": {steps: []step{
			{0, 90_000_000, phone4, true, free, fresh},
			{6 * sec, 49_000, phone4, false, free, overtaken},
			{7 * sec, 50_000, phone4, true, clock(50_000), fresh},
			{8 * sec, 90_000_000, thief4, false, clock(90_000_000), replayed},
			{8 * sec, 90_000_100, thief4, false, clock(90_000_000), replayed},
		}},
		"nor if the clock becomes right within its five seconds": {steps: []step{
			{0, 90_000_000, phone4, true, free, fresh},
			{1 * sec, 50_000, phone4, true, clock(50_000), fresh},
			{10 * sec, 55_000, phone4, true, clock(55_000), fresh},
			{11 * sec, 54_000, phone4, true, clock(55_000), fresh},
		}},
		"what is received below a floor is used up if that comes down": {steps: []step{
			{0, 90_000_000, phone4, true, free, fresh},
			{6 * sec, 50_000, phone4, false, free, overtaken},
			{12 * sec, 50_000, thief4, false, clock(50_000), replayed},
			{12 * sec, 50_100, thief4, false, clock(50_000), replayed},
			{12 * sec, 50_101, phone4, true, clock(50_000), fresh},
		}},
		"the floor comes down to what was accepted from the present": {steps: []step{
			{0, 49_900, phone4, true, free, fresh},
			{6 * sec, 90_000_000, phone4, true, free, fresh},
			{12 * sec, 49_800, thief4, false, clock(50_000), replayed},
			{12 * sec, 50_100, phone4, true, clock(50_000), fresh},
		}},
		"a floor that the clock allows stays": {past: seal.Past{Floor: 51_100}, steps: []step{
			{0, 49_000, phone4, false, clock(50_000), overtaken},
			{0, 51_100, phone4, false, clock(50_000), overtaken},
		}},
		"a floor above that comes down to where the clock's window begins": {past: seal.Past{Floor: 51_101}, steps: []step{
			{0, 48_999, phone4, false, clock(50_000), overtaken},
			{0, 49_000, phone4, false, clock(50_000), fresh},
		}},
		"or to five seconds before what was accepted within the window just now": {steps: []step{
			{0, 51_000, phone4, true, free, fresh},
			{0, 90_000_000, phone4, true, free, fresh},
			{1 * sec, 45_900, phone4, true, seal.Window{First: 40_000, Last: 51_000}, overtaken},
			{1 * sec, 46_001, phone4, true, seal.Window{First: 40_000, Last: 51_000}, fresh},
		}},
		"an accepted one from the future counts as long as the clock is not right": {steps: []step{
			{0, 90_000_000, phone4, true, free, fresh},
			{6 * sec, 50_000, phone4, true, clock(50_000), fresh},
			{12 * sec, 60_000, thief4, false, free, overtaken},
			{12 * sec, 90_000_101, phone4, true, free, fresh},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			start, s := time.Now(), seal.NewStamps(seal.Millis, tc.past)
			for i, k := range tc.steps {
				got := s.Receive(start.Add(k.after), k.window, k.stamp, k.from)
				if got != k.want {
					t.Errorf("step %d: verdict %d, want %d", i, got, k.want)
				}
				if got == seal.Fresh && k.accept {
					s.Accept(k.stamp)
				}
			}
		})
	}
}

func TestStamps_after_a_restart(t *testing.T) {
	start, free := time.Now(), seal.Window{}
	s := seal.NewStamps(seal.Millis, seal.Past{Floor: 1000})
	s.Receive(start, free, 90_000, phone4) // refused, from the future
	s.Receive(start, free, 5000, phone4)
	s.Accept(5000)
	want := seal.Past{Floor: 5100, Spans: []seal.Span{{First: 4900, Last: 5100, Accepted: true}, {First: 89_900, Last: 90_100}}}
	if got := s.Past(); !got.Equal(want) || got.Newest() != 5100 {
		t.Fatalf("past %+v, newest %d, want %+v", got, got.Newest(), want)
	}
	again := seal.NewStamps(seal.Millis, want)
	for stamp, verdict := range map[uint64]seal.Verdict{
		5000: replayed, 5001: replayed, 5100: replayed, 4000: overtaken, 90_000: replayed, 90_100: replayed, 5101: fresh,
	} {
		if got := again.Receive(start, free, stamp, phone4); got != verdict {
			t.Errorf("stamp %d: verdict %d, want %d", stamp, got, verdict)
		}
	}
}

func TestStamps_forget(t *testing.T) {
	now, w := time.Now(), seal.Window{First: 49_000, Last: 51_000}
	s := seal.NewStamps(seal.Millis, seal.Past{})
	s.Receive(now, w, 50_500, phone4)
	s.Accept(50_500)
	now = now.Add(6 * sec)
	if got := s.Receive(now, w, 49_000, phone4); got != overtaken {
		t.Fatalf("verdict %d, want %d", got, overtaken)
	}
	s.Forget(seal.Window{First: 49_000, Last: 49_500})
	for stamp, want := range map[uint64]seal.Verdict{
		48_999: replayed, 49_000: replayed, 49_100: replayed, 50_500: replayed, 50_600: replayed, 49_101: fresh,
	} {
		if got := s.Receive(now.Add(time.Minute), seal.Window{First: 49_000, Last: 49_500}, stamp, thief4); got != want {
			t.Errorf("stamp %d: verdict %d, want %d", stamp, got, want)
		}
	}
}

// Only of the latest messages copies are known; that bounds the memory. What is not known any more
// does not count.
func TestStamps_many_messages_at_once(t *testing.T) {
	now, free := time.Now(), seal.Window{}
	s := seal.NewStamps(seal.Millis, seal.Past{})
	for stamp := uint64(5000); stamp <= 5048; stamp++ {
		if got := s.Receive(now, free, stamp, phone4); got != fresh {
			t.Fatalf("stamp %d: verdict %d", stamp, got)
		}
	}
	for stamp, want := range map[uint64]seal.Verdict{5000: replayed, 5001: dup, 5099: replayed} {
		if got := s.Receive(now, free, stamp, phone4); got != want {
			t.Errorf("stamp %d: verdict %d, want %d", stamp, got, want)
		}
	}
}

func TestStamps_many_messages_end_the_press_of_the_oldest_and_no_other(t *testing.T) {
	now, free := time.Now(), seal.Window{}
	s := seal.NewStamps(seal.Millis, seal.Past{})
	s.Receive(now, free, 5000, phone4)
	for stamp := uint64(9000); stamp < 9048; stamp++ {
		if got := s.Receive(now, free, stamp, phone4); got != fresh {
			t.Fatalf("stamp %d: verdict %d", stamp, got)
		}
	}
	for _, tc := range []struct {
		stamp uint64
		want  seal.Verdict
	}{{5000, replayed}, {5001, replayed}, {9000, dup}, {9048, fresh}} {
		if got := s.Receive(now, free, tc.stamp, phone4); got != tc.want {
			t.Errorf("stamp %d: verdict %d, want %d", tc.stamp, got, tc.want)
		}
	}
}

func TestStamps_of_seventeen_presses_at_once_the_first_is_over(t *testing.T) {
	for n, want := range map[uint64]seal.Verdict{16: fresh, 17: replayed} {
		now, s := time.Now(), seal.NewStamps(seal.Millis, seal.Past{})
		for i := range n {
			if got := s.Receive(now, seal.Window{}, 1000*(i+1), phone4); got != fresh {
				t.Fatalf("press %d: verdict %d", i, got)
			}
		}
		if got := s.Receive(now, seal.Window{}, 1001, phone4); got != want {
			t.Errorf("of %d presses the first: verdict %d, want %d", n, got, want)
		}
	}
}

func TestStamps_many_presses_cost_a_pause_and_never_open(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for round := range 200 {
		now, s := time.Now(), seal.NewStamps(seal.Millis, seal.Past{})
		var received []uint64
		for range 150 {
			stamp := 1_000_000 + random.Uint64N(1<<30)
			if s.Receive(now, seal.Window{}, stamp, phone4) == fresh {
				received = append(received, stamp)
			}
			now = now.Add(time.Duration(random.IntN(3000)) * ms)
		}
		past := s.Past()
		if len(past.Spans) > 32 {
			t.Fatalf("round %d: %d ranges", round, len(past.Spans))
		}
		later := now.Add(time.Hour)
		restarted := seal.NewStamps(seal.Millis, past)
		for _, stamp := range received {
			for _, near := range []uint64{stamp - 100, stamp, stamp + 100} {
				if s.Receive(later, seal.Window{}, near, thief4) != replayed || restarted.Receive(later, seal.Window{}, near, thief4) != replayed {
					t.Fatalf("round %d: stamp %d, near %d, counts again", round, stamp, near)
				}
			}
		}
	}
}

// What the clock does not allow any more needs no more than one range. What it allows is told apart.
func TestPast_keeps_one_range_of_what_is_too_old_anyway(t *testing.T) {
	for last, want := range map[uint64]int{48_999: 1, 49_000: 2} {
		s := seal.NewStamps(seal.Millis, seal.Past{Floor: 50_000, Spans: []seal.Span{{First: 41_000, Last: 42_000}, {First: 43_000, Last: last}}})
		s.Forget(clock(50_000))
		if got := s.Past().Spans; len(got) != want {
			t.Errorf("ranges up to %d, of a window from 49000 on: %v, want %d", last, got, want)
		}
	}
}

func TestPast_of_a_router_with_a_right_clock_stays_small(t *testing.T) {
	now, s := time.Now(), seal.NewStamps(seal.Millis, seal.Past{})
	for stamp := uint64(1_000_000); stamp < 9_000_000; stamp += 10_000 {
		if s.Receive(now, clock(stamp), stamp, phone4) != fresh {
			t.Fatalf("stamp %d does not count", stamp)
		}
		s.Accept(stamp)
		now = now.Add(10 * sec)
	}
	if n := len(s.Past().Spans); n > 3 {
		t.Errorf("%d ranges, want one of the past and those of the last seconds", n)
	}
}
