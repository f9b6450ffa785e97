// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// TestRefusalOfAFamilyThatADoorHasNot has a NAS without IPv6, at which the phone knocks over IPv6.
func TestRefusalOfAFamilyThatADoorHasNot(t *testing.T) {
	const refusal = "refused not-allowed phone"
	begin := func(t *testing.T) (r *rig, knock func(from netip.Addr, door string)) {
		r = newRig(t, strings.Replace(home, "\toption dest_ip6 '2001:db8:2::22'\n", "", 1))
		return r, func(from netip.Addr, door string) {
			r.message(from, r.seal(seal.Body{Door: seal.Tag(door)}))
			r.now = r.now.Add(200 * time.Millisecond)
		}
	}
	refusals := func(r *rig) (n int) {
		r.Tick()
		for _, e := range r.reported() {
			if e.Kind == "refused" {
				n++
			}
		}
		return n
	}
	t.Run("is_told_after_three_seconds", func(t *testing.T) {
		r, knock := begin(t)
		at := r.now
		knock(phone6, "nas")
		r.now = at.Add(3*time.Second - 1)
		if refusals(r) != 0 {
			t.Error("it is reported before the knock over the other family can have come")
		}
		r.now = at.Add(3 * time.Second)
		if refusals(r) != 1 || r.last() != refusal {
			t.Errorf("last event %q, want %q", r.last(), refusal)
		}
	})
	t.Run("is_told_at_once_where_sixteen_wait", func(t *testing.T) {
		r, _ := begin(t)
		for i := range 17 {
			if refusals(r) != 0 {
				t.Fatalf("with %d that wait it is reported at once", i)
			}
			r.message(phone6, r.seal(seal.Body{Door: seal.Tag("nas"), Stamp: uint64(r.now.UnixMilli() + int64(i))}))
		}
		if refusals(r) != 1 {
			t.Errorf("%d are reported, want the seventeenth", refusals(r))
		}
	})
	for name, tc := range map[string]struct {
		before, after func(r *rig, knock func(netip.Addr, string))
		want          int
	}{
		"is_dropped_if_the_client_came_in_before": {
			before: func(_ *rig, knock func(netip.Addr, string)) { knock(phone, "nas") },
		},
		"is_dropped_if_the_client_comes_in_after": {
			after: func(_ *rig, knock func(netip.Addr, string)) { knock(phone, "nas") },
		},
		"is_told_if_the_client_came_in_by_another_door": {
			before: func(_ *rig, knock func(netip.Addr, string)) { knock(phone, "web") }, want: 1,
		},
		"is_told_if_the_client_comes_in_by_another_door": {
			after: func(_ *rig, knock func(netip.Addr, string)) { knock(phone, "web") }, want: 1,
		},
		"is_told_if_somebody_else_came_in": {
			before: func(r *rig, _ func(netip.Addr, string)) { r.sequence(neighbour, shy...) }, want: 1,
		},
		"is_told_if_somebody_else_comes_in": {
			after: func(r *rig, _ func(netip.Addr, string)) { r.sequence(neighbour, shy...) }, want: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, knock := begin(t)
			if tc.before != nil {
				tc.before(r, knock)
			}
			knock(phone6, "nas")
			if tc.after != nil {
				tc.after(r, knock)
			}
			r.now = r.now.Add(3 * time.Second)
			if got := refusals(r); got != tc.want {
				t.Errorf("%d refusals reported, want %d: %+v", got, tc.want, r.reported())
			}
		})
	}
	t.Run("of_nobody_in_particular_is_told_at_once", func(t *testing.T) {
		r, _ := begin(t)
		r.sequence(phone6, shy...)
		if got := refusals(r); got != 1 {
			t.Errorf("%d refusals reported, want 1", got)
		}
	})
}
