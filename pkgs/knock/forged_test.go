// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The tests of this file are the table "What a flood can shut out" of SECURITY.md: floods in the name
// of the very address that knocks, and floods that the work for them is meant to stop. Each one logs
// the figure that stands there, and fails below what is promised.

// presses plays so many knocks, each of up to so many presses of a button 3 s apart, and returns how
// many opened. meanwhile plays the flood for a time.
func (y *player) presses(knocks, most int, press func(), meanwhile func(time.Duration)) (opened int) {
	for range knocks {
		for range most {
			press()
			if strings.Contains(y.reasons(), " ok") {
				opened++
				break
			}
			meanwhile(3 * time.Second)
		}
		meanwhile(20 * time.Second)
	}
	return opened
}

// TestSequenceForgedInTheSendersName knocks while somebody sends packets that look like the knocking
// sender's: he cannot be told from him.
func TestSequenceForgedInTheSendersName(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/udp 9000/tcp")
	cfg.Sequences[0].Within = 15 * time.Second
	steps := cfg.Sequences[0].Steps
	anywhere := func(r *rand.Rand) uint16 { return uint16(r.Uint32()) }
	aimed := func(r *rand.Rand) uint16 { return steps[r.IntN(3)].Port + uint16(r.IntN(3)) - 1 }
	wire := func(*rand.Rand) uint16 { return 6999 }
	for _, tt := range []struct {
		name    string
		every   time.Duration
		port    func(*rand.Rand) uint16
		presses int
		least   int // of 50
	}{
		{"a_trip_wire_each_14_s_and_one_press", 14 * time.Second, wire, 1, 0},
		{"a_trip_wire_each_14_s", 14 * time.Second, wire, 3, 45},
		{"a_trip_wire_each_5_s", 5 * time.Second, wire, 3, 25},
		{"a_trip_wire_each_second", time.Second, wire, 3, 0},
		{"5000_SYNs_a_second_to_any_port", time.Second / 5000, anywhere, 3, 10},
		{"5000_SYNs_a_second_to_its_ports", time.Second / 5000, aimed, 3, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(21, 22))
			y := play(cfg)
			next := y.now
			flood := func(d time.Duration) {
				end := y.now.Add(d)
				for ; next.Before(end); next = next.Add(tt.every) {
					y.now = next
					y.send(y.syn(phone, tt.port(random)))
				}
				y.now = end
			}
			flood(20 * time.Second)
			opened := y.presses(50, tt.presses, func() {
				for _, s := range steps {
					y.send(y.packet(phone, s))
					flood(100 * time.Millisecond)
				}
			}, flood)
			t.Logf("%d of 50 knocks opened, of up to %d presses each", opened, tt.presses)
			if opened < tt.least {
				t.Errorf("%d of 50 knocks opened, want at least %d", opened, tt.least)
			}
		})
	}
}
