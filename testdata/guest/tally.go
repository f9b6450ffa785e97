// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// tally counts what a guest says: the verdicts of go test -v, and our own.
type tally struct {
	passed, failed, skipped int
	why                     map[string]int // how many tests were skipped, by the reason
	must                    []string       // tests that must pass yet
	step                    string
	mutant                  bool     // the step's tests shall fail
	noticed                 bool     // one of them did
	atStep                  [3]int   // the counts when it began
	lines                   []string // the newest, of the test that runs
	reason                  string   // what a test said last
}

func newTally() *tally { return &tally{why: map[string]int{}} }

var (
	verdict = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+) (\(.*\))`)
	logged  = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)
	memory  = regexp.MustCompile(`^\d+ kB `)
)

// atMost is how many lines of a test that failed are shown.
const atMost = 100

// read takes a line, and returns what is worth telling of it while the guest runs.
func (t *tally) read(line string) (told string) {
	if t.lines = append(t.lines, line); len(t.lines) > atMost {
		t.lines = t.lines[1:]
	}
	if m := logged.FindStringSubmatch(line); m != nil {
		t.reason = strings.TrimPrefix(m[1], "SKIP: ")
		if memory.MatchString(t.reason) {
			return figure + t.reason
		}
	}
	switch word, rest, _ := strings.Cut(line, " "); {
	case strings.HasPrefix(line, passes):
		t.passed++
		return line
	case strings.HasPrefix(line, fails):
		t.failed++
		return line
	case strings.HasPrefix(line, skips):
		t.skipped++
		t.why[strings.TrimPrefix(line, skips)]++
		t.mutant = false
		return line
	case strings.HasPrefix(line, leaves):
		t.skipped++
		t.why[strings.TrimPrefix(line, leaves)]++
		return ""
	case strings.HasPrefix(line, figure), strings.HasPrefix(line, "panic:"), strings.HasPrefix(line, "fatal error:"):
		return line
	case strings.HasPrefix(line, begins):
		t.step, t.mutant, t.noticed = strings.TrimPrefix(line, begins), false, false
		t.step, t.mutant = strings.CutSuffix(t.step, mutantMark)
		t.atStep = [3]int{t.passed, t.failed, t.skipped}
		t.lines = nil
		return "begins: " + t.step
	case strings.HasPrefix(line, done):
		return t.endStep(strings.TrimPrefix(line, done))
	case word == "===" && strings.HasPrefix(rest, "RUN") && !strings.Contains(rest, "/"):
		t.lines = nil
	}
	if m := verdict.FindStringSubmatch(line); m != nil {
		return t.judge(m[1] == "", m[2], m[3], m[4])
	}
	return ""
}

// judge counts a test's verdict. Of the tests that are not part of another one it tells, with how long they took.
func (t *tally) judge(whole bool, verdict, test, took string) (told string) {
	switch {
	case t.mutant:
		t.noticed = t.noticed || verdict == "FAIL"
		return ""
	case verdict == "PASS":
		t.passed++
		t.must = slices.DeleteFunc(t.must, func(name string) bool { return name == test })
	case verdict == "SKIP":
		t.skipped++
		t.why[t.reason]++
		if whole {
			return "skipped: " + test + ": " + t.reason
		}
	case whole:
		t.failed++
		return "FAILED: " + test + " " + took + "\n" + t.tail()
	default:
		t.failed++
	}
	if whole {
		return "ok: " + test + " " + took
	}
	return ""
}

// endStep tells how a step ended: with exit, "" if all is well. Tests that crash give no verdicts.
func (t *tally) endStep(exit string) (told string) {
	counts := fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed-t.atStep[0], t.failed-t.atStep[1], t.skipped-t.atStep[2])
	switch {
	case t.mutant && t.noticed:
		t.passed++
		counts = "the tests notice it"
	case t.mutant:
		t.failed++
		counts = "NO TEST NOTICES IT\n" + t.tail()
	case exit != "" && t.failed == t.atStep[1]:
		t.failed++
		counts += ", and it ended with " + exit + "\n" + t.tail()
	}
	return "ended: " + t.step + ": " + counts
}

// tail is what was said last.
func (t *tally) tail() string { return strings.Join(t.lines, "\n") }

func (t *tally) String() string {
	s := fmt.Sprintf("%d passed, %d failed, %d skipped", t.passed, t.failed, t.skipped)
	var reasons []string
	for _, why := range slices.Sorted(maps.Keys(t.why)) {
		reasons = append(reasons, fmt.Sprintf("%d: %s", t.why[why], why))
	}
	if len(reasons) > 0 {
		s += " (" + strings.Join(reasons, "; ") + ")"
	}
	return s
}
