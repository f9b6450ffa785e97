// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestReceivers_has_every_port_that_a_detector_waits_at, but for the steps of sequences, which have rules of
// their own: a door at such a port is refused or told.
func TestReceivers_has_every_port_that_a_detector_waits_at(t *testing.T) {
	text, err := os.ReadFile("../../testdata/config/full") // it has every option
	if err != nil {
		t.Fatal(err)
	}
	cfg, _ := Check(string(text), time.Time{})
	cfg.Sequences = nil
	var filter wire.Filter
	for _, d := range knock.New(cfg.Knock(nil), time.Unix(1_700_000_000, 0)) {
		d.AddFilter(&filter)
	}
	waits := map[wire.Proto][]wire.PortRange{wire.TCP: append(filter.TCP, filter.SYN...), wire.UDP: append(filter.UDP, filter.STUN.Ports...)}
	for _, text := range filter.Text {
		waits[wire.UDP] = append(waits[wire.UDP], onePort(text.Port))
	}
	seen := 0
	for proto, ranges := range waits {
		for _, waited := range ranges {
			seen++
			if !slices.ContainsFunc(cfg.Receivers(), func(k Receiver) bool {
				return k.Proto == proto && slices.ContainsFunc(k.Ports, func(has wire.PortRange) bool {
					return has.First <= waited.First && waited.Last <= has.Last
				})
			}) {
				t.Errorf("a detector waits at %v of %s, and nobody is told of a door there", waited, proto)
			}
		}
	}
	if seen < 5 {
		t.Errorf("only %d ranges were found", seen)
	}
}

func TestReceivers_Have(t *testing.T) {
	cfg, problems := Check("config latchkey 'main'\n\toption stun_port '41641'\n\toption ports '20480-26623'\n", time.Time{})
	if len(problems.Errors()) > 0 {
		t.Fatal(problems)
	}
	for _, tt := range []struct {
		proto wire.Proto
		port  uint16
		want  bool
	}{
		{wire.UDP, 41641, true}, {wire.TCP, 20480, true}, {wire.TCP, 26623, true},
		{wire.TCP, 41641, false}, {wire.UDP, 20480, false}, {wire.UDP, 41642, false}, {wire.TCP, 26624, false},
	} {
		if got := cfg.Receivers().Have(tt.proto, tt.port); got != tt.want {
			t.Errorf("%s %d: %v, want %v", tt.proto, tt.port, got, tt.want)
		}
	}
}
