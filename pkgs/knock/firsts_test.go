// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"math/rand/v2"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// fixedKeys are the same each time: with others the 16 bits by which a set knows its senders are now and then alike.
func fixedKeys() *keys {
	k, random := new(keys), rand.New(rand.NewPCG(1, 2))
	for _, list := range [][]uint64{k.networks[:], k.senders[:], k.segments[:]} {
		for i := range list {
			list[i] = random.Uint64()
		}
	}
	return k
}

func TestFirsts(t *testing.T) {
	const within = tick(1000)
	keys := fixedKeys()
	has := func(f *firsts, which uint16, from netip.Addr, now tick) bool {
		r, ok := f.take(keys.sender(which, from), now, within)
		if ok {
			f.put(keys.sender(which, from), r.print, r.came, within)
		}
		return ok
	}
	t.Run("who_came_is_remembered_for_the_time_window", func(t *testing.T) {
		f := newFirsts(1)
		f.put(keys.sender(0, phone), 7, 5000, within)
		if has(f, 0, cafe, 5000) {
			t.Error("another one of the network is taken for the sender")
		}
		if r, ok := f.take(keys.sender(0, phone), 6000, within); !ok || r.came != 5000 || r.print != 7 {
			t.Errorf("%+v, %t", r, ok)
		}
		if has(f, 0, phone, 6000) {
			t.Error("it is there a second time")
		}
		f.put(keys.sender(0, phone), 7, 5000, within)
		if _, ok := f.take(keys.sender(0, phone), 6001, within); ok {
			t.Error("it is there after its time")
		}
	})
	t.Run("only_the_newest_packet_has_retransmissions", func(t *testing.T) {
		f := newFirsts(1)
		for _, tt := range []struct {
			print uint16
			now   tick
			again bool
			came  tick
		}{{7, 100, false, 100}, {7, 200, true, 100}, {9, 300, false, 300}, {7, 400, false, 400}, {7, 1401, false, 1401}, {0, 1500, false, 1500}, {0, 1600, false, 1600}} {
			if again := f.put(keys.sender(0, phone), tt.print, tt.now, within); again != tt.again {
				t.Errorf("print %d at %d: again %t", tt.print, tt.now, again)
			}
			if r, _ := f.take(keys.sender(0, phone), tt.now, within); r.came != tt.came {
				t.Errorf("print %d at %d: came at %d, want %d", tt.print, tt.now, r.came, tt.came)
			}
			f.put(keys.sender(0, phone), tt.print, tt.came, within)
		}
	})
	t.Run("sequences_are_apart", func(t *testing.T) {
		f := newFirsts(2)
		f.put(keys.sender(0, phone), 1, 1, within)
		f.put(keys.sender(1, cafe), 1, 1, within)
		if has(f, 1, phone, 1) || has(f, 0, cafe, 1) {
			t.Error("one sequence has what belongs to the other")
		}
		f.forget(0)
		if has(f, 0, phone, 1) || !has(f, 1, cafe, 1) {
			t.Error("one is to be forgotten, and no other")
		}
	})
	t.Run("the_oldest_of_a_network_goes", func(t *testing.T) {
		f := newFirsts(1)
		for i := range firstWays {
			f.put(keys.sender(0, neighbour(i)), 1, tick(100+i), within)
		}
		f.put(keys.sender(0, neighbour(3)), 3, 200, within) // it comes again
		for i := range 5 {
			f.put(keys.sender(0, neighbour(100+i)), 1, tick(300+i), within)
		}
		for i := range firstWays {
			if got, want := has(f, 0, neighbour(i), 300), i > 5 || i == 3; got != want {
				t.Errorf("sender %d: %t, want %t", i, got, want)
			}
		}
	})
	t.Run("one_network_reaches_nobody_else", func(t *testing.T) {
		f := newFirsts(1)
		for i := range 256 {
			f.put(keys.sender(0, neighbour(i)), 1, 1, within)
			f.put(keys.sender(0, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, 2, 3, byte(i), 15: byte(i)})), 1, 1, within)
		}
		used := 0
		for i := range f.sets {
			for _, r := range f.sets[i] {
				if r.who != 0 {
					used++
				}
			}
		}
		if used > 2*firstWays {
			t.Errorf("two networks hold %d places, want at most %d", used, 2*firstWays)
		}
	})
}

// TestFirstStepsAreNothingAfterATripWire touches one between the first step and the second, and comes again
// when the lock has ended or was pushed out.
func TestFirstStepsAreNothingAfterATripWire(t *testing.T) {
	y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
	d := y.detectors[0].(*sequences)
	y.steps(phone, parseSteps(t, "7000/tcp 7001/tcp")...)
	d.table.find(d.table.of(0, phone)).drop()
	y.steps(phone, parseSteps(t, "8000/udp 9000/tcp")...)
	if got := y.ends(); got != "" {
		t.Errorf("found %q, want nothing", got)
	}
	y.steps(phone, parseSteps(t, "7000/tcp 8000/udp 9000/tcp")...)
	if got := y.ends(); got != "s ok/3" {
		t.Errorf("found %q, want that it opens", got)
	}
}

// TestFirstStepsOfLongAgoAreGone goes on after pauses around which ticks wrap around, or seems to be of the future.
func TestFirstStepsOfLongAgoAreGone(t *testing.T) {
	for _, pause := range []time.Duration{time.Minute, time.Hour, 3 * time.Hour, 9 * time.Hour, 10 * time.Hour, 15 * time.Hour, 1 << 46, 1<<46 + time.Second, 1000 * time.Hour} {
		for _, step := range []time.Duration{pause, 50 * time.Minute} { // nobody knocks meanwhile, or others do
			y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
			y.wait(59 * time.Minute) // just before a sweep
			y.steps(phone, parseSteps(t, "7000/tcp")...)
			for end := y.now.Add(pause); y.now.Before(end); {
				y.wait(min(step, end.Sub(y.now)))
				y.steps(scanner, parseSteps(t, "7000/tcp")...)
			}
			y.steps(phone, parseSteps(t, "8000/udp 9000/tcp")...)
			if got := y.ends(); got != "" {
				t.Errorf("%s later, a packet each %s: found %q, want nothing", pause, step, got)
			}
		}
	}
}

// TestFirstStepsOfAFloodOfLongAgoTakeNoRoom from those who come half a day later.
func TestFirstStepsOfAFloodOfLongAgoTakeNoRoom(t *testing.T) {
	y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
	y.detectors[0].(*sequences).table.keys = fixedKeys()
	first, rest := parseSteps(t, "7000/tcp"), parseSteps(t, "8000/udp 9000/tcp")
	for i := range firstWays {
		y.steps(neighbour(100+i), first...)
	}
	y.wait(12 * time.Hour)
	for i := range firstWays {
		y.steps(neighbour(i), first...)
	}
	for i := range firstWays {
		y.steps(neighbour(i), rest...)
	}
	if got := strings.Count(y.ends(), "s ok/3"); got != firstWays {
		t.Errorf("%d of %d senders of a network came through", got, firstWays)
	}
}

// TestFirstStepsAreSweptBesideThoseOnTheirWay has a knock go on over a sweep.
func TestFirstStepsAreSweptBesideThoseOnTheirWay(t *testing.T) {
	for _, when := range []time.Duration{forgetEvery, 3 * forgetEvery} {
		y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
		y.wait(when - time.Second)
		y.steps(phone, parseSteps(t, "7000/tcp")...)
		y.wait(2 * time.Second)
		y.steps(phone, parseSteps(t, "8000/udp 9000/tcp")...)
		if got := y.ends(); got != "s ok/3" {
			t.Errorf("at %s: found %q, want that it opens", when, got)
		}
	}
}

// TestFirstStepIsAsOldAsItIs has the last step come at the end of the time window, and behind it.
func TestFirstStepIsAsOldAsItIs(t *testing.T) {
	for late, want := range map[time.Duration]string{-time.Millisecond: "s ok/3", time.Millisecond: "s too-slow/2"} {
		y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
		y.send(y.syn(phone, 7000))
		y.wait(3 * time.Second)
		y.steps(phone, parseSteps(t, "8000/udp")...)
		y.now = start.Add(5*time.Second + late)
		y.steps(phone, parseSteps(t, "9000/tcp")...)
		if got := y.ends(); got != want {
			t.Errorf("%s: found %q, want %q", late, got, want)
		}
	}
}

// TestFirstStepThatComesAgainIsNoNewOne has the network repeat it after the second step.
func TestFirstStepThatComesAgainIsNoNewOne(t *testing.T) {
	y := play(oneSequence(t, "7000/tcp 8000/udp 9000/tcp"))
	first := y.syn(phone, 7000)
	y.send(first)
	y.wait(3 * time.Second)
	y.steps(phone, parseSteps(t, "8000/udp")...)
	y.send(first)
	y.wait(3 * time.Second)
	y.steps(phone, parseSteps(t, "9000/tcp")...)
	if got := y.ends(); got != "s too-slow/2" {
		t.Errorf("found %q, want that it took too long", got)
	}
}

// TestFirstStepOfAnotherSequenceIsNothingToTell when it was part of one that opened.
func TestFirstStepOfAnotherSequenceIsNothingToTell(t *testing.T) {
	y := play(Config{Sequences: []Sequence{
		{Name: "a", Steps: parseSteps(t, "7000/tcp 8000/udp"), Within: 5 * time.Second},
		{Name: "b", Steps: parseSteps(t, "7000/tcp 9000/tcp 9500/tcp"), Within: 5 * time.Second},
	}})
	y.steps(phone, parseSteps(t, "7000/tcp 8000/udp 9000/tcp")...)
	y.wait(6 * time.Second)
	y.steps(phone, parseSteps(t, "9500/tcp")...)
	if got := y.ends(); got != "a ok/2" {
		t.Errorf("found %q, want that a opens", got)
	}
}
