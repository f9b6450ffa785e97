// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"math"
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

func TestStamps(t *testing.T) {
	type knock struct {
		after time.Duration // since the first knock
		stamp uint64
		from  netip.Addr
		want  seal.Verdict
	}
	const ms = time.Millisecond
	for name, tc := range map[string]struct {
		floor  uint64
		knocks []knock
	}{
		"a stamp counts once": {knocks: []knock{
			{0, 100, phone4, seal.Fresh},
			{61 * time.Second, 100, phone4, seal.Replayed},
			{60 * time.Second, 101, phone4, seal.Fresh},
		}},
		"zero is no stamp": {knocks: []knock{{0, 0, phone4, seal.Replayed}}},
		"after a restart only above the floor": {floor: 100, knocks: []knock{
			{0, 99, phone4, seal.Replayed},
			{0, 100, phone4, seal.Replayed},
			{0, 101, phone4, seal.Fresh},
		}},
		"retransmissions are copies": {knocks: []knock{
			{0, 100, phone4, seal.Fresh},
			{60 * ms, 100, phone4, seal.Copy},
			{15 * time.Second, 100, phone4, seal.Copy},
			{61 * time.Second, 100, phone4, seal.Replayed},
		}},
		"a thief is no copy": {knocks: []knock{
			{0, 100, phone4, seal.Fresh},
			{60 * ms, 100, thief4, seal.Replayed},
		}},
		"once per family": {knocks: []knock{
			{0, 100, phone6, seal.Fresh},
			{300 * ms, 100, phone4, seal.Fresh},
			{350 * ms, 100, phone6, seal.Copy},
			{350 * ms, 100, phone4, seal.Copy},
			{400 * ms, 100, thief4, seal.Replayed},
			{400 * ms, 100, thief6, seal.Replayed},
		}},
		"the other family only soon": {knocks: []knock{
			{0, 100, phone6, seal.Fresh},
			{2001 * ms, 100, phone4, seal.Replayed},
		}},
		"time that goes back excuses nothing": {knocks: []knock{
			{0, 100, phone6, seal.Fresh},
			{-3 * time.Second, 100, phone4, seal.Replayed},
		}},
		"another device's packets are handled late": {knocks: []knock{
			{0, 100, phone6, seal.Fresh},
			{-time.Second, 100, phone4, seal.Fresh},
		}},
		"messages overtake each other": {floor: 50, knocks: []knock{
			{0, 103, phone4, seal.Fresh},
			{0, 101, phone4, seal.Fresh},
			{0, 102, phone4, seal.Fresh},
			{61 * time.Second, 101, phone4, seal.Replayed},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			start, s := time.Now(), seal.NewStamps(tc.floor)
			for i, k := range tc.knocks {
				now := start.Add(k.after)
				got := s.Check(now, k.stamp, k.from)
				if got != k.want {
					t.Errorf("knock %d: verdict %d, want %d", i, got, k.want)
				}
				if got == seal.Fresh {
					s.Use(now, k.stamp, k.from)
				}
			}
		})
	}
}

// Only of the latest messages copies are known; that bounds the memory, and a copy of an older one
// is still no knock.
func TestStamps_many_messages_at_once(t *testing.T) {
	now, s := time.Now(), seal.NewStamps(0)
	for stamp := uint64(1); stamp <= 17; stamp++ {
		s.Use(now, stamp, phone4)
	}
	if got := s.Check(now, 1, phone4); got != seal.Replayed {
		t.Errorf("the 17th last message: verdict %d, want %d", got, seal.Replayed)
	}
	if got := s.Check(now, 2, phone4); got != seal.Copy {
		t.Errorf("the 16th last message: verdict %d, want %d", got, seal.Copy)
	}
}

func TestStamps_sixty_four_reordered_messages(t *testing.T) {
	now := time.Now()
	for range 20 {
		s, floor := seal.NewStamps(1000), uint64(1000)
		order := rand.Perm(64)
		for _, n := range order {
			stamp := uint64(1001 + n)
			if s.Check(now, stamp, phone4) != seal.Fresh {
				t.Fatalf("order %v: stamp %d does not count", order, stamp)
			}
			floor = max(floor, stamp)
			if got := s.FloorWith(stamp); got != floor {
				t.Fatalf("floor to store is %d, want %d", got, floor)
			}
			s.Use(now, stamp, phone4)
		}
		restarted := seal.NewStamps(floor)
		for n := range 64 {
			if s.Check(now, uint64(1001+n), thief4) != seal.Replayed {
				t.Fatalf("order %v: stamp %d counts twice", order, 1001+n)
			}
			if restarted.Check(now, uint64(1001+n), phone4) != seal.Replayed {
				t.Fatalf("stamp %d counts again after a restart", 1001+n)
			}
		}
	}
}

// Whatever is thrown at it, no stamp counts twice but for the other family's 2 s.
func TestStamps_never_twice(t *testing.T) {
	now, s, random := time.Now(), new(seal.Stamps), rand.New(rand.NewPCG(1, 2))
	type family struct {
		stamp uint64
		is4   bool
	}
	first, counted := map[uint64]time.Time{}, map[family]bool{}
	senders := []netip.Addr{phone4, phone6, thief4, thief6}
	for i := range 20000 {
		now = now.Add(time.Duration(random.IntN(500)) * time.Millisecond)
		stamp := uint64(1 + i/20 + random.IntN(100))
		from := senders[random.IntN(len(senders))]
		if s.Check(now, stamp, from) != seal.Fresh {
			continue
		}
		if at, ok := first[stamp]; ok && now.Sub(at) > 2*time.Second {
			t.Fatalf("stamp %d counts again after %v", stamp, now.Sub(at))
		} else if !ok {
			first[stamp] = now
		}
		if f := (family{stamp, from.Is4()}); counted[f] {
			t.Fatalf("stamp %d counts twice for one family", stamp)
		} else {
			counted[f] = true
		}
		s.Use(now, stamp, from)
	}
	if len(first) < 500 {
		t.Errorf("only %d stamps counted at all", len(first))
	}
}

func TestSkew(t *testing.T) {
	for stamp, want := range map[uint64]time.Duration{
		millis(noon):                        0,
		millis(noon.Add(10 * time.Minute)):  10 * time.Minute,
		millis(noon.Add(-10 * time.Minute)): -10 * time.Minute,
		0:                                   -noon.Sub(time.UnixMilli(0)),
		math.MaxUint64:                      math.MaxInt64 / time.Millisecond * time.Millisecond,
	} {
		if got := seal.Skew(noon, stamp); got != want {
			t.Errorf("Skew of %d is %v, want %v", stamp, got, want)
		}
	}
}

func TestNextStamp(t *testing.T) {
	at := millis(noon)
	for _, tc := range []struct {
		now  time.Time
		last uint64
		want uint64
	}{
		{noon, 0, at},
		{noon, at, at + 1},
		{noon.AddDate(-30, 0, 0), at, at + 1},
		{time.Unix(-5, 0), 0, 1},
		{noon, seal.MaxStamp, seal.MaxStamp},
	} {
		if got := seal.NextStamp(tc.now, tc.last); got != tc.want {
			t.Errorf("NextStamp(%v, %d) = %d, want %d", tc.now, tc.last, got, tc.want)
		}
	}
}
