// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// state returns a door's state in status, with its problem.
func (r *rig) state(door string) (state, problem string) {
	for _, d := range r.Status().Doors {
		if d.Name == door {
			state, problem = d.State, d.Reason
		}
	}
	return state, problem
}

// knock sends a message of the phone for door nas.
func (r *rig) knock() {
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
}

// wait lets time pass as Run would.
func (r *rig) wait(long time.Duration) {
	for range int(long / (5 * time.Second)) {
		r.now = r.now.Add(5 * time.Second)
		r.Tick()
	}
}

func TestDoorWithoutItsZone(t *testing.T) {
	missing := func(zone string) string {
		return home + "\nconfig latchkey 'main'\n\tlist missing_zone '" + zone + "'\n"
	}
	for zone, option := range map[string]string{"wan": "src", "lan": "dest"} {
		r := newRig(t, missing(zone))
		want := "the firewall has no zone '" + zone + "' (option '" + option + "')"
		if state, problem := r.state("nas"); state != "broken" || problem != want {
			t.Errorf("state %q, problem %q, want broken: %q", state, problem, want)
		}
		r.knock()
		e := r.newest()
		if r.open("nas") != "" || r.last() != "refused nas firewall phone" || e.Detail != `door "nas": `+want {
			t.Errorf("%s: open for %q, last event %q: %q", zone, r.open("nas"), r.last(), e.Detail)
		}
		err := r.Answer(t.Context(), control.Request{Method: "open", Door: "nas", Address: "203.0.113.7"}, func(any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("opened at the router: %v", err)
		}
	}
	t.Run("ends_what_is_open_when_the_zone_goes_and_works_when_it_comes", func(t *testing.T) {
		r := newRig(t, home)
		r.knock()
		r.read = r.newest().Number
		r.text = missing("lan")
		r.Reload()
		if r.open("nas") != "" {
			t.Errorf("still open for %q", r.open("nas"))
		}
		if got := kinds(r.reported()); !strings.Contains(got, "closed nas") || !strings.Contains(got, "broken nas") || strings.Contains(got, "web") {
			t.Errorf("events %q", got)
		}
		r.text = home
		r.Reload()
		if got := kinds(r.reported()); !strings.Contains(got, "ready nas") {
			t.Errorf("events %q", got)
		}
		r.now = r.now.Add(time.Second)
		r.knock()
		if r.open("nas") == "" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("of_a_door_that_is_off_is_no_news", func(t *testing.T) {
		r := newRig(t, strings.Replace(missing("attic"), "option port '9999'", "option port '9999'\n\toption src 'attic'", 1))
		if state, problem := r.state("old"); state != "disabled" || problem != "" || strings.Contains(kinds(r.reported()), "broken") {
			t.Errorf("state %q, problem %q, events %q", state, problem, kinds(r.reported()))
		}
	})
}

// kinds lists events as "closed nas, broken nas".
func kinds(list []control.Event) string {
	var words []string
	for _, e := range list {
		words = append(words, strings.TrimSpace(e.Kind+" "+e.Door))
	}
	return strings.Join(words, ", ")
}

func TestDoorWithoutItsSet(t *testing.T) {
	r := newRig(t, home)
	r.fw.DropSets("nas")
	r.Tick()
	r.wait(5 * time.Second)
	r.knock() // the firewall is being loaded: it opens as soon as there is a set
	r.fw.MakeSets("nas")
	r.wait(5 * time.Second)
	if state, _ := r.state("nas"); r.open("nas") == "" || state != "ready" {
		t.Errorf("state %q, open for %q", state, r.open("nas"))
	}

	r.ask(t, control.Request{Method: "close", Door: "nas"})
	r.fw.DropSets("nas")
	r.reloadWith("'8443'", "'8444'")
	r.wait(25 * time.Second)
	if state, _ := r.state("nas"); state != "pending" {
		t.Errorf("after 25 s the state is %q", state)
	}
	r.wait(10 * time.Second)
	if state, problem := r.state("nas"); state != "broken" || !strings.HasPrefix(problem, "the firewall has no set for it") {
		t.Errorf("after 35 s the state is %q, problem %q", state, problem)
	}
	if !strings.HasSuffix(kinds(r.reported()), "broken nas") {
		t.Errorf("events %q", kinds(r.reported()))
	}
	r.knock()
	if r.last() != "refused nas firewall phone" {
		t.Errorf("last event %q", r.last())
	}
	r.fw.MakeSets("nas")
	r.wait(5 * time.Second)
	if state, problem := r.state("nas"); state != "ready" || problem != "" || r.open("nas") != "" {
		t.Errorf("mended: state %q, problem %q, open for %q", state, problem, r.open("nas"))
	}
}

// fw4 makes the sets of a door whose rules it skips.
func TestDoorWithoutARule(t *testing.T) {
	r := newRig(t, home)
	rules := map[string]bool{"nas 4": true, "nas 6": true, "web 4": true, "web 6": true}
	reads := 0
	changed := make(chan struct{})
	sys := r.system()
	sys.FirewallChanged = changed
	sys.Rules = func() (func(string, bool, bool) bool, error) {
		reads++
		return func(door string, six, _ bool) bool {
			return rules[door+map[bool]string{false: " 4", true: " 6"}[six]]
		}, nil
	}
	d, err := daemon.New(sys)
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	if state, _ := r.state("nas"); state != "ready" {
		t.Errorf("state %q", state)
	}
	rules["nas 6"] = false
	r.reloadWith("'8443'", "'8444'")
	r.wait(10 * time.Second)
	if state, _ := r.state("nas"); state != "pending" {
		t.Errorf("just loaded: state %q", state)
	}
	r.wait(30 * time.Second)
	if state, problem := r.state("nas"); state != "broken" || !strings.HasPrefix(problem, "no rule of the firewall leads there over IPv6") {
		t.Errorf("state %q, problem %q", state, problem)
	}
	r.message(phone6, r.seal(seal.Body{Door: seal.Tag("nas")}))
	if r.last() != "refused nas firewall phone" || r.open("nas") != "" {
		t.Errorf("over IPv6: last event %q", r.last())
	}
	r.now = r.now.Add(time.Second)
	r.knock()
	if r.open("nas") != "203.0.113.7 10m0s" {
		t.Errorf("over IPv4, which works: last event %q", r.last())
	}
	before := reads
	r.wait(time.Minute)
	if reads != before {
		t.Errorf("the rules were read %d times, but nobody changed the firewall", reads-before)
	}
}

func TestRulesThatCannotBeReadAreReadAgain(t *testing.T) {
	r := newRig(t, home)
	failing := errors.New("no buffer space available")
	reads := 0
	sys := r.system()
	sys.Rules = func() (func(string, bool, bool) bool, error) {
		reads++
		if failing != nil {
			return nil, failing
		}
		return func(string, bool, bool) bool { return false }, nil
	}
	d, err := daemon.New(sys)
	if err != nil {
		t.Fatal(err)
	}
	r.Daemon = d
	r.wait(time.Minute)
	if state, _ := r.state("nas"); state != "ready" || reads < 10 {
		t.Errorf("state %q after %d reads: nothing is known of the rules, and it shall be tried again", state, reads)
	}
	failing = nil
	r.wait(time.Minute)
	if state, problem := r.state("nas"); state != "broken" || !strings.HasPrefix(problem, "no rule of the firewall leads there") {
		t.Errorf("state %q, problem %q", state, problem)
	}
	lab.Withstood(t, "firewall", "rules that cannot be read for a while", "they are read again each few seconds, and no door is called broken for it")
}
