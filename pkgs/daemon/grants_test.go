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

func TestWhoseGrant(t *testing.T) {
	text := strings.Replace(home, "\toption enabled '0'\n\nconfig sequence", "\nconfig sequence", 1) // 'lost' knocks, too
	press := func(c *clocks, first byte, from netip.Addr, b seal.Body) {
		c.pass(time.Second)
		b.Stamp, b.Door = uint64(c.wall.UnixMilli()), seal.Tag("nas")
		c.message(from, seal.Seal(key(first), b))
	}
	const a, b = 0, 0x20
	t.Run("B_cannot_close_what_A_opened", func(t *testing.T) {
		c := newClocks(t, text, start, true)
		press(c, a, phone, seal.Body{})
		press(c, b, phone, seal.Body{Close: true})
		if e := c.newest(); e.Kind != "refused" || e.Client != "lost" || !strings.Contains(e.Detail, "open to this address for phone") {
			t.Errorf("event %+v", e)
		}
		c.want("203.0.113.7")
	})
	t.Run("A_closes_its_own_use_and_B_stays_in", func(t *testing.T) {
		c := newClocks(t, text, start, true)
		press(c, a, phone, seal.Body{})
		press(c, b, neighbour, seal.Body{Address: phone, Minutes: 30})
		press(c, a, phone, seal.Body{Close: true})
		if e := c.newest(); e.Kind != "closed" || e.Client != "phone" || !strings.Contains(e.Detail, "it stays open to 203.0.113.7 for lost") {
			t.Errorf("event %+v", e)
		}
		if got := c.open("nas"); got != "203.0.113.7 29m59s" {
			t.Errorf("open for %q", got)
		}
		press(c, b, neighbour, seal.Body{Address: phone, Close: true})
		c.want("")
	})
	t.Run("no_client_closes_what_the_owner_opened", func(t *testing.T) {
		c := newClocks(t, text, start, true)
		c.ask(t, control.Request{Method: "open", Door: "nas", Address: "203.0.113.7"})
		press(c, a, phone, seal.Body{Close: true})
		if c.last() != "refused nas not-allowed phone" {
			t.Errorf("last event %q", c.last())
		}
		c.want("203.0.113.7")
	})
	t.Run("closing_what_is_not_open_says_so_once_a_press", func(t *testing.T) {
		c := newClocks(t, text, start, true)
		press(c, a, phone, seal.Body{Close: true})
		c.pass(time.Millisecond)
		c.message(phone, seal.Seal(key(a), seal.Body{Stamp: uint64(c.wall.UnixMilli()), Door: seal.Tag("nas"), Close: true}))
		reported := c.reported()
		if len(reported) != 1 || reported[0].Kind != "closed" || reported[0].Detail != "it was not open to this address" {
			t.Errorf("events %+v", reported)
		}
		for range 2 { // the next press begins five seconds later
			c.pass(5 * time.Second)
			c.message(phone, seal.Seal(key(a), seal.Body{Stamp: uint64(c.wall.UnixMilli()), Door: seal.Tag("nas"), Close: true}))
		}
		if reported := c.reported(); len(reported) != 3 {
			t.Errorf("after two more presses %d events, want 3: %+v", len(reported), reported)
		}
	})
}

func TestExpiryEndsGrants(t *testing.T) {
	until := func(at string) string {
		return strings.Replace(home, "client 'phone'\n", "client 'phone'\n\toption expires '"+at+"'\n", 1)
	}
	t.Run("that_a_reload_brings_forward", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.text = until(start.Add(2 * time.Minute).Format(time.RFC3339))
		c.Reload()
		if got := c.open("nas"); got != "203.0.113.7 2m0s" {
			t.Errorf("open for %q", got)
		}
		c.text = until(start.Add(-time.Minute).Format(time.RFC3339))
		c.Reload()
		c.want("")
		if !slices.ContainsFunc(c.reported(), func(e control.Event) bool { return e.Kind == "closed" && e.Detail == "the client has expired" }) {
			t.Errorf("events %+v", c.reported())
		}
	})
	t.Run("that_a_reload_ends_to_the_nanosecond", func(t *testing.T) {
		c := newClocks(t, home, start.Truncate(time.Second).Add(-1), true)
		c.message(phone, made(c.wall))
		c.text = until(start.Format(time.RFC3339))
		c.Reload()
		if c.open("nas") == "" {
			t.Errorf("a nanosecond before the end: last event %+v", c.newest())
		}
		c.text = home
		c.Reload()
		c.message(phone, made(c.wall.Add(time.Second))) // for longer again
		c.pass(1)
		c.text = until(start.Format(time.RFC3339))
		c.Reload()
		if !slices.ContainsFunc(c.reported(), func(e control.Event) bool { return e.Kind == "closed" && e.Detail == "the client has expired" }) {
			t.Errorf("at the end: events %+v", c.reported())
		}
	})
	t.Run("that_the_firewall_does_not_shorten_is_told", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.fw.Fail(errFull)
		c.text = until(start.Add(2 * time.Minute).Format(time.RFC3339))
		c.Reload()
		if !slices.ContainsFunc(c.reported(), func(e control.Event) bool {
			return e.Kind == "trouble" && strings.HasPrefix(e.Detail, "firewall: ") && strings.Contains(e.Detail, errFull.Error())
		}) {
			t.Errorf("events %+v", c.reported())
		}
		c.fw.Fail(nil)
		c.pass(5 * time.Second)
		if got := c.open("nas"); got != "203.0.113.7 1m55s" {
			t.Errorf("when it can be shortened again it is open for %q", got)
		}
	})
	t.Run("while_the_routers_clock_is_not_right", func(t *testing.T) {
		c := newClocks(t, until(start.Add(3*time.Minute).Format(time.RFC3339)), time.Unix(34, 0), false)
		c.message(phone, made(start))
		if got := c.open("nas"); got != "203.0.113.7 3m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("and_nothing_opens_by_a_message_from_after_it", func(t *testing.T) {
		c := newClocks(t, until(start.Format(time.RFC3339)), time.Unix(34, 0), false)
		c.message(phone, made(start.Add(time.Hour)))
		if c.open("nas") != "" || c.last() != "refused expired phone" {
			t.Errorf("open for %q, last event %q", c.open("nas"), c.last())
		}
	})
	t.Run("when_NTP_tells_the_time", func(t *testing.T) {
		c := newClocks(t, until(start.Format(time.RFC3339)), time.Unix(34, 0), false)
		c.message(phone, made(start.Add(-time.Hour)))
		if c.open("nas") == "" {
			t.Fatalf("last event %q", c.last())
		}
		c.ntp(start.Add(time.Second))
		if c.open("nas") != "" || c.newest().Detail != "the client has expired" {
			t.Errorf("open for %q, event %+v", c.open("nas"), c.newest())
		}
	})
}

func TestGrantsThatAReloadRevokes(t *testing.T) {
	t.Run("end_also_where_the_firewall_refuses_at_first", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.fw.Fail(errFull)
		c.text = strings.Replace(home, "client 'phone'\n", "client 'phone'\n\toption enabled '0'\n", 1)
		c.Reload()
		c.fw.Fail(nil)
		c.pass(5 * time.Second)
		if got := c.open("nas"); got != "" {
			t.Errorf("open for %q", got)
		}
	})
	newKey := strings.Replace(home, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", key(0x40).Text(), 1)
	t.Run("end_also_where_an_old_key_s_are_refused_at_first", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.fw.Fail(errFull)
		c.text = newKey
		c.Reload()
		c.pass(5 * time.Second)
		c.Reload() // in which the key is the same as before
		c.fw.Fail(nil)
		c.pass(5 * time.Second)
		if got := c.open("nas"); got != "" || c.newest().Detail == "" {
			t.Errorf("open for %q", got)
		}
		if !slices.ContainsFunc(c.reported(), func(e control.Event) bool { return e.Kind == "closed" && e.Detail == "the client has a new key" }) {
			t.Errorf("events %+v", c.reported())
		}
		c.pass(time.Second)
		c.message(phone, seal.Seal(key(0x40), seal.Body{Stamp: uint64(c.wall.UnixMilli()), Door: seal.Tag("nas")}))
		c.pass(5 * time.Second)
		c.want("203.0.113.7")
	})
	t.Run("are_not_those_that_a_new_key_prolonged_meanwhile", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.fw.Fail(errFull)
		c.text = newKey
		c.Reload()
		c.pass(time.Second)
		c.fw.Fail(nil)
		c.message(phone, seal.Seal(key(0x40), seal.Body{Stamp: uint64(c.wall.UnixMilli()), Door: seal.Tag("nas")}))
		c.pass(5 * time.Second)
		c.want("203.0.113.7")
	})
	t.Run("are_those_of_an_old_key", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall))
		c.text = newKey
		c.Reload()
		if got := c.open("nas"); got != "" {
			t.Errorf("open for %q", got)
		}
	})
}
