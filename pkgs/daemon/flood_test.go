// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// TestFloodWhileTheClockIsFree knocks after a reboot into a wrong time, while 1000 messages of nobody's
// arrive per second, each from another address.
func TestFloodWhileTheClockIsFree(t *testing.T) {
	r := newRig(t, home)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	last := r.now
	r = newRigWith(t, home, r.memory, time.Unix(34, 0), false)
	junk := make([]byte, seal.ShortSize)
	opened := 0
	for i := range 6 {
		for n := range 1003 + 7*i { // at no fixed phase of what is left of the work
			junk[3], junk[4], junk[5] = byte(i), byte(n), byte(n>>8)
			r.message(netip.AddrFrom4([4]byte{198, byte(i), byte(n >> 8), byte(n)}), junk)
			r.now = r.now.Add(time.Millisecond)
		}
		from := netip.AddrFrom4([4]byte{203, 0, 114, byte(i)})
		r.message(from, seal.Seal(key(0), seal.Body{Stamp: uint64(last.Add(time.Hour + r.now.Sub(time.Unix(34, 0))).UnixMilli()), Door: seal.Tag("nas")}))
		if strings.Contains(r.last(), "opened") {
			opened++
		}
		r.Tick()
	}
	t.Logf("%d of 6 knocks opened", opened)
	if opened < 6 {
		t.Errorf("%d of 6 knocks opened, want all", opened)
	}
}

// TestFirstKnockAfterARebootIsExpected has a flood that uses up all work at once before the first tick.
func TestFirstKnockAfterARebootIsExpected(t *testing.T) {
	r := newRig(t, home)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	next := r.now.Add(time.Hour)
	r = newRigWith(t, home, r.memory, time.Unix(34, 0), false)
	junk := make([]byte, seal.ShortSize)
	for n := range 3000 {
		junk[3], junk[4] = byte(n), byte(n>>8)
		r.message(netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)}), junk)
	}
	r.message(phone, seal.Seal(key(0), seal.Body{Stamp: uint64(next.UnixMilli()), Door: seal.Tag("nas")}))
	if r.open("nas") == "" {
		t.Errorf("last event %+v", r.newest())
	}
}
