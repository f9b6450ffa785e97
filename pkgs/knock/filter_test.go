// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestWhatTheFilterDoesNotWantChangesNothing plays knocks of each kind among packets of the same sender that the
// filter does not want. Where the kernel has no room for the filter, they come, too.
func TestWhatTheFilterDoesNotWantChangesNothing(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			cfg := messageConfig(true)
			cfg.Sequences = oneSequence(t, "7000/tcp 8000/udp icmp:77 9000/tcp:fin").Sequences
			cfg.Sequences = append(cfg.Sequences, Sequence{Name: "u", Steps: parseSteps(t, "1000/udp 1300/udp 1600/tcp"), Within: 5 * time.Second})
			cfg.STUNPorts, cfg.Ports, cfg.SPAPort = []uint16{443, 41641}, wire.PortRange{First: 20480, Last: 20480 + 24*256 - 1}, 62201
			cfg.Ordered = &Ordered{Groups: []wire.PortRange{{First: 40000, Last: 40063}}, Header: []uint16{41000}, Footer: []uint16{41001}}
			y := play(cfg)
			r := rand.New(rand.NewPCG(seed, 7))
			unwanted := 0
			noise := func(from netip.Addr) {
				for range 20 {
					p := near(y, r, from)
					if y.filter.Match(&p) {
						continue
					}
					unwanted++
					for _, d := range y.detectors {
						d.Observe(y.now, &p, func(f Finding) { y.found = append(y.found, f) })
					}
				}
			}
			for _, s := range cfg.Sequences {
				for _, step := range s.Steps {
					noise(phone)
					y.steps(phone, step)
				}
				noise(phone)
				if got := y.ends(); got != s.Name+fmt.Sprintf(" ok/%d", len(s.Steps)) {
					t.Errorf("sequence %s: %q", s.Name, got)
				}
			}
			msg := y.newMessage(annKey)
			for _, port := range Slots(msg, 20480) {
				noise(phone)
				y.send(y.syn(phone, port))
			}
			noise(phone)
			if got := y.reasons(); got != "ann ok" {
				t.Errorf("message by ports: %q", got)
			}
			msg = y.newMessage(bobKey)
			noise(phone)
			y.send(y.udp(phone, 41641, wire.AppendBindingRequest(nil, [12]byte{}, base64.RawStdEncoding.EncodeToString(msg)+":x", "pw")))
			noise(phone)
			if got := y.reasons(); got != "bob ok" {
				t.Errorf("message by STUN: %q", got)
			}
			if unwanted < 300 {
				t.Errorf("%d packets that the filter does not want: too few to tell", unwanted)
			}
		})
	}
}

// near is a packet at, or beside, a port that means something.
func near(y *player, r *rand.Rand, from netip.Addr) wire.Packet {
	port := []uint16{7000, 8000, 77, 9000, 1000, 1300, 1600, 41641, 62201, 20480 + uint16(r.IntN(24*256)), 40000 + uint16(r.IntN(64)), 41000, 41001}[r.IntN(13)]
	p := y.syn(from, port+uint16(r.IntN(5))-2)
	p.Flags = []wire.TCPFlags{wire.SYN, wire.SYN | wire.ACK, wire.FIN, 0, wire.RST, 0xff}[r.IntN(6)]
	switch r.IntN(3) {
	case 0:
		p = y.udp(from, p.DstPort, make([]byte, r.IntN(300)))
	case 1:
		p = wire.Packet{Src: from, Proto: wire.ICMP, ICMPType: []uint8{0, 3, 8, 11}[r.IntN(4)], Size: int(port) % 200}
	}
	return p
}
