// SPDX-License-Identifier: Apache-2.0

package clock_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/clock"
)

func TestEvent(t *testing.T) {
	tests := []struct {
		action, stratum string
		want            clock.Event
		err             string
		keep, right     bool
	}{
		{action: "step", stratum: "16", want: *said("step", 16, noon)},
		{action: "step", stratum: "3", want: *said("step", 3, noon), keep: true, right: true},
		{action: "stratum", stratum: "1", want: *said("stratum", 1, noon), keep: true, right: true},
		{action: "periodic", stratum: "15", want: *said("periodic", 15, noon), keep: true, right: true},
		{action: "periodic", stratum: "16", want: *said("periodic", 16, noon), keep: true},
		{action: "unsync", stratum: "16", want: *said("unsync", 16, noon), keep: true},
		{action: "unsync", stratum: "2", want: *said("unsync", 2, noon), keep: true},
		{action: "", stratum: "2", err: `action "" is none of step, stratum, periodic and unsync`},
		{action: "Stratum", stratum: "2", err: `action "Stratum" is none of step, stratum, periodic and unsync`},
		{action: "stratum", stratum: "", err: `stratum "" is not a number from 1 to 16`},
		{action: "stratum", stratum: "0", err: `stratum "0" is not a number from 1 to 16`},
		{action: "stratum", stratum: "17", err: `stratum "17" is not a number from 1 to 16`},
		{action: "stratum", stratum: "2.5", err: `stratum "2.5" is not a number from 1 to 16`},
	}
	for _, tt := range tests {
		t.Run(tt.action+" "+tt.stratum, func(t *testing.T) {
			e, err := clock.NewEvent(tt.action, tt.stratum, noon)
			if message(err) != tt.err {
				t.Fatalf("error %v, want %q", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, e); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
			if err == nil && (e.Replaces(nil) != tt.keep || e.Right() != tt.right) {
				t.Errorf("it is kept: %t, says right: %t; want %t, %t", e.Replaces(nil), e.Right(), tt.keep, tt.right)
			}
		})
	}
}

func TestReplaces(t *testing.T) {
	tests := map[string]struct {
		event, last *clock.Event
		want        bool
	}{
		"unsync_that_comes_just_behind_periodic": {said("unsync", 16, noon), said("periodic", 3, before(time.Millisecond)), true},
		"periodic_that_comes_just_behind_unsync": {said("periodic", 3, noon), said("unsync", 16, before(time.Millisecond)), false},
		"periodic_that_comes_together_with_it":   {said("periodic", 3, noon), said("unsync", 16, noon), false},
		"periodic_much_too_early":                {said("periodic", 3, noon), said("unsync", 16, before(10*time.Minute-1)), false},
		"periodic_in_its_time":                   {said("periodic", 3, noon), said("stratum", 3, before(10*time.Minute)), true},
		"periodic_after_one_of_a_run_before":     {said("periodic", 3, noon), said("unsync", 16, before(-time.Minute)), true},
		"stratum_that_comes_soon_after_unsync":   {said("stratum", 3, noon), said("unsync", 16, before(time.Second)), true},
		"step_without_a_stratum":                 {said("step", 16, noon), said("stratum", 3, before(time.Hour)), false},
		"step_with_a_stratum":                    {said("step", 3, noon), said("unsync", 16, before(time.Second)), true},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tt.event.Replaces(tt.last); got != tt.want {
				t.Errorf("%+v replaces %+v: %t", tt.event, tt.last, got)
			}
		})
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// longest is the event whose record has the most bytes.
var longest = *said("periodic", 16, clock.Moment{Wall: time.Unix(0, math.MinInt64), Boot: math.MaxInt64})

func TestRecord(t *testing.T) {
	for _, want := range []clock.Event{*said("stratum", 3, noon), *said("unsync", 16, before(time.Hour)), longest} {
		record := want.Append(nil)
		got, err := clock.Parse(record)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%q: %v, (-want +got):\n%s", record, err, diff)
		}
		for n := range record { // as after a write that was cut off
			if e, err := clock.Parse(record[:n]); err == nil {
				t.Errorf("%q is taken as %+v", record[:n], e)
			}
		}
	}
	if got, want := string(said("stratum", 3, noon).Append(nil)), "stratum 3 3600000000000 1795608000000000000\n"; got != want {
		t.Errorf("record %q, want %q", got, want)
	}
}

func TestParse_refuses(t *testing.T) {
	tests := map[string]struct{ record, want string }{
		"nothing":              {"", `event "" is not a line of action, stratum and two times`},
		"a_word_too_many":      {"stratum 3 1 2 3\n", `event "stratum 3 1 2 3\n" is not a line of action, stratum and two times`},
		"two_lines":            {"stratum 3 1 2\nunsync 16 2 3\n", "event \"stratum 3 1 2\\nunsync 16 2 3\\n\" is not a line of action, stratum and two times"},
		"bytes_without_end":    {strings.Repeat("0", 1000) + "stratum 3 1 2\n", "is not a line of action, stratum and two times"},
		"too_many_zeros":       {"stratum 3 " + strings.Repeat("0", clock.MaxRecord) + "1 2\n", "is not a line of action, stratum and two times"},
		"no_event":             {"stop 3 1 2\n", `action "stop" is none of step, stratum, periodic and unsync`},
		"no_stratum":           {"stratum x 1 2\n", `stratum "x" is not a number from 1 to 16`},
		"a_start_in_the_past":  {"stratum 3 -1 2\n", `event's time since the start "-1" is not a number of nanoseconds`},
		"a_start_too_far_away": {"stratum 3 9223372036854775808 2\n", `event's time since the start "9223372036854775808" is not a number of nanoseconds`},
		"no_time":              {"stratum 3 1 noon\n", `event's time since 1970 "noon" is not a number of nanoseconds`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if e, err := clock.Parse([]byte(tt.record)); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Parse(%q) = %+v, %v; want %s", tt.record, e, err, tt.want)
			}
		})
	}
}

// FuzzParse: whatever stands in the record, judging by it does not panic, and what is taken is
// written as it was read.
func FuzzParse(f *testing.F) {
	f.Add(said("stratum", 3, noon).Append(nil), int64(1795608000), int64(time.Hour))
	f.Add(longest.Append(nil), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add(longest.Append(nil), int64(math.MinInt64), int64(0))
	f.Fuzz(func(t *testing.T, record []byte, seconds, boot int64) {
		e, err := clock.Parse(record)
		if err != nil {
			return
		}
		if again, err := clock.Parse(e.Append(nil)); err != nil || again != e {
			t.Errorf("%q is read as %+v and then as %+v, %v", record, e, again, err)
		}
		v := clock.Judge(clock.Moment{Wall: time.Unix(seconds, 0), Boot: time.Duration(boot)}, false, &e)
		if v.Right && (e.Action == "unsync" || boot < int64(e.At.Boot)) {
			t.Errorf("%q is believed", record)
		}
	})
}
