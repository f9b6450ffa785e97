// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestRenewKeepsWhatIsRememberedOfTheOthers(t *testing.T) {
	of := func(once string) Config {
		return Config{Follow: 16, Sequences: []Sequence{
			{Name: "plain", Steps: parseSteps(t, "7000/tcp 8000/tcp 9000/tcp"), Within: 5 * time.Second},
			{Name: "list", Steps: parseSteps(t, once), Within: 5 * time.Second, Once: once},
		}}
	}
	const first, second = "1000/tcp 2000/tcp 3000/tcp", "1000/tcp 4000/tcp 5000/tcp"
	y := play(of(first))
	plain := parseSteps(t, "7000/tcp 8000/tcp 9000/tcp")
	y.steps(phone, plain[:2]...)
	y.steps(scanner, parseSteps(t, "7001/tcp")...) // a trip wire
	y.steps(cafe, parseSteps(t, "1000/tcp")...)
	y.detectors = Renew(y.detectors, of(second), y.now)
	y.newFilter()
	y.steps(phone, plain[2:]...)
	y.steps(scanner, plain...)
	y.steps(cafe, parseSteps(t, "4000/tcp 5000/tcp")...)
	opened := map[netip.Addr]bool{}
	for _, f := range y.found {
		opened[f.From] = f.Attempt.Steps == 0 && f.Reason == OK
	}
	if !opened[phone] {
		t.Errorf("who was on the way is forgotten: %v", y.found)
	}
	if opened[scanner] {
		t.Error("a lock is forgotten")
	}
	if opened[cafe] {
		t.Error("a step of the former one-time sequence counts for the next one")
	}
	y.steps(cafe, parseSteps(t, second)...)
	if last := y.found[len(y.found)-1]; last.Once != second || last.Reason != OK {
		t.Errorf("the next one-time sequence does not open: %v", last)
	}
	lab.Withstood(t, "keys and doors", "somebody else's one-time sequence is used in the middle of a knock by sequence", "the knock goes on, and who touched a trip wire stays locked out")
}

func TestRenewWithAnotherNumberOfSequences(t *testing.T) {
	plain := parseSteps(t, "7000/tcp 8000/tcp 9000/tcp")
	cfg := Config{Sequences: []Sequence{
		{Name: "list", Steps: parseSteps(t, "1000/tcp 2000/tcp"), Within: 5 * time.Second, Once: "1000/tcp 2000/tcp"},
		{Name: "plain", Steps: plain, Within: 5 * time.Second},
	}}
	y := play(cfg)
	for _, left := range [][]Sequence{
		{{Name: "list", Steps: parseSteps(t, "1000/tcp 2000/tcp 3000/tcp 4000/tcp"), Within: 5 * time.Second, Once: "longer"}, cfg.Sequences[1]},
		cfg.Sequences[1:],
	} {
		y.detectors = Renew(y.detectors, Config{Sequences: left}, y.now)
		y.newFilter()
		y.found = nil
		y.steps(phone, plain...)
		if len(y.found) != 1 || y.found[0].Reason != OK {
			t.Errorf("with %d sequences: %v", len(left), y.found)
		}
		y.now = y.now.Add(time.Minute)
	}
	y.detectors = Renew(y.detectors, Config{}, y.now)
	if len(y.detectors) != 0 {
		t.Errorf("without sequences there are %d detectors", len(y.detectors))
	}
}
