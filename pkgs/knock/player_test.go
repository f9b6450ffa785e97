// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

var (
	start   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	phone   = netip.MustParseAddr("203.0.113.7")
	phone6  = netip.MustParseAddr("2001:db8:1:2::7")
	cafe    = netip.MustParseAddr("203.0.113.8") // in the same /24 as phone
	scanner = netip.MustParseAddr("198.51.100.99")
)

// player sends packets through the filter to the detectors, and keeps what they find.
type player struct {
	now       time.Time
	detectors []Detector
	filter    wire.Filter
	found     []Finding
	port      uint16 // last source port
	options   []byte // of SYNs
}

func play(cfg Config) *player {
	y := &player{now: start, detectors: New(cfg, start), port: 30000}
	y.newFilter()
	return y
}

// newFilter makes the filter again, as the daemon does in each epoch.
func (y *player) newFilter() {
	y.filter = wire.Filter{}
	for _, d := range y.detectors {
		d.AddFilter(&y.filter)
	}
	y.filter.Normalize()
}

func (y *player) send(p wire.Packet) {
	if !y.filter.Match(&p) {
		return
	}
	for _, d := range y.detectors {
		d.Observe(y.now, &p, func(f Finding) { y.found = append(y.found, f) })
	}
}

// syn is the first packet of a new connection.
func (y *player) syn(from netip.Addr, port uint16) wire.Packet {
	y.port++
	return wire.Packet{Src: from, Proto: wire.TCP, SrcPort: y.port, DstPort: port,
		Seq: uint32(y.port) * 2654435761, Flags: wire.SYN, Options: y.options}
}

// packet is a new packet that fits a step.
func (y *player) packet(from netip.Addr, s Step) wire.Packet {
	p := y.syn(from, s.Port)
	p.Proto, p.Flags = s.Proto, s.Flags
	if s.Proto == wire.ICMP {
		p = wire.Packet{Src: from, Proto: wire.ICMP, ICMPType: 8, Size: int(s.Size)}
		if from.Is6() {
			p.Proto, p.ICMPType = wire.ICMPv6, 128
		}
	}
	return p
}

// steps sends the steps, 20 ms apart.
func (y *player) steps(from netip.Addr, steps ...Step) {
	for _, s := range steps {
		y.send(y.packet(from, s))
		y.now = y.now.Add(20 * time.Millisecond)
	}
}

// ends returns what was found as "name reason/step", and forgets it.
func (y *player) ends() string {
	var words []string
	for _, f := range y.found {
		words = append(words, f.Name+" "+string(f.Reason)+"/"+string(rune('0'+f.Step)))
	}
	y.found = nil
	return strings.Join(words, ", ")
}

func parseSteps(t testing.TB, text string) []Step {
	t.Helper()
	var steps []Step
	for _, s := range strings.Fields(text) {
		step, err := ParseStep(s)
		if err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}

func oneSequence(t testing.TB, text string) Config {
	return Config{Sequences: []Sequence{{Name: "s", Steps: parseSteps(t, text), Within: 5 * time.Second}}}
}

func (y *player) wait(d time.Duration) { y.now = y.now.Add(d) }

// reasons returns what was found as "name reason, ...", and forgets it.
func (y *player) reasons() string {
	var words []string
	for _, f := range y.found {
		words = append(words, strings.TrimSpace(f.Name+" "+string(f.Reason)))
	}
	y.found = nil
	return strings.Join(words, ", ")
}

var (
	annKey = seal.Key{1}
	bobKey = seal.Key{2}
	eveKey = seal.Key{3} // nobody's
)

// messageConfig has the clients ann and bob, and a ring at start.
func messageConfig(synced bool) Config {
	ring := seal.NewRing([]seal.Key{annKey, bobKey})
	ring.Advance(start, synced)
	return Config{Ring: ring, Clients: []Client{{Name: "ann"}, {Name: "bob"}}}
}

// stampAt makes a body with the stamp of a time.
func stampAt(t time.Time) seal.Body {
	return seal.Body{Stamp: uint64(t.UnixMilli()), Door: seal.DoorTag{0x12, 0x34}, Minutes: 5}
}

// newMessage seals a message of 24 bytes with the player's time, which it moves on by 1 ms.
func (y *player) newMessage(key seal.Key) []byte {
	y.wait(time.Millisecond)
	return seal.Seal(key, stampAt(y.now))
}

func (y *player) udp(from netip.Addr, port uint16, payload []byte) wire.Packet {
	y.port++
	return wire.Packet{Src: from, Proto: wire.UDP, SrcPort: y.port, DstPort: port, Size: len(payload), Payload: payload}
}
