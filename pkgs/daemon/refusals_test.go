// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestRefusals(t *testing.T) {
	tests := map[string]struct {
		edit func(string) string
		key  seal.Key
		door string
		want string
		says string
	}{
		"a_client_that_is_switched_off": {key: key(0x20), door: "nas", want: "refused disabled lost", says: `client "lost" is switched off`},
		"a_client_that_has_expired": {
			edit: func(s string) string {
				return strings.Replace(s, "config client 'phone'", "config client 'phone'\n\toption expires '2026-11-21'", 1)
			},
			door: "nas", want: "refused expired phone", says: `client "phone" was valid until 2026-11-21`},
		"a_door_that_the_client_was_not_given": {
			edit: func(s string) string { return strings.Replace(s, "\tlist door 'nas'\n", "", 1) },
			door: "nas", want: "refused not-allowed phone", says: `client "phone" may not open the door it asks for`},
		"a_door_that_does_not_exist": {door: "cellar", want: "refused not-allowed phone", says: `client "phone" may not open the door it asks for`},
		"a_door_that_is_switched_off": {
			edit: func(s string) string { return strings.Replace(s, "list door 'nas'", "list door 'old'", 1) },
			door: "old", want: "refused disabled phone", says: `door "old" is switched off`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			text := home
			if tt.edit != nil {
				text = tt.edit(home)
			}
			r := newRig(t, text)
			r.message(phone, seal.Seal(tt.key, seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag(tt.door)}))
			if tt.key == (seal.Key{}) {
				r.message(phone, r.seal(seal.Body{Door: seal.Tag(tt.door)}))
			}
			if e := r.newest(); r.last() != tt.want || e.Detail != tt.says {
				t.Errorf("last event %q, %q, want %q, %q", r.last(), e.Detail, tt.want, tt.says)
			}
			if r.open("nas") != "" || r.open("web") != "" {
				t.Error("a door is open")
			}
		})
	}
	t.Run("a_client_that_knocks_without_end", func(t *testing.T) {
		r := newRig(t, home)
		for range 100 {
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
			r.now = r.now.Add(110 * time.Millisecond)
			r.Tick()
		}
		tooMany := func(e control.Event) bool { return e.Reason == "too-many" && e.Client == "phone" }
		if !slices.ContainsFunc(r.reported(), tooMany) {
			t.Errorf("events %v", r.reported())
		}
		if r.memory.writes > 65 { // 40 and one for each second, and one a second for what is refused
			t.Errorf("%d writes to flash", r.memory.writes)
		}
	})
	t.Run("more_than_forty_knocks_at_once_and_one_a_second", func(t *testing.T) {
		r := newRig(t, home)
		stamp := uint64(r.now.UnixMilli())
		refused := func() (n int) {
			for _, e := range r.reported() {
				if e.Reason == "too-many" {
					n += max(e.Count, 1)
				}
			}
			return n
		}
		accepted := func() bool {
			stamp++
			before := refused()
			r.message(phone, r.seal(seal.Body{Stamp: stamp, Door: seal.Tag("web")}))
			return refused() == before
		}
		for n := 1; n <= 41; n++ {
			if got, want := accepted(), n <= 40; got != want {
				t.Fatalf("knock %d: accepted %t, want %t; last event %q", n, got, want, r.last())
			}
		}
		if got, want := r.newest().Detail, "phone knocked more than 40 times in a row"; got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
		r.now = r.now.Add(time.Second)
		if first, second := accepted(), accepted(); !first || second {
			t.Errorf("a second later: accepted %t and %t, want the first only; last event %q", first, second, r.last())
		}
	})
	t.Run("of_one_client_are_not_those_of_another", func(t *testing.T) {
		r := newRig(t, strings.Replace(home, "\toption enabled '0'\n\nconfig sequence", "\nconfig sequence", 1)) // 'lost' knocks, too
		for i := range 41 {
			r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli() + int64(i)), Door: seal.Tag("web")}))
		}
		if r.last() != "refused too-many phone" {
			t.Fatalf("last event %q", r.last())
		}
		r.message(neighbour, seal.Seal(key(0x20), seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag("nas")}))
		if r.last() != "opened nas lost" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("by_a_firewall_that_fails", func(t *testing.T) {
		r := newRig(t, home)
		r.fw.Fail(errFull)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		if r.last() != "refused nas firewall phone" {
			t.Errorf("last event %q", r.last())
		}
	})
}

func TestFloodOfRefusalsIsLimited(t *testing.T) {
	r := newRig(t, home)
	for i := range 5000 {
		from := netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)})
		r.sequence(from, "7431/tcp", "2951/udp", "8811/tcp")
		r.now = r.now.Add(-149 * time.Millisecond)
	}
	if len(r.reported()) > 100 {
		t.Errorf("%d lines in the log for one flood", len(r.reported()))
	}
	r.now = r.now.Add(time.Minute)
	r.sequence(neighbour, "7431/tcp", "2951/udp", "8811/tcp")
	reported := 0
	for _, e := range r.reported() {
		reported += max(e.Count, 1) + e.Hidden
	}
	if reported != 5001 {
		t.Errorf("events tell of %d refusals, there were 5001", reported)
	}
}
