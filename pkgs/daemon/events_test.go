// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// flood lets strangers fail at a sequence, each from another address.
func (r *rig) flood(n int) {
	for i := range n {
		r.sequence(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), "7431/tcp", "2951/udp", "8811/tcp")
		r.now = r.now.Add(-149 * time.Millisecond)
	}
}

func TestFloodDoesNotHide(t *testing.T) {
	t.Run("a_client_s_own_refusal", func(t *testing.T) {
		r := newRig(t, home)
		r.flood(1000)
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.Add(-10 * time.Minute).UnixMilli())}))
		if r.last() != "refused stale phone" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("what_was_opened_before", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		for range 20 {
			r.flood(100)
			r.now = r.now.Add(time.Minute)
		}
		if list := r.reported(); len(list) == 0 || list[0].Kind != "opened" {
			t.Errorf("the first of %d events is %+v", len(list), list[0])
		}
	})
}

func TestRefusalsAlikeAreCounted(t *testing.T) {
	r := newRig(t, home)
	stale := func() {
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.Add(-10 * time.Minute).UnixMilli())}))
		r.now = r.now.Add(time.Second)
	}
	for range 5 {
		stale()
	}
	if list := r.reported(); len(list) != 1 || list[0].Count != 5 {
		t.Fatalf("events %+v, want one that counts 5", list)
	}
	t.Run("but_not_when_time_has_passed", func(t *testing.T) {
		r.now = r.now.Add(time.Minute)
		stale()
		if n := len(r.reported()); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}

func TestCounts(t *testing.T) {
	count := func(r *rig, c control.Count) (n uint64) {
		for _, is := range r.Status().Counts {
			n, is.Count = is.Count, 0
			if is == c {
				return n
			}
		}
		return 0
	}
	t.Run("hold_refusals_that_no_list_shows", func(t *testing.T) {
		r := newRig(t, home)
		r.flood(1000)
		if n := count(r, control.Count{Kind: "refused", Reason: "trip-wire"}); n != 1000 {
			t.Errorf("%d of 1000 refusals are counted: %+v", n, r.Status().Counts)
		}
	})
	t.Run("hold_a_press_of_both_carriers_once", func(t *testing.T) {
		r := newRig(t, home)
		for i := range uint64(3) {
			r.message(phone, r.sealAt(uint64(r.now.UnixMilli())+i))
		}
		want := []control.Count{{Kind: "opened", Door: "nas", Count: 1}}
		if diff := cmp.Diff(want, r.Status().Counts); diff != "" {
			t.Errorf("counts (-want +got):\n%s", diff)
		}
	})
	t.Run("are_bounded_and_lose_nothing", func(t *testing.T) {
		var list []control.Event
		for i := range daemon.MaxCounts + 10 {
			list = append(list, control.Event{Kind: "opened", Door: fmt.Sprintf("d%d", i)})
		}
		counts := daemon.Counted(append(list, list[0]))
		if len(counts) != daemon.MaxCounts+1 || counts[0].Count != 2 {
			t.Errorf("%d counts, of which the first is %+v", len(counts), counts[0])
		}
		if diff := cmp.Diff(control.Count{Kind: "opened", Reason: "many", Count: 10}, counts[len(counts)-1]); diff != "" {
			t.Errorf("what has no count of its own (-want +got):\n%s", diff)
		}
	})
}

// TestEachPartKeepsItsNewest compares with lists that are made by going through all events for each.
func TestEachPartKeepsItsNewest(t *testing.T) {
	began := start
	kinds := []control.Event{
		{Kind: "opened", Door: "nas"}, {Kind: "trouble"}, {Kind: "scan"}, {Kind: "reload"},
		{Kind: "closed", From: &began}, {Kind: "expired", From: &began}, {Kind: "broken"},
	}
	random := rand.New(rand.NewPCG(1, 2))
	for run := range 20 {
		var all []control.Event
		for len(all) < 4000 {
			// Many alike come together, as grants that end at once do.
			for e, n := kinds[random.IntN(len(kinds))], random.IntN(1+10*run); n >= 0; n-- {
				e.Number = uint64(len(all) + 1)
				all = append(all, e)
			}
		}
		former := random.IntN(2) * random.IntN(3000)
		var want []uint64
		n := map[byte]int{} // by part
		for i := len(all) - 1; i >= 0; i-- {
			e := all[i]
			part, most := daemon.PartOf(e)
			if n[part]++; i == 0 || n[part] <= most {
				want = append(want, e.Number)
			}
		}
		slices.Reverse(want)
		got, room := daemon.Kept(all[:former], all[former:])
		if !slices.Equal(got, want) {
			t.Fatalf("run %d, %d of a former one: %d are kept, want %d: %v, want %v", run, former, len(got), len(want), got, want)
		}
		if room > 4*len(want)+1024 {
			t.Errorf("run %d: room for %d, of which %d are kept", run, room, len(want))
		}
	}
}

// BenchmarkEventsOfManyThatEndAtOnce is what a stop with a full book takes of them.
func BenchmarkEventsOfManyThatEndAtOnce(b *testing.B) {
	began := start
	list := slices.Repeat([]control.Event{{Kind: "closed", From: &began}}, 10_240)
	for b.Loop() {
		daemon.Kept(nil, list)
	}
}
