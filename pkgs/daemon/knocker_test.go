// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// anywhere is another network for each number.
func anywhere(i int) netip.Addr { return netip.AddrFrom4([4]byte{198, byte(i >> 8), byte(i), 9}) }

// acceptedFrom knocks by the sequence shy, and reports whether it opens.
func (r *rig) acceptedFrom(from netip.Addr) bool {
	before := r.newest().Number
	r.sequence(from, shy...)
	e := r.newest()
	return e.Number > before && (e.Kind == "opened" || e.Kind == "extended") && e.Address == from.String()
}

// TestStrangersWhoKnowASequence has them come through it in the name of the whole world, some times a second,
// which is what a flood with its steps does by chance.
func TestStrangersWhoKnowASequence(t *testing.T) {
	r := newRig(t, home)
	random := rand.New(rand.NewPCG(41, 42))
	flood := func(n int) {
		for range n {
			r.sequence(anywhere(random.IntN(1<<16)), shy...) // 150 ms
		}
	}
	days := func() { r.now = r.now.Add(24 * time.Hour); r.Tick() }

	near := netip.MustParseAddr("203.0.113.99") // in the network of phone
	bytes := phone6.As16()
	bytes[6], bytes[15] = bytes[6]+1, 99
	near6 := netip.AddrFrom16(bytes) // another /56 of the /48 of phone6
	for range 3 {
		if !r.acceptedFrom(phone) || !r.acceptedFrom(phone6) {
			t.Fatalf("in peace: %+v", r.newest())
		}
		days()
	}
	flood(400)
	for i, from := range []netip.Addr{phone, near, phone6, near6} {
		if !r.acceptedFrom(from) {
			t.Errorf("%s, whose network it was let in from before: %+v", from, r.newest())
		}
		flood(50 + i)
	}
	refused := 0
	for i := range 20 {
		if !r.acceptedFrom(netip.AddrFrom4([4]byte{203, 0, 114 + byte(i), 7})) {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("%d of 20 strangers were refused: strangers have one limit together", refused)
	}
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("web")}))
	if e := r.newest(); e.Reason == "too-many" {
		t.Errorf("the message of a client: %+v", e)
	}
	lab.Withstood(t, "load", "a sequence that strangers know, and come through from everywhere, again and again",
		"who comes from one of the networks that it was let in from for longest gets in")
}

// TestOneNetworkThatKnowsASequence has no more than its limit, and takes nothing from others.
func TestOneNetworkThatKnowsASequence(t *testing.T) {
	r := newRig(t, home)
	for range 100 {
		r.sequence(phone, shy...)
	}
	if !slices.ContainsFunc(r.reported(), func(e control.Event) bool { return e.Reason == "too-many" }) {
		t.Errorf("100 knocks in 15 s: %+v", r.reported())
	}
	if !r.acceptedFrom(neighbour) {
		t.Errorf("somebody else: %+v", r.newest())
	}
	r.text = strings.Replace(home, "'shy'", "'shy2'", 1)
	r.Reload()
	r.text = home
	r.Reload()
	if !r.acceptedFrom(phone) {
		t.Errorf("a sequence that was made again: %+v", r.newest())
	}
}
