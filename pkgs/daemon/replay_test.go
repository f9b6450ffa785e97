// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// clocks is a rig whose two clocks can part.
type clocks struct {
	*rig
	wall    time.Time
	elapsed time.Duration
}

func newClocks(t *testing.T, text string, wall time.Time, synced bool) *clocks {
	c := &clocks{wall: wall}
	c.rig = newRigWith(t, text, newMemory(), moment(wall, 0), synced)
	return c
}

// pass lets time pass.
func (c *clocks) pass(d time.Duration) {
	c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d
	c.now = moment(c.wall, c.elapsed)
	c.Tick()
}

// ntp sets the router's clock right.
func (c *clocks) ntp(wall time.Time) {
	c.wall, c.synced = wall, true
	c.pass(0)
}

// made seals client phone's wish for door nas, by a clock that says this time.
func made(at time.Time) []byte {
	return seal.Seal(key(0), seal.Body{Stamp: uint64(at.UnixMilli()), Door: seal.Tag("nas")})
}

// want says who must be in, "" = nobody, and closes the door again.
func (c *clocks) want(who string) {
	c.t.Helper()
	got, _, _ := strings.Cut(c.open("nas"), " ")
	if got != who {
		c.t.Errorf("open for %q, want %q; last event %q", got, who, c.last())
	}
	c.ask(c.t, control.Request{Method: "close", Door: "nas"})
}

func TestUsedUpWhenReceived(t *testing.T) {
	const friday = 4 * 24 * time.Hour
	for _, synced := range []bool{true, false} {
		t.Run("a_press_that_was_blocked_on_Monday_is_dead_a_second_after_the_owners_knock_on_Friday", func(t *testing.T) {
			c := newClocks(t, home, start, synced)
			blocked := made(c.wall)
			c.pass(friday)
			c.message(phone, made(c.wall))
			c.want("203.0.113.7")
			c.pass(time.Second)
			c.message(neighbour, blocked)
			c.want("")
		})
	}
	t.Run("a_client_9_minutes_ahead_whose_SYNs_were_blocked_opens_for_nobody_later", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		press := c.wall.Add(9 * time.Minute)
		c.message(phone, made(press)) // by UDP; by TCP it would have been one later
		if c.last() != "refused stale phone" {
			t.Fatalf("last event %q", c.last())
		}
		for range 20 {
			c.pass(30 * time.Second)
			c.message(neighbour, made(press.Add(time.Millisecond)))
			c.want("")
		}
	})
	t.Run("a_phone_a_day_ahead_of_a_router_without_a_clock_gets_in_after_NTP", func(t *testing.T) {
		c := newClocks(t, home, time.Unix(34, 0), false)
		ahead := made(start.Add(24 * time.Hour))
		c.message(phone, ahead)
		c.want("203.0.113.7")
		c.pass(time.Minute)
		c.ntp(start.Add(time.Minute))
		c.pass(time.Second)
		c.message(phone, made(c.wall)) // its clock was set, too
		c.want("203.0.113.7")
		c.pass(24*time.Hour - time.Minute)
		for _, late := range []time.Duration{0, time.Millisecond, 100 * time.Millisecond, -100 * time.Millisecond} {
			c.message(neighbour, ahead)
			c.message(neighbour, made(start.Add(24*time.Hour+late)))
			c.want("")
		}
		c.message(phone, made(c.wall))
		c.want("203.0.113.7")
	})
	t.Run("a_phone_60_s_ahead_that_is_set_right_gets_in_at_once", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		var phoneStamps seal.Sent
		first := phoneStamps.Press(c.wall.Add(60*time.Second), 1)
		c.message(phone, c.sealAt(first.Starts[0]))
		c.want("203.0.113.7")
		c.pass(10 * time.Second)
		second := phoneStamps.Press(c.wall, 1)
		for _, start := range second.Starts {
			c.message(phone, c.sealAt(start))
		}
		c.want("203.0.113.7")
	})
	t.Run("of_the_stamps_of_one_press_only_the_one_that_counts_is_told", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		var phoneStamps seal.Sent
		phoneStamps.Press(c.wall.Add(10*time.Minute), 1)
		starts := phoneStamps.Press(c.wall, 1).Starts
		for _, stamp := range starts {
			c.message(phone, c.sealAt(stamp))
			c.pass(time.Second)
		}
		if reported := c.reported(); len(starts) != 2 || len(reported) != 1 || reported[0].Kind != "opened" {
			t.Errorf("stamps %v, events %+v", starts, reported)
		}
	})
	t.Run("the_copy_over_a_family_that_the_door_has_not_opens_for_no_neighbour", func(t *testing.T) {
		c := newClocks(t, strings.Replace(home, "\toption dest_ip6 '2001:db8:2::22'\n", "", 1), start, true)
		msg := made(c.wall)
		c.message(phone6, msg)
		c.want("")
		c.pass(45 * time.Second)
		c.message(neighbour, msg)
		c.want("")
	})
	t.Run("its_twin_over_the_other_family_still_opens", func(t *testing.T) {
		c := newClocks(t, strings.Replace(home, "\toption dest_ip6 '2001:db8:2::22'\n", "", 1), start, true)
		msg := made(c.wall)
		c.message(phone6, msg)
		c.pass(300 * time.Millisecond)
		c.message(phone, msg)
		c.want("203.0.113.7")
	})
	for reason, edit := range map[string][2]string{
		"disabled":    {"client 'phone'\n", "client 'phone'\n\toption enabled '0'\n"},
		"expired":     {"client 'phone'\n", "client 'phone'\n\toption expires '2026-11-21'\n"},
		"not-allowed": {"\tlist door 'nas'\n\tlist door 'web'\n", "\tlist door 'web'\n"},
	} {
		t.Run("also_when_refused_as_"+reason, func(t *testing.T) {
			c := newClocks(t, strings.Replace(home, edit[0], edit[1], 1), start, true)
			msg := made(c.wall)
			c.message(phone, msg)
			if c.newest().Reason != reason {
				t.Fatalf("last event %q", c.last())
			}
			c.text = home
			c.Reload()
			c.message(neighbour, msg)
			c.want("")
		})
	}
	t.Run("also_over_a_power_failure_more_than_a_second_later", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		ahead := made(c.wall.Add(2 * time.Minute))
		c.message(phone, ahead)
		c.pass(time.Second)
		r := newRigWith(t, home, c.memory, c.now.Add(2*time.Minute), true)
		r.message(neighbour, ahead)
		if r.last() != "refused replayed phone" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("and_refusals_cost_one_write_a_second_for_all_clients", func(t *testing.T) {
		c := newClocks(t, strings.Replace(home, "\toption enabled '0'\n\nconfig sequence", "\nconfig sequence", 1), start, true)
		for i := range 50 {
			at := uint64(c.wall.Add(10 * time.Minute).UnixMilli())
			c.message(phone, seal.Seal(key(byte(0x20*(i%2))), seal.Body{Stamp: at, Door: seal.Tag("nas")}))
			c.pass(100 * time.Millisecond)
		}
		if c.memory.writes < 4 || c.memory.writes > 6 {
			t.Errorf("%d writes in 5 s", c.memory.writes)
		}
	})
	t.Run("is_written_when_the_daemon_ends", func(t *testing.T) {
		c := newClocks(t, home, start, true)
		c.message(phone, made(c.wall.Add(10*time.Minute)))
		if c.memory.writes != 0 {
			t.Fatal("it is written already")
		}
		c.stop()
		if c.memory.writes != 1 {
			t.Errorf("%d writes", c.memory.writes)
		}
	})
}

// What is left of the promise: see SECURITY.md.
func TestBlockedPressFromTheFuture(t *testing.T) {
	blocked := made(start.Add(24*time.Hour - time.Hour))
	after := func(t *testing.T) *clocks {
		c := newClocks(t, home, time.Unix(34, 0), false)
		c.message(phone, made(start.Add(24*time.Hour)))
		c.want("203.0.113.7")
		c.ntp(start)
		return c
	}
	t.Run("counts_at_its_own_time_only", func(t *testing.T) {
		c := after(t)
		for range 22 {
			c.message(neighbour, blocked)
			c.want("")
			c.pass(time.Hour)
		}
	})
	t.Run("is_dead_once_the_owner_knocked_later", func(t *testing.T) {
		c := after(t)
		c.pass(23*time.Hour + 10*time.Second)
		c.message(phone, made(c.wall))
		c.want("203.0.113.7")
		c.message(neighbour, blocked)
		c.want("")
	})
	t.Run("is_dead_where_the_clock_is_not_right_any_more", func(t *testing.T) {
		c := after(t)
		c.synced = false
		c.pass(time.Minute)
		c.message(neighbour, blocked)
		c.want("")
	})
}

func TestForget(t *testing.T) {
	forget := control.Request{Method: "forget", Client: "phone"}
	for name, ahead := range map[string]time.Duration{"a_minute": time.Minute, "a_day": 24 * time.Hour} {
		t.Run("of_a_client_that_was_ahead_by_"+name, func(t *testing.T) {
			c := newClocks(t, home, start, false)
			used := made(c.wall.Add(ahead))
			c.message(phone, used)
			c.want("203.0.113.7")
			c.ntp(start)
			c.pass(10 * time.Second)
			c.ask(t, forget)
			c.message(phone, made(c.wall))
			c.want("203.0.113.7") // useful at once
			for left := 2 * ahead; left > 0; left -= ahead / 8 {
				c.message(neighbour, used)
				c.message(neighbour, seal.Seal(key(0), seal.Body{Stamp: uint64(start.Add(ahead).UnixMilli()) + 100, Door: seal.Tag("nas")}))
				c.want("") // and safe
				c.pass(ahead / 8)
			}
		})
	}
	t.Run("is_refused_while_the_clock_is_not_right", func(t *testing.T) {
		c := newClocks(t, home, start, false)
		c.message(phone, made(c.wall))
		before := c.memory.pasts
		err := c.Answer(t.Context(), forget, func(any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "clock is not known to be right") {
			t.Errorf("error %v", err)
		}
		if e, ok := err.(*control.Error); !ok || !strings.Contains(e.Hint, "new key") {
			t.Errorf("error %v offers no new key", err)
		}
		if len(before) != len(c.memory.pasts) {
			t.Error("something was forgotten")
		}
	})
}

func TestOneTimeSequenceOnce(t *testing.T) {
	first := []string{"5100/tcp", "6200/tcp", "4300/tcp"}
	t.Run("counts_once_also_while_a_reload_is_prepared", func(t *testing.T) {
		r := newRig(t, home)
		r.while = func() { r.sequence(phone, first...) }
		r.text = strings.Replace(home, "'8443'", "'8444'", 1)
		r.Reload()
		r.while = nil
		if r.open("web") == "" {
			t.Fatalf("last event %q", r.last())
		}
		r.ask(t, control.Request{Method: "close", Door: "web"})
		r.now = r.now.Add(time.Minute)
		r.sequence(neighbour, first...)
		if r.open("web") != "" {
			t.Error("it opened once more")
		}
		r.now = r.now.Add(time.Minute)
		r.sequence(phone, "5500/tcp", "4600/tcp", "6700/tcp")
		if r.open("web") == "" {
			t.Errorf("the next one of the list does not open: last event %q", r.last())
		}
	})
	t.Run("counts_once_also_where_it_stands_in_two_lists", func(t *testing.T) {
		r := newRig(t, home+"config sequence 'twin'\n\tlist once '"+strings.Join(first, " ")+"'\n\tlist door 'nas'\n")
		r.sequence(phone, first...)
		var reported []string
		for _, e := range r.reported() {
			if e.Kind != "trouble" { // the list is used up
				reported = append(reported, e.Kind+" "+e.Door+" "+e.Detail)
			}
		}
		if want := []string{"opened web ", "refused  a one-time sequence that was used before"}; !slices.Equal(reported, want) {
			t.Errorf("events %q, want %q", reported, want)
		}
		if r.open("nas") != "" {
			t.Error("one use opened both doors")
		}
	})
	t.Run("counts_once_also_under_a_new_name", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, first...)
		r.ask(t, control.Request{Method: "close", Door: "web"})
		r.text = strings.Replace(home, "sequence 'once'", "sequence 'again'", 1)
		r.Reload()
		r.now = r.now.Add(time.Minute)
		r.sequence(neighbour, first...)
		if r.open("web") != "" {
			t.Error("it opened once more")
		}
	})
	t.Run("of_a_client_that_is_switched_off_or_expired_opens_nothing", func(t *testing.T) {
		for _, option := range []string{"enabled '0'", "expires '2026-11-21'"} {
			r := newRig(t, strings.Replace(home, "client 'phone'\n", "client 'phone'\n\toption "+option+"\n", 1))
			r.sequence(phone, first...)
			if r.open("web") != "" || r.newest().Kind != "refused" {
				t.Errorf("%s: open for %q, last event %q", option, r.open("web"), r.last())
			}
		}
	})
}

// A message that was too old when the router had no clock would count when it has one, if it were not
// remembered that it came.
func TestOvertakenMessageIsUsedUpAlsoAfterAPowerFailure(t *testing.T) {
	c := newClocks(t, home, start, false)
	c.message(phone, made(start.Add(24*time.Hour))) // its clock was ahead, and is set now
	c.pass(6 * time.Second)
	msg := made(c.wall)
	c.message(phone, msg)
	if c.last() != "refused replayed phone" || c.newest().Detail != "a message that is older than one that was accepted" {
		t.Fatalf("last event %+v", c.newest())
	}
	c.pass(2 * time.Second)
	r := newRigWith(t, home, c.memory, c.wall, true)
	r.message(neighbour, msg)
	if r.open("nas") != "" || r.last() != "refused replayed phone" {
		t.Errorf("open for %q, last event %q", r.open("nas"), r.last())
	}
}

func TestWhatCannotBeWrittenIsTriedAgainEveryFiveSeconds(t *testing.T) {
	c := newClocks(t, home, start, true)
	c.memory.full = true
	c.message(phone, made(c.wall.Add(-10*time.Minute))) // refused, and used up
	for range 100 {
		c.pass(100 * time.Millisecond)
	}
	if c.memory.fails != 2 { // after 1 s, and 5 s later
		t.Errorf("%d tries in 10 s, want 2", c.memory.fails)
	}
	c.memory.full = false
	c.pass(5 * time.Second)
	if c.memory.writes != 1 {
		t.Errorf("%d writes when there is room, want 1", c.memory.writes)
	}
	c.memory.full = true
	c.message(phone, made(c.wall.Add(-11*time.Minute)))
	c.pass(2 * time.Second)
	if got := c.newest().Detail; got != "memory: "+errFull.Error() {
		t.Errorf("it is reported %q", got)
	}
	c.memory.full = false
	before := c.newest().Number
	c.message(phone, made(c.wall)) // saves the rest, too
	var reported []string
	for _, e := range c.Events(before) {
		reported = append(reported, e.Kind+" "+e.Detail)
	}
	if want := []string{"trouble memory: works again", "opened "}; !slices.Equal(reported, want) {
		t.Errorf("a knock when there is room: events %q, want %q", reported, want)
	}
}

// stop ends the daemon in order.
func (c *clocks) stop() {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	cancel()
	if err := c.Run(ctx, nil); err != nil {
		c.t.Fatal(err)
	}
}
