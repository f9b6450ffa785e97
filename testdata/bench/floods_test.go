// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"cmp"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	kinds "github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

func TestA_packet_from_another_sender_is_as_if_it_were_made_for_him(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		first, then := forged(r.Uint32(), r.Uint32()), forged(r.Uint32(), r.Uint32())
		seq, payload := r.Uint32(), traffic.Bytes(r, r.IntN(4))
		for _, make := range []func(from netip.AddrPort) []byte{
			func(from netip.AddrPort) []byte { return traffic.SYN(from, to(7), seq) },
			func(from netip.AddrPort) []byte { return wire.AppendUDP(nil, from, to(7), payload) },
		} {
			got, want := make(first), make(then)
			if resend(got, then); !bytes.Equal(got, want) {
				t.Fatalf("from %s to %s:\n got %x\nwant %x", first, then, got, want)
			}
		}
	}
}

func TestForged_senders_are_addresses_that_the_kernel_takes(t *testing.T) {
	for first := range uint32(256) {
		from := forged(first<<24|0x123456, first<<8)
		if a := from.Addr(); !a.IsGlobalUnicast() || a.As4()[0] >= 224 || a.As4()[0] == 0 || from.Port() < 1024 {
			t.Errorf("%d is made %s", first, from)
		}
	}
}

// Each flood is judged by what the daemon has: its filter and its detectors.
func TestFloods_reach_as_far_as_they_say(t *testing.T) {
	h := newHousehold(1)
	cfg, problems := config.Parse(h.config())
	if cfg == nil {
		t.Fatal(problems)
	}
	now := time.Now()
	k := cfg.Knock(func(string) bool { return false })
	k.Ring.Advance(now, true)
	for _, test := range []struct {
		flood
		passes float64      // share that passes the filter
		told   kinds.Reason // of the first of these that is told
	}{
		{firstSteps, 1, ""},
		{allSteps, 1, ""},
		{stunWrong, 0, ""},
		{stunRandom, 0, ""},
		{stunHint, 1, kinds.BadMessage},
		{spaRandom, 1. / 16, kinds.UnknownKey}, // the first of its characters has 4 bits that are known
		{spaForged, 1, kinds.UnknownKey},
		{slotSteps, 0.875, ""}, // in three of 24 slots a port stands for a byte that no hint has,
		{unrelated, 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			detectors := kinds.New(k, now)
			var filter wire.Filter
			for _, d := range detectors {
				d.AddFilter(&filter)
			}
			r := rand.New(rand.NewPCG(1, 2))
			next := test.load(r, h)
			passed, senders := 0, map[netip.Addr]bool{}
			const packets = 2000
			told := kinds.Reason("")
			for range packets {
				var p wire.Packet
				if err := p.Decode(next(r)); err != nil {
					t.Fatal(err)
				}
				senders[p.Src] = true
				if !filter.Match(&p) {
					continue
				}
				passed++
				for _, d := range detectors {
					d.Observe(now, &p, func(f kinds.Finding) { told = cmp.Or(told, f.Reason) })
				}
			}
			if got := float64(passed) / packets; got < test.passes-0.02 || got > test.passes+0.02 {
				t.Errorf("%.3f of the packets pass the filter, want %.3f", got, test.passes)
			}
			if len(senders) < packets-5 {
				t.Errorf("%d packets have only %d senders", packets, len(senders))
			}
			if told != test.told {
				t.Errorf("what is told first is %q, want %q", told, test.told)
			}
		})
	}
}
