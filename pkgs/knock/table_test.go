// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/latchkey/latchkey/pkgs/rate"
)

// neighbour returns one of the addresses of phone's /24.
func neighbour(i int) netip.Addr { return netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}) }

func TestTable(t *testing.T) {
	full := func(rank func(i int) uint16) *table[int] {
		tb := newTable[int](start, 1) // one set, so that everybody is in it
		for i := range ways {
			e := tb.put(tb.of(0, neighbour(i)), time.Duration(i), time.Minute)
			e.rank, e.state = rank(i), i
		}
		return tb
	}
	left := func(tb *table[int]) (list []int) {
		for i := range ways {
			if e := tb.find(tb.of(0, neighbour(i))); e != nil && e.state == i {
				list = append(list, i)
			}
		}
		return list
	}
	t.Run("oldest_of_the_lowest_rank_goes", func(t *testing.T) {
		tb := full(func(i int) uint16 { return uint16(2 - i/2%2) }) // 2 2 1 1 2 2 1 1
		tb.put(tb.of(0, phone6), time.Second, time.Minute)
		if got := left(tb); len(got) != ways-1 || tb.find(tb.of(0, neighbour(2))) != nil {
			t.Errorf("%v are left, want all but 2", got)
		}
	})
	t.Run("nobody_who_is_further_on_goes", func(t *testing.T) {
		tb := full(func(i int) uint16 { return uint16(1 + i%2) })
		for i := range 100 {
			tb.put(tb.of(0, neighbour(100+i)), time.Second+time.Duration(i), time.Minute)
		}
		if got := left(tb); !slices.Equal(got, []int{1, 3, 5, 7}) {
			t.Errorf("%v are left, want all that are further on", got)
		}
	})
	t.Run("nobody_fills_a_set_for_good", func(t *testing.T) {
		tb := full(func(i int) uint16 { return uint16(9 - i) })
		tb.find(tb.of(0, neighbour(0))).since = 30 * time.Second // its newest packet
		for i := range 4 {
			if e := tb.put(tb.of(0, netip.AddrFrom4([4]byte{203, 0, 113, byte(100 + i)})), 40*time.Second, time.Minute); e.rank != 1 {
				t.Fatalf("rank %d", e.rank)
			}
		}
		if got := left(tb); !slices.Equal(got, []int{0, 5, 6, 7}) {
			t.Errorf("%v are left, want half of them, those that were heard last", got)
		}
	})
	t.Run("whose_time_is_over_goes", func(t *testing.T) {
		tb := full(func(int) uint16 { return 9 })
		tb.find(tb.of(0, neighbour(5))).until = time.Second
		tb.put(tb.of(0, phone6), time.Second+1, time.Minute)
		if got := left(tb); len(got) != ways-1 || tb.find(tb.of(0, neighbour(5))) != nil {
			t.Errorf("%v are left, want all but 5", got)
		}
	})
	t.Run("whose_time_ends_now_stays", func(t *testing.T) {
		tb := full(func(int) uint16 { return 9 })
		tb.find(tb.of(0, neighbour(5))).until = time.Second
		tb.put(tb.of(0, phone6), time.Second, time.Minute)
		if got := left(tb); len(got) != ways-1 || tb.find(tb.of(0, neighbour(0))) != nil {
			t.Errorf("%v are left, want all but 0, the oldest", got)
		}
	})
	t.Run("some_knocks_are_forgotten", func(t *testing.T) {
		tb := newTable[int](start, 1)
		for which := range uint16(3) {
			for i := range 2 {
				tb.put(tb.of(which, neighbour(i)), 0, time.Minute).rank = uint16(1 + i)
			}
		}
		tb.forget(func(which uint16) bool { return which != 1 })
		for which := range uint16(3) {
			for i := range 2 {
				if kept := tb.find(tb.of(which, neighbour(i))) != nil; kept != (which == 1) {
					t.Errorf("knock %d of sender %d is remembered: %t", which, i, kept)
				}
			}
		}
	})
	t.Run("each_place_has_a_number_of_its_own", func(t *testing.T) {
		const sets = 3
		tb := newTable[int](start, sets)
		places := map[uint32]sender{}
		for i := range 1000 {
			from := tb.of(0, netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 1}))
			place := tb.put(from, time.Duration(i), time.Minute).place
			if before, taken := places[place]; place >= sets*ways || taken && before.network%sets != from.network%sets {
				t.Fatalf("place %d is in two sets, or in none of %d", place, sets)
			}
			places[place] = from
		}
		if len(places) != sets*ways {
			t.Errorf("%d places were taken, want all %d", len(places), sets*ways)
		}
	})
	t.Run("knocks_are_apart", func(t *testing.T) {
		tb := newTable[int](start, 1)
		tb.put(tb.of(1, phone), 0, time.Minute).state = 1
		if tb.find(tb.of(2, phone)) != nil {
			t.Error("the state of one knock was found for another")
		}
	})
	t.Run("a_prefix_has_one_set", func(t *testing.T) {
		tb := newTable[int](start, 1024)
		for i := range 256 {
			tb.put(tb.of(0, neighbour(i)), time.Duration(i), time.Minute)
			tb.put(tb.of(0, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 1, 2, 3, byte(i), 15: byte(i)})), time.Duration(i), time.Minute)
		}
		used := 0
		for i := range tb.sets {
			for _, e := range tb.sets[i].entries {
				if e.rank != 0 {
					used++
				}
			}
		}
		if used > 2*ways {
			t.Errorf("two prefixes hold %d places, want at most %d", used, 2*ways)
		}
	})
	t.Run("families_are_apart", func(t *testing.T) {
		tb := newTable[int](start, 1)
		tb.put(tb.of(0, phone), 0, time.Minute)
		if tb.find(tb.of(0, phone6)) != nil {
			t.Error("IPv6 found the state of IPv4")
		}
	})
}

// TestTableMemory keeps the sizes that stand beside the constants true.
func TestTableMemory(t *testing.T) {
	for name, tt := range map[string]struct{ set, sets, most uintptr }{
		"firsts":   {unsafe.Sizeof([firstWays]first{}), firstSets, 1 << 20},
		"attempts": {unsafe.Sizeof(set[attempt]{}) + 4*ways*unsafe.Sizeof(mark{}), attemptSets, 360 << 10},
		"slots":    {unsafe.Sizeof(set[slotState]{}), slotSets + otherSets, 600 << 10},
		"ordered":  {unsafe.Sizeof(set[orderedState]{}), orderedSets, 190 << 10},
		"budget":   {unsafe.Sizeof(set[rate.Bucket]{}), budgetSets, 26 << 10},
	} {
		size := tt.set * tt.sets
		t.Logf("%s: %d sets of %d bytes, %d in all", name, tt.sets, tt.set, size)
		if size > tt.most {
			t.Errorf("%s: the table has %d bytes, want at most %d", name, size, tt.most)
		}
	}
}
