// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/clock"
)

// noon is when the router of these tests has been up for an hour.
var noon = clock.Moment{Wall: time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC), Boot: time.Hour}

// before is the moment d before noon, by both clocks.
func before(d time.Duration) clock.Moment {
	return clock.Moment{Wall: noon.Wall.Add(-d), Boot: noon.Boot - d}
}

// moved is noon by a wall clock that something set forward by d.
func moved(d time.Duration) clock.Moment {
	return clock.Moment{Wall: noon.Wall.Add(d), Boot: noon.Boot}
}

func said(action string, stratum int, at clock.Moment) *clock.Event {
	return &clock.Event{Action: action, Stratum: stratum, At: at}
}

func TestJudge(t *testing.T) {
	const ago = 3 * time.Minute
	tests := map[string]struct {
		now    clock.Moment
		last   *clock.Event
		alone  clock.Reason // why, if the kernel does not say that the clock is right
		kernel clock.Reason // why, if it does
		since  time.Duration
	}{
		"nobody_said_anything": {noon, nil, clock.Unset, clock.Kernel, 0},

		"NTP_follows_a_server":              {noon, said("stratum", 3, before(ago)), clock.NTP, clock.NTP, ago},
		"NTP_still_follows_it":              {noon, said("periodic", 15, before(ago)), clock.NTP, clock.NTP, ago},
		"NTP_stepped_and_says_its_stratum":  {noon, said("step", 2, before(ago)), clock.NTP, clock.NTP, ago},
		"NTP_says_so_at_this_very_moment":   {noon, said("stratum", 3, noon), clock.NTP, clock.NTP, 0},
		"NTP_has_been_silent_just_bearably": {noon, said("periodic", 3, before(clock.Patience)), clock.NTP, clock.NTP, clock.Patience},

		"NTP_lost_its_servers":                {noon, said("unsync", 16, before(ago)), clock.Unsync, clock.Unsync, ago},
		"NTP_lost_them_and_has_an_old_number": {noon, said("unsync", 3, before(ago)), clock.Unsync, clock.Unsync, ago},
		"NTP_still_has_none":                  {noon, said("periodic", 16, before(ago)), clock.Unsync, clock.Unsync, ago},
		"NTP_follows_nobody":                  {noon, said("stratum", 16, before(ago)), clock.Unsync, clock.Unsync, ago},

		"NTP_has_been_silent_too_long":                {noon, said("periodic", 3, before(clock.Patience+1)), clock.Silent, clock.Kernel, clock.Patience + 1},
		"NTP_lost_its_servers_and_is_gone":            {noon, said("unsync", 16, before(clock.Patience+1)), clock.Silent, clock.Kernel, clock.Patience + 1},
		"a_leap_second":                               {moved(-time.Second), said("stratum", 3, before(ago)), clock.NTP, clock.NTP, ago},
		"a_wall_clock_at_the_slack":                   {moved(clock.Slack), said("stratum", 3, before(ago)), clock.NTP, clock.NTP, ago},
		"a_wall_clock_back_by_the_slack":              {moved(-clock.Slack), said("stratum", 3, before(ago)), clock.NTP, clock.NTP, ago},
		"a_wall_clock_that_was_set_forward":           {moved(clock.Slack + 1), said("stratum", 3, before(ago)), clock.Moved, clock.Kernel, ago},
		"a_wall_clock_that_was_set_back":              {moved(-clock.Slack - 1), said("stratum", 3, before(ago)), clock.Moved, clock.Kernel, ago},
		"a_wall_clock_that_was_set_back_by_centuries": {moved(-290 * 365 * 24 * time.Hour), said("stratum", 3, before(ago)), clock.Moved, clock.Kernel, ago},

		"an_event_of_a_longer_run_before_this_one":  {noon, said("stratum", 3, clock.Moment{Wall: noon.Wall.Add(-ago), Boot: noon.Boot + 1}), clock.Unset, clock.Kernel, 0},
		"an_event_of_a_shorter_run_before_this_one": {noon, said("stratum", 3, clock.Moment{Wall: noon.Wall.Add(-9 * time.Hour), Boot: noon.Boot - ago}), clock.Moved, clock.Kernel, ago},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			for kernel, reason := range map[bool]clock.Reason{false: tt.alone, true: tt.kernel} {
				want := clock.Verdict{Right: reason == clock.NTP || reason == clock.Kernel, Reason: reason}
				if reason != clock.Kernel && reason != clock.Unset {
					want.Since = tt.now.Wall.Add(-tt.since)
				}
				if diff := cmp.Diff(want, clock.Judge(tt.now, kernel, tt.last)); diff != "" {
					t.Errorf("kernel %t: verdict (-want +got):\n%s", kernel, diff)
				}
			}
		})
	}
}

// What BusyBox ntpd says in an hour, and what the router may believe at each time. A step is told
// twice, in either order.
func TestJudge_follows_ntpd(t *testing.T) {
	type step struct {
		after  time.Duration // since the start
		wall   time.Duration // by which the wall clock is set at that time
		says   []*clock.Event
		reason clock.Reason
	}
	minutes := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	stepped := said("step", 16, clock.Moment{})
	found := said("stratum", 2, clock.Moment{})
	for name, both := range map[string][]*clock.Event{
		"that_tells_of_a_step_first": {stepped, found},
		"that_tells_of_a_step_last":  {found, stepped},
	} {
		t.Run(name, func(t *testing.T) {
			steps := []step{
				{after: minutes(1), reason: clock.Unset},
				{after: minutes(2), wall: 6 * 365 * 24 * time.Hour, says: both, reason: clock.NTP},
				{after: minutes(13), says: []*clock.Event{said("periodic", 2, clock.Moment{})}, reason: clock.NTP},
				{after: minutes(53), reason: clock.NTP},
				{after: minutes(54), reason: clock.Silent},
				{after: minutes(55), says: []*clock.Event{found}, reason: clock.NTP},
				{after: minutes(56), wall: -time.Hour, reason: clock.Moved}, // date -s
				{after: minutes(58), wall: time.Hour, says: both, reason: clock.NTP},
				{after: minutes(70), says: []*clock.Event{said("unsync", 16, clock.Moment{})}, reason: clock.Unsync},
				{after: minutes(81), says: []*clock.Event{said("periodic", 16, clock.Moment{})}, reason: clock.Unsync},
				{after: minutes(85), says: []*clock.Event{found}, reason: clock.NTP},
			}
			wall := time.Unix(0, 0)
			var last *clock.Event
			for _, s := range steps {
				wall = wall.Add(s.wall)
				now := clock.Moment{Wall: wall.Add(s.after), Boot: s.after}
				for _, e := range s.says {
					if e.Tells() {
						last = said(e.Action, e.Stratum, now)
					}
				}
				if got := clock.Judge(now, false, last); got.Reason != s.reason {
					t.Errorf("after %s: %+v, want %s", s.after, got, s.reason)
				}
			}
		})
	}
}
