// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"slices"
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

// What BusyBox ntpd says in a day, and what the router may believe after each time. Where it says two
// things at once, its script may hear them in either order.
func TestJudge_follows_ntpd(t *testing.T) {
	type say struct {
		action  string
		stratum int
	}
	steps := []struct {
		minute int           // since the start
		wall   time.Duration // by which the wall clock is set at that time
		says   []say
		reason clock.Reason
	}{
		{minute: 1, reason: clock.Unset},
		{minute: 2, wall: 6 * 365 * 24 * time.Hour, says: []say{{"step", 16}}, reason: clock.Unset},
		{minute: 3, says: []say{{"stratum", 3}}, reason: clock.NTP},
		{minute: 14, says: []say{{"periodic", 3}}, reason: clock.NTP},
		{minute: 54, reason: clock.NTP},
		{minute: 55, reason: clock.Silent},
		{minute: 56, says: []say{{"stratum", 3}}, reason: clock.NTP},
		{minute: 57, wall: -time.Hour, reason: clock.Moved}, // date -s
		{minute: 58, wall: time.Hour, says: []say{{"step", 16}, {"stratum", 3}}, reason: clock.NTP},
		{minute: 69, says: []say{{"periodic", 3}, {"unsync", 16}}, reason: clock.Unsync},
		{minute: 80, says: []say{{"periodic", 16}}, reason: clock.Unsync},
		{minute: 85, says: []say{{"stratum", 3}}, reason: clock.NTP},
	}
	for name, order := range map[string]func([]say){
		"in_its_order": func([]say) {}, "in_the_other_order": slices.Reverse[[]say],
	} {
		t.Run(name, func(t *testing.T) {
			wall := time.Unix(0, 0)
			var last *clock.Event
			for _, s := range steps {
				wall = wall.Add(s.wall)
				up := time.Duration(s.minute) * time.Minute
				now := clock.Moment{Wall: wall.Add(up), Boot: up}
				says := slices.Clone(s.says)
				order(says)
				for _, x := range says {
					if e := said(x.action, x.stratum, now); e.Replaces(last) {
						last = e
					}
				}
				if got := clock.Judge(now, false, last); got.Reason != s.reason {
					t.Errorf("after %s: %+v, want %s", up, got, s.reason)
				}
			}
		})
	}
}
