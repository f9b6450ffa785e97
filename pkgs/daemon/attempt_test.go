// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// debug is home with a log that has everything.
var debug = strings.Replace(home, "option enabled '1'", "option enabled '1'\n\toption log_level 'debug'", 1)

// logged returns what the log has got so far.
func (r *rig) logged() (list []control.Event) {
	ctx, cancel := context.WithCancel(r.t.Context())
	cancel()
	r.Log(ctx, func(_ config.Level, e control.Event) { list = append(list, e) })
	return list
}

// attempts returns the attempts among events as "reason: detail".
func attempts(list []control.Event) (texts []string) {
	for _, e := range list {
		if e.Kind == "attempt" {
			texts = append(texts, e.Address+" "+e.Knock+" "+e.Reason+": "+e.Detail)
		}
	}
	return texts
}

// trace makes a dry run of what a rig has sent.
func (r *rig) trace(t *testing.T, format func(time.Time) string) (reported []control.Event) {
	t.Helper()
	trace, err := daemon.NewTrace(r.text, func() bool { return true }, format, func(e control.Event) { reported = append(reported, e) })
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range r.sent {
		var p wire.Packet
		if err := p.Decode(s.b); err != nil {
			t.Fatal(err)
		}
		trace.Packet(s.at, "", &p)
	}
	trace.End()
	return reported
}

// timeOfDay says times as the log does.
func timeOfDay(t time.Time) string { return t.Format(time.TimeOnly) }

// What the log tells by the numbers of the steps, a trace tells with the ports; else they are the same.
func TestDebugLogAndTraceSayTheSame(t *testing.T) {
	const silence = 2 * time.Minute // nobody waits for a step that long
	for _, tt := range []struct {
		name  string
		steps [][]string // with silence behind each
		trace []string
		log   []string
	}{
		{
			"a_neighbour_and_then_the_knock",
			[][]string{append([]string{"7430/tcp"}, shy...)},
			[]string{"trip-wire: locked out by 7430/tcp until 04:00:27, then all steps right"},
			[]string{"trip-wire: locked out by a neighbour of step 1 until 04:00:27, then all steps right"},
		},
		{
			"a_neighbour_and_a_part_of_the_knock",
			[][]string{{"2952/udp", "7431/tcp", "2951/udp"}, {"22/tcp"}},
			[]string{"unfinished: locked out by 2952/udp until 04:00:27, then 2 of 3 steps, then nothing within the time window of 15s"},
			[]string{"unfinished: locked out by a neighbour of step 2 until 04:00:27, then 2 of 3 steps, then nothing within the time window of 15s"},
		},
		{
			"a_neighbour_in_the_middle",
			[][]string{{"7431/tcp", "2951/udp", "8813/tcp"}},
			[]string{"trip-wire: 2 of 3 steps, then 8813/tcp (a neighbour of step 3)"},
			[]string{"trip-wire: 2 of 3 steps, then a neighbour of step 3"},
		},
		{
			"the_wrong_order",
			[][]string{{"7431/tcp", "8812/tcp", "2951/udp"}},
			[]string{"wrong-order: 1 of 3 steps, then 8812/tcp (step 3) instead of step 2"},
			[]string{"wrong-order: 1 of 3 steps, then step 3 instead of step 2"},
		},
		{
			"no_first_step",
			[][]string{{"2951/udp", "8812/tcp"}, {"22/tcp"}},
			[]string{"wrong-order: none of 3 steps in its turn, then 2951/udp (step 2) instead of step 1"},
			[]string{"wrong-order: none of 3 steps in its turn, then step 2 instead of step 1"},
		},
		{
			"the_wrong_protocol",
			[][]string{{"7431/tcp", "2951/tcp", "8812/tcp"}},
			[]string{"wrong-protocol: 1 of 3 steps, then 2951/tcp (step 2) by tcp instead of udp"},
			[]string{"wrong-protocol: 1 of 3 steps, then step 2 by tcp instead of udp"},
		},
		{
			"a_part_of_the_knock_twice",
			[][]string{{"7431/tcp", "2951/udp"}, {"7431/tcp"}, {"22/tcp"}},
			[]string{
				"unfinished: 2 of 3 steps, then nothing within the time window of 15s",
				"unfinished: 1 of 3 steps, then nothing within the time window of 15s",
			},
			nil, // the same
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, debug)
			for _, steps := range tt.steps {
				r.sequence(phone, steps...)
				r.now = r.now.Add(silence)
				r.Tick()
			}
			if tt.log == nil {
				tt.log = tt.trace
			}
			for _, reported := range []struct {
				by        string
				want, got []string
			}{
				{"log", tt.log, attempts(r.logged())},
				{"trace", tt.trace, attempts(r.trace(t, timeOfDay))},
			} {
				for i := range reported.got {
					reported.got[i] = strings.TrimPrefix(reported.got[i], "203.0.113.7 sequence shy ")
				}
				if diff := cmp.Diff(reported.want, reported.got); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", reported.by, diff)
				}
			}
		})
	}
}

func TestTooLateIsReportedWithHowLate(t *testing.T) {
	r := newRig(t, debug)
	for _, step := range shy {
		r.sequence(phone, step)
		r.now = r.now.Add(40 * time.Second)
		r.Tick()
	}
	want := []string{"203.0.113.7 sequence shy too-slow: 1 of 3 steps, then step 2 came 40.1s after the first step: the time window is 15s"}
	if diff := cmp.Diff(want, attempts(r.logged())); diff != "" {
		t.Error(diff)
	}
}

func TestTraceTellsWhatTheEndOfTheFileCutsOff(t *testing.T) {
	r := newRig(t, home)
	r.sequence(phone, "7431/tcp", "2951/udp")
	r.sequence(neighbour, "7430/tcp", "7431/tcp")
	want := []string{
		"203.0.113.7 sequence shy unfinished: 2 of 3 steps, then nothing until the end of the file",
		"203.0.113.66 sequence shy unfinished: locked out by 7430/tcp, then 1 of 3 steps, then nothing until the end of the file",
	}
	if diff := cmp.Diff(want, attempts(r.trace(t, func(time.Time) string { return "" }))); diff != "" {
		t.Error(diff)
	}
}

func TestAdviceOnTheConfigurationIsNoEventOfATrace(t *testing.T) {
	near := strings.Replace(home, "option port '8443'", "option port '8813'", 1)
	near = strings.Replace(near, "list step '2951/udp'", "list step '7440/tcp'", 1)
	r := newRig(t, near)
	if r.newest().Kind != "trouble" {
		t.Fatal("the configuration needs no advice")
	}
	r.sequence(phone, "7431/tcp", "7440/tcp", "8812/tcp")
	reported := r.trace(t, timeOfDay)
	if len(reported) != 1 || reported[0].Kind != "opened" || reported[0].Number != 1 {
		t.Errorf("reported %+v, want that it opened, as number 1", reported)
	}
}

func TestAttemptsAreNotAmongTheEvents(t *testing.T) {
	for text, want := range map[string]int{debug: 1, home: 0} {
		r := newRig(t, text)
		r.sequence(phone, "7431/tcp")
		r.now = r.now.Add(2 * time.Minute)
		r.Tick()
		if n := len(attempts(r.logged())); n != want {
			t.Errorf("%d attempts in the log, want %d", n, want)
		}
		r.text = home
		r.Reload()
		if n := len(attempts(r.logged())); n != 0 {
			t.Errorf("%d attempts in a log that is no longer to have them", n)
		}
		if n := len(attempts(r.Events(0))); n != 0 {
			t.Errorf("%d attempts among the events", n)
		}
		if slices.ContainsFunc(r.reported(), func(e control.Event) bool { return e.Kind == "refused" }) {
			t.Errorf("events %+v, want no refusal: one step is no knock", r.reported())
		}
	}
}

// picky is a capture whose filter has no place for a port.
type picky struct {
	*rig
	port uint16
}

func (p picky) Check(f wire.Filter) error {
	if slices.ContainsFunc(f.UDP, func(r wire.PortRange) bool { return r.First <= p.port && p.port <= r.Last }) {
		return errors.New("no place in the filter")
	}
	return nil
}

// Attempts need more ports in the kernel's filter. A configuration must not fail for that.
func TestAttemptsAreLeftOutWhereTheFilterHasNoPlaceForThem(t *testing.T) {
	r := newRig(t, debug)
	sys := r.system()
	sys.Capture = picky{r, 7431}
	d, err := daemon.New(sys)
	if err != nil {
		t.Fatal(err)
	}
	if list := d.Events(0); len(list) != 1 || list[0].Detail != "attempts in the log: no place in the filter" {
		t.Errorf("events %+v, want one that says so", list)
	}
	sys.Capture = picky{r, 2951} // a step's own
	if _, err := daemon.New(sys); err == nil || !strings.Contains(err.Error(), "too many ports, clients or sequences") {
		t.Errorf("error %v", err)
	}
}

// TestScansDoNotFillTheDebugLog plays 10 000 scans a second, each of another sender.
func TestScansDoNotFillTheDebugLog(t *testing.T) {
	r := newRig(t, debug)
	const seconds, perSecond = 10, 10_000
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	scan := func(from netip.Addr) {
		for _, port := range []uint16{7431, 2950, 8812} {
			b := wire.AppendTCP(nil, netip.AddrPortFrom(from, 40000), netip.AddrPortFrom(router, port), 7, wire.SYN, nil)
			r.Packets(r.now, "wan", [][]byte{b})
		}
	}
	before := heap()
	for i := range seconds * perSecond {
		scan(netip.AddrFrom4([4]byte{198, byte(18 + i>>16), byte(i >> 8), byte(i)}))
		r.now = r.now.Add(time.Second / perSecond)
		if i%perSecond == 0 {
			r.Tick()
		}
	}
	r.now = r.now.Add(2 * time.Minute)
	r.Tick()
	if grown := heap() - before; grown > 512<<10 {
		t.Errorf("memory grew by %d bytes", grown)
	}
	list := r.logged()
	lines, hidden := 0, 0
	for _, e := range list {
		if e.Kind == "attempt" {
			lines, hidden = lines+1, hidden+e.Hidden
		}
	}
	// As many as there are for refusals: 30 at once, and one in two seconds.
	if most := 30 + (seconds+120)/2; lines == 0 || lines > most {
		t.Errorf("%d lines, want 1 to %d", lines, most)
	}
	if hidden < seconds*perSecond/2 {
		t.Errorf("%d attempts are counted as not shown, of %d", hidden, seconds*perSecond)
	}
	t.Logf("%d lines for %d scans", lines, seconds*perSecond)
}
