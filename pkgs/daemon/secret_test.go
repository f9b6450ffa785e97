// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
)

// stepsOfHome finds the steps of the sequences of home, and its keys.
var stepsOfHome = regexp.MustCompile(`7431|2951|8812|5100|6200|4300|5500|4600|6700|AAECAw|ICEiIy`)

// everybodyReads returns all that a read-only account and a reader of the log get to see.
func everybodyReads(r *rig) string {
	list := []string{string(control.Marshal(r.Status()))}
	for _, e := range r.Events(0) {
		list = append(list, string(control.Marshal(e)))
	}
	return strings.Join(list, "\n")
}

func TestNoStepAndNoKeyIsToldToEverybody(t *testing.T) {
	r := newRig(t, home)
	for _, steps := range [][]string{
		shy,
		{"7431/tcp", "2951/udp", "8811/tcp"},                                       // a trip wire
		{"5100/tcp", "6200/tcp", "4300/tcp"}, {"5500/tcp", "4600/tcp", "6700/tcp"}, // used up
		{"7431/tcp", "2951/udp"}, // too slow
	} {
		r.now = r.now.Add(time.Minute)
		r.sequence(phone, steps...)
	}
	r.now = r.now.Add(time.Minute)
	r.Tick()
	reported := everybodyReads(r)
	for _, kind := range []string{"opened", "trip-wire", "used-up"} {
		if !strings.Contains(reported, kind) {
			t.Errorf("nothing tells of %s: the test looks at too little", kind)
		}
	}
	for problem, edits := range map[string][]string{
		"configuration read again":  {"'8443'", "'7431'"},                             // a door at a step
		"option 'step' is doubtful": {"list step '8812/tcp'", "list step '7440/tcp'"}, // near
		"option 'step' is refused":  {"list step '8812/tcp'", "list step '7432/tcp'"}, // beside each other
		"option 'once' is refused":  {"4600/tcp 6700/tcp", "4600/tcp 4601/tcp"},
		"option 'key' specifies":    {"option key 'AAECAw", "option key 'AAECAwAAECAw"}, // too long
	} {
		r.reloadWith(edits...)
		reported = everybodyReads(r)
		if !strings.Contains(reported, problem) {
			t.Errorf("nothing tells that %s: the test looks at too little", problem)
		}
		if found := stepsOfHome.FindAllString(reported, -1); found != nil {
			t.Fatalf("everybody is told %q:\n%s", found, reported)
		}
	}
}

func TestTheOwnerIsToldTheStepsOfAProblem(t *testing.T) {
	text := strings.Replace(home, "list step '8812/tcp'", "list step '7432/tcp'", 1)
	r := newRig(t, home)
	for name, problems := range map[string][]control.Problem{
		"check on the socket": r.ask(t, control.Request{Method: "check", Text: text}).([]control.Problem),
		"latchkeyd check":     daemon.Check(text, r.now, daemon.ForOwner),
	} {
		if !slices.ContainsFunc(problems, func(p control.Problem) bool {
			return strings.Contains(p.Text, "has ports 7431 and 7432 of tcp beside each other")
		}) {
			t.Errorf("%s: %v", name, problems)
		}
	}
	r.text = text
	if _, err := daemon.New(r.system()); err == nil || stepsOfHome.MatchString(err.Error()) {
		t.Errorf("a start that fails, whose words go to the log, says %v", err)
	}
}
