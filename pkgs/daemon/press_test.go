// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const portsBase = 20480

// twoWays is home with both carriers of messages.
var twoWays = strings.Replace(home, "option stun_port '41641'\n", "option stun_port '41641'\n\toption ports '20480-26623'\n", 1)

// byPorts sends a message as SYNs.
func (r *rig) byPorts(from netip.Addr, msg []byte) {
	to := router
	if from.Is6() {
		to = router6
	}
	for _, port := range knock.Slots(msg, portsBase) {
		r.port++
		r.packet(wire.AppendTCP(nil, netip.AddrPortFrom(from, r.port), netip.AddrPortFrom(to, port), uint32(r.port)*7919, wire.SYN, nil))
	}
}

// press presses the button for the nas: a message by UDP and another one by TCP.
func (r *rig) press(from netip.Addr) {
	stamp := uint64(r.now.UnixMilli())
	r.message(from, r.sealAt(stamp))
	r.byPorts(from, r.sealAt(stamp+1))
}

func TestOnePressIsOneEvent(t *testing.T) {
	r := newRig(t, twoWays)
	r.press(phone)
	reported := r.reported()
	if len(reported) != 1 {
		t.Fatalf("events %+v, want one", reported)
	}
	if e := reported[0]; e.Kind != "opened" || e.Knock != "message stun" || e.Also != "message ports" || e.Count != 2 {
		t.Errorf("event %+v", e)
	}
	first := *reported[0].Until

	t.Run("the_next_press_is_another_one", func(t *testing.T) {
		r.now = r.now.Add(6 * time.Second)
		r.press(phone)
		reported := r.reported()
		if len(reported) != 2 {
			t.Fatalf("events %+v, want two", reported)
		}
		if e := reported[1]; e.Kind != "extended" || e.Also != "message ports" || e.Count != 2 || !e.Until.After(first) {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("the_same_of_another_address_is_told_of_that_address", func(t *testing.T) {
		r := newRig(t, twoWays)
		msg := r.sealAt(uint64(r.now.UnixMilli()))
		r.message(phone6, msg)
		r.message(phone, msg) // a browser that falls back to IPv4
		r.now = r.now.Add(6 * time.Second)
		msg = r.sealAt(uint64(r.now.UnixMilli()))
		r.message(phone6, msg)
		r.message(phone, msg)
		var reported []string
		for _, e := range r.reported() {
			reported = append(reported, e.Kind+" "+e.Address)
		}
		six, four := phone6.String(), phone.String()
		if want := []string{"opened " + six, "opened " + four, "extended " + six, "extended " + four}; !slices.Equal(reported, want) {
			t.Errorf("events %q, want %q", reported, want)
		}
	})
	t.Run("another_door_is_told_of_that_door", func(t *testing.T) {
		r := newRig(t, twoWays)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli()) + 1, Door: seal.Tag("web")}))
		if reported := r.reported(); len(reported) != 2 || reported[0].Door != "nas" || reported[1].Door != "web" {
			t.Errorf("events %+v", reported)
		}
	})
	t.Run("closing_tells_by_what_it_was_opened", func(t *testing.T) {
		r := newRig(t, twoWays)
		r.byPorts(phone, r.sealAt(uint64(r.now.UnixMilli())))
		r.now = r.now.Add(time.Second)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Close: true}))
		if e := r.newest(); e.Kind != "closed" || e.Knock != "message ports" || e.Detail != "closed by a knock" {
			t.Errorf("event %+v", e)
		}
	})
	t.Run("a_sequence_is_no_part_of_it", func(t *testing.T) {
		r := newRig(t, twoWays)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("web")}))
		r.sequence(phone, "5100/tcp", "6200/tcp", "4300/tcp") // the same client's
		if reported := r.reported(); len(reported) != 2 || reported[1].Knock != "sequence once" || reported[1].Kind != "extended" {
			t.Errorf("events %+v", reported)
		}
	})
}

// Two things that differ in a word of what is reported are two events, however fast they follow.
func TestRefusalsThatDifferAreNotCountedTogether(t *testing.T) {
	r := newRig(t, home)
	stamp := func(ahead time.Duration) seal.Body { return seal.Body{Stamp: uint64(r.now.Add(ahead).UnixMilli())} }
	for _, b := range []seal.Body{stamp(-10 * time.Minute), stamp(-11 * time.Minute), stamp(10 * time.Minute), {Door: seal.Tag("attic")}} {
		r.message(phone, r.seal(b))
	}
	reported := r.reported()
	if len(reported) != 4 {
		t.Fatalf("%d events, want 4: %+v", len(reported), reported)
	}
	for _, e := range reported {
		if e.Count != 0 || e.Detail == "" {
			t.Errorf("event %+v", e)
		}
	}
}

func TestCopyFromAnotherAddressIsNoAlarmForSomeSeconds(t *testing.T) {
	r := newRig(t, home)
	msg := r.sealAt(uint64(r.now.UnixMilli()))
	r.message(phone, msg)
	for _, tt := range []struct {
		after time.Duration // since the message
		from  string
		usual bool
	}{
		{100 * time.Millisecond, "203.0.113.8", true},
		{5 * time.Second, "203.0.113.9", true},
		{5001 * time.Millisecond, "203.0.113.10", false},
		{time.Hour, "203.0.113.11", false},
	} {
		r.now = start.Add(tt.after)
		r.message(netip.MustParseAddr(tt.from), msg)
		e := r.newest()
		if e.Kind != "refused" || e.Reason != "replayed" || e.Address != tt.from || e.Usual != tt.usual {
			t.Errorf("after %s: %+v", tt.after, e)
		}
		if strings.Contains(e.Detail, "two addresses") != tt.usual {
			t.Errorf("after %s: %q", tt.after, e.Detail)
		}
	}
	if got := r.fw.Elements(r.now, "nas"); len(got) > 1 {
		t.Errorf("open for %v", got)
	}
}

// Log tells each event of this run once, with its level.
func TestLogHasLevels(t *testing.T) {
	r := newRig(t, twoWays)
	r.press(phone)
	r.message(neighbour, r.sealAt(uint64(r.now.UnixMilli())))                             // the phone's other address, or a thief
	r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.Add(-time.Hour).UnixMilli())})) // stale
	r.text += "\nconfig door 'x'\n"                                                       // no port
	r.Reload()
	r.text = twoWays
	r.now = r.now.Add(time.Hour)
	r.Tick()
	var got []string
	levels := map[config.Level]string{config.LevelInfo: "info", config.LevelWarn: "warn", config.LevelError: "error"}
	ended, end := context.WithCancel(t.Context())
	end()
	r.Log(ended, func(l config.Level, e control.Event) { got = append(got, levels[l]+" "+e.Kind+" "+e.Knock) })
	want := []string{"info opened message stun", "info refused message stun", "warn refused message stun", "error trouble ", "info expired message ports"}
	if !slices.Equal(got, want) {
		t.Errorf("log %q, want %q", got, want)
	}
}
