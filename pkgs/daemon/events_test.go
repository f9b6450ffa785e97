// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"testing"
	"time"

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
		if list := r.told(); len(list) == 0 || list[0].Kind != "opened" {
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
	if list := r.told(); len(list) != 1 || list[0].Count != 5 {
		t.Fatalf("events %+v, want one that counts 5", list)
	}
	t.Run("but_not_when_time_has_passed", func(t *testing.T) {
		r.now = r.now.Add(time.Minute)
		stale()
		if n := len(r.told()); n != 2 {
			t.Errorf("%d events", n)
		}
	})
}
