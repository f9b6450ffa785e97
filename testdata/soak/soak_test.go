// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainHosts(m)) }

// TestEachFaultFloodAndCallerOnce is a short soak with a fixed seed.
func TestEachFaultFloodAndCallerOnce(t *testing.T) {
	lab.Enter(t)
	programs := t.TempDir()
	build := exec.Command("go", "build", "-o", programs, "../../cmd/latchkeyd", "../../cmd/latchkey")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if err := lab.Output(build); err != nil {
		t.Fatal(err)
	}
	o := options{long: time.Minute, seed: 1, programs: programs, folder: t.TempDir(), out: t.Output(), each: true}
	o.report = filepath.Join(o.folder, "soak.json")
	if err := soakFor(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	lab.Withstood(t, "load", "a dozen faults of the router, one after the other, while people knock in every way and strangers flood",
		"every knock that nothing shuts out opens, no event is lost, doors close on time; the router recovers from each by itself")
	lab.Withstood(t, "load", "floods of nine kinds in turn, while the router has faults", "memory stays bounded, and no write to flash is a flood's")
	lab.Withstood(t, "control", "rude callers of six kinds in turn, while people knock", "no knock is lost, and descriptors and goroutines come back")
	lab.Withstood(t, "packets", "a copy of each message from a thief at once, while the router has faults", "none lets him in")
}

func TestModelKnowsWhatIsWrongWithAnElement(t *testing.T) {
	u := use{"web", netip.MustParseAddr("203.0.113.100")}
	now := time.Now()
	ends := func(m *model) { m.asked(now, u) }
	closes := func(m *model) { ends(m); m.closed(now.Add(time.Second), u) }
	for name, tt := range map[string]struct {
		know func(*model)
		element
		after time.Duration
		want  bool
	}{
		"nothing_while_it_is_asked_for":      {func(m *model) { m.ask(u) }, element{u, false, 6, 5}, time.Hour, false},
		"nothing_after_it_was":               {ends, element{u, false, 6, 5}, time.Second, false},
		"who_never_knocked":                  {func(*model) {}, element{u, false, 6, 5}, 0, true},
		"another_door":                       {ends, element{use{"nas", u.address}, false, 6, 5}, 0, true},
		"no_timeout":                         {ends, element{u, true, 0, 0}, 0, true},
		"longer_than_the_door's_time":        {ends, element{u, false, 60, 50}, 0, true},
		"longer_than_since_the_last_knock":   {ends, element{u, false, 20, 1}, maxOpen + late + time.Second, true},
		"nothing_before_it_was_closed":       {closes, element{u, false, 6, 5}, time.Second, false},
		"closed,_and_back":                   {closes, element{u, false, 6, 5}, 2 * time.Second, true},
		"nothing_when_it_is_asked_for_again": {func(m *model) { closes(m); m.ask(u) }, element{u, false, 6, 5}, 2 * time.Second, false},
		"nothing_with_somebody_else's":       {func(m *model) { m.allow(somebody, now.Add(late)) }, element{somebody, true, 0, 0}, 0, false},
		"somebody_else's_that_was_left":      {func(m *model) { m.allow(somebody, now.Add(late)) }, element{somebody, true, 0, 0}, late + time.Second, true},
		"somebody_else's_that_nobody_put_in": {func(*model) {}, element{somebody, true, 0, 0}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newModel()
			tt.know(m)
			if why := m.wrong(now.Add(tt.after), tt.element); (why != "") != tt.want {
				t.Errorf("wrong = %q, want something: %t", why, tt.want)
			}
		})
	}
}

var somebody = use{"web", netip.MustParseAddr("198.51.100.9")}

func TestModelExcusesOnlyWhatEveryWayIsShutOutFor(t *testing.T) {
	m := newModel()
	before := time.Now()
	both := []string{bySTUN, byPorts}
	stun := m.begin("a flood", 0, []string{bySTUN})
	if why := m.excuse(both, before); why != "" {
		t.Errorf("one way is free, and it is excused by %q", why)
	}
	if why := m.excuse(both[:1], before); why != "a flood" {
		t.Errorf("the only way is shut out, and it is excused by %q", why)
	}
	m.finish(m.begin("a fault", endsGrants, everyWay))
	if why := m.excuse(both, before); why != "a fault, a flood" {
		t.Errorf("both ways were shut out, and it is excused by %q", why)
	}
	m.finish(stun)
	after := time.Now()
	if why := m.excuse(both, after); why != "" || m.harmed(endsGrants, after) {
		t.Errorf("all is over, and it is excused by %q", why)
	}
	if !m.harmed(endsGrants, before) {
		t.Error("a fault that is over is not known any more")
	}
	if m.harmed(losesEvents, before) {
		t.Error("a fault that loses no events is taken for one that does")
	}
}

func TestElementsAreReadFromNft(t *testing.T) {
	list, err := parseElements([]byte(`{"nftables": [{"metainfo": {}}, {"table": {"name": "fw4"}},
		{"set": {"name": "latchkey1_web_4", "elem": [{"elem": {"val": "203.0.113.7", "timeout": 6, "expires": 5}}, "198.51.100.9"]}},
		{"set": {"name": "other", "elem": ["x"]}}, {"set": {"name": "latchkey1_my_door_6", "elem": [{"elem": {"val": "2001:db8::7", "timeout": 0, "expires": 0}}]}}]}`))
	want := []element{{use{"web", netip.MustParseAddr("203.0.113.7")}, false, 6, 5}, {somebody, true, 0, 0},
		{use{"my_door", netip.MustParseAddr("2001:db8::7")}, false, 0, 0}}
	if err != nil || len(list) != len(want) {
		t.Fatalf("elements = %v, %v; want %v", list, err, want)
	}
	for i := range want {
		if list[i] != want[i] {
			t.Errorf("element %d = %v, want %v", i, list[i], want[i])
		}
	}
}

// TestSeedRepeatsThePlan draws twice what a lane does.
func TestSeedRepeatsThePlan(t *testing.T) {
	plan := func(seed, number uint64) (names []string) {
		l := &lane{seed: seed, number: number}
		for range 30 {
			names = append(names, draw(l.next(), faults).name)
		}
		return names
	}
	same := func(a, b []string) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return true
	}
	if !same(plan(7, 1), plan(7, 1)) {
		t.Error("the same seed has two plans")
	}
	if same(plan(7, 1), plan(8, 1)) || same(plan(7, 1), plan(7, 2)) {
		t.Error("two seeds, or two lanes, have one plan")
	}
}

func TestGrowthOfALongLife(t *testing.T) {
	const quarter = 300
	grows := func(kB float64) (own []int) { // by so much a second, with what floods add, and a begin with empty tables
		for i := range 4 * quarter {
			own = append(own, 4000+min(i*10, 1000)+(i%20)*50+int(kB*float64(i)))
		}
		return own
	}
	for name, tt := range map[string]struct {
		life
		want bool // a violation
	}{
		"steady":      {life{long: judgedAfter, own: grows(0)}, false},
		"grows":       {life{long: judgedAfter, own: grows(1)}, true},
		"shrinks":     {life{long: judgedAfter, own: grows(-1)}, false},
		"too_short":   {life{long: judgedAfter - 1, own: grows(1)}, false},
		"no_look_yet": {life{long: judgedAfter}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := soakOfNothing(t)
			s.judgeMemory(tt.life)
			if is := s.violation != nil; is != tt.want {
				t.Errorf("violation = %+v, want one: %t", s.violation, tt.want)
			}
		})
	}
}

// soakOfNothing is a run in which nobody does anything.
func soakOfNothing(t *testing.T) *soak {
	ctx, end := context.WithCancel(t.Context())
	s := &soak{ctx: ctx, model: newModel(), router: &router{}, begun: time.Now(), journal: newJournal()}
	s.out, s.end = t.Output(), end
	var err error
	if s.log, err = os.Create(filepath.Join(t.TempDir(), "actions.log")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.log.Close() })
	return s
}

// TestNothingEndsTheDaemonInTheCalmPart: what leaks slowly is seen only in a long life.
func TestNothingEndsTheDaemonInTheCalmPart(t *testing.T) {
	for name, tt := range map[string]struct {
		since time.Duration
		each  bool
		want  bool
	}{
		"at_the_begin":           {time.Minute, false, false},
		"in_the_last_two_thirds": {21 * time.Minute, false, true},
		"of_a_run_by_the_table":  {21 * time.Minute, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := &soak{options: options{long: time.Hour, each: tt.each}, begun: time.Now().Add(-tt.since)}
			if s.calm() != tt.want {
				t.Errorf("calm = %t, want %t", s.calm(), tt.want)
			}
		})
	}
}

func TestEventsOfFormerRuns(t *testing.T) {
	for name, tt := range map[string]struct {
		former uint64
		losses int
		since  uint64
		gap    bool
	}{
		"all_were_saved":         {7, 0, 7, false},
		"more_than_were_told":    {9, 0, 7, false},
		"the_last_were_not":      {6, 0, 7, true},
		"nor_could_they":         {6, 1, 6, false},
		"all_forgotten":          {0, 0, 7, true},
		"some_were_not_yet_told": {9, 1, 9, false},
	} {
		t.Run(name, func(t *testing.T) {
			gap := ""
			f := newFollower(nil, func(text string) { gap = text })
			f.meet(control.Status{Run: "first", Former: 6}, 0)
			f.hear(control.Event{Number: 7})
			if since := f.meet(control.Status{Run: "first", Former: 6}, 0); since != 7 {
				t.Errorf("the same run is asked after event %d, want 7", since)
			}
			if since := f.meet(control.Status{Run: "second", Former: tt.former}, tt.losses); since != tt.since || (gap != "") != tt.gap {
				t.Errorf("asks after event %d, and tells %q; want %d, and a gap: %t", since, gap, tt.since, tt.gap)
			}
		})
	}
}
