// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestParse_warns_of_what_the_detector_does makes configurations whose ports are near each other, and
// plays the traffic of each door, port and sequence against the real detector of each sequence: there
// is a warning exactly where that traffic locks its sender out, is taken for a step, or opens.
func TestParse_warns_of_what_the_detector_does(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	warned := map[string]int{}
	for n := 0; n < 400; {
		text := nearby(random)
		cfg, problems := config.Parse(text)
		if cfg == nil {
			continue // two steps of one sequence are beside each other
		}
		n++
		sources := trafficOf(cfg)
		for i := range cfg.Sequences {
			s := &cfg.Sequences[i]
			y := listen(s.Sequence)
			warnings := ""
			for _, p := range problems {
				if p.Warning && p.Name == s.Name {
					warnings += p.Reason + "\n"
				}
			}
			expect := func(kind, words string, want bool) {
				t.Helper()
				if strings.Contains(warnings, words) != want {
					t.Fatalf("sequence %s: %q is %t, want %t, in\n%s\nof\n%s", s.Name, words, !want, want, warnings, text)
				}
				if want {
					warned[kind]++
				}
			}
			if !y.opens(s.Steps) {
				t.Fatalf("sequence %s does not open by itself:\n%s", s.Name, text)
			}
			for _, v := range sources {
				locks, taken := y.locksOut(s.Steps, v.packets), y.takes(s.Steps, v.packets)
				expect("taken", ", which is "+v.where+" too", taken)
				if !strings.Contains(warnings, ", which is "+v.where+" too: ") {
					expect("locks", ", beside which is "+v.where+": ", locks)
				} else if warned["both"]++; !locks {
					t.Fatalf("sequence %s: %s does not lock out, in\n%s\nof\n%s", s.Name, v.where, warnings, text)
				}
			}
			for j := range cfg.Sequences {
				o := &cfg.Sequences[j]
				if i == j {
					continue
				}
				var packets []wire.Packet
				for _, step := range o.Steps {
					packets = append(packets, step.Packet())
				}
				expect("locks", ", beside which is a step of sequence '"+o.Name+"': ", y.locksOut(s.Steps, packets))
				same := listen(o.Sequence).opens(s.Steps)
				expect("part", "is a part of sequence '"+o.Name+"': ", y.opens(o.Steps) && !same)
				expect("same", "has the steps of sequence '"+o.Name+"': ", y.opens(o.Steps) && same && j < i)
			}
		}
	}
	for _, kind := range []string{"locks", "taken", "both", "part", "same"} {
		if warned[kind] == 0 {
			t.Errorf("no warning of kind %q was right: the test looks at too little", kind)
		}
	}
	t.Logf("warnings that were right: %v", warned)
}

// nearby makes a configuration of a door, receivers of messages and three sequences, with ports from
// 7000 on.
func nearby(random *rand.Rand) string {
	port := func() int { return 7000 + random.IntN(60) }
	proto := func() string { return []string{"tcp", "udp"}[random.IntN(2)] }
	var b strings.Builder
	fmt.Fprintf(&b, "config latchkey main\noption stun_port '%s'\noption spa_port %d\n", stunPorts(random), port())
	fmt.Fprintf(&b, "config door web\noption port %d\noption proto '%s'\n", port(), []string{"tcp", "udp", "tcp udp"}[random.IntN(3)])
	range1, range2 := port(), 7100+random.IntN(30)
	fmt.Fprintf(&b, "config door games\noption port '%d-%d %d/udp %d-%d/udp'\n", range1, range1+random.IntN(4), 7090+random.IntN(5), range2, range2+1)
	first := port()
	fmt.Fprintf(&b, "config ports\noption ports %d-%d\noption header %d\n", first, first+1+random.IntN(3), first+10)
	var before []string
	for i := range 3 {
		fmt.Fprintf(&b, "config sequence s%d\nlist door web\n", i)
		var steps []string
		if i > 0 && random.IntN(4) == 0 {
			steps = append(steps, before[:1+random.IntN(len(before))]...)
		}
		for len(steps) < 1+random.IntN(4) {
			flags := ""
			step := fmt.Sprintf("%d/%s", port(), proto())
			if strings.HasSuffix(step, "tcp") && random.IntN(3) == 0 {
				flags = ":" + []string{"syn", "fin,!syn", "ack,!syn", "rst", "!syn"}[random.IntN(5)]
			}
			steps = append(steps, step+flags)
		}
		for _, s := range steps {
			fmt.Fprintf(&b, "list step %s\n", s)
		}
		before = steps
	}
	return b.String()
}

// stunPorts are one to four ports, each once.
func stunPorts(random *rand.Rand) string {
	var ports []string
	for _, n := range random.Perm(60)[:1+random.IntN(link.MaxSTUNPorts)] {
		ports = append(ports, strconv.Itoa(7000+n))
	}
	return strings.Join(ports, " ")
}

// traffic is what comes to a port with a name.
type traffic struct {
	where   string
	packets []wire.Packet
}

func trafficOf(cfg *config.Config) []traffic {
	syn := func(port uint16) wire.Packet { return wire.Packet{Proto: wire.TCP, DstPort: port, Flags: wire.SYN} }
	datagram := func(port uint16) wire.Packet { return wire.Packet{Proto: wire.UDP, DstPort: port} }
	list := []traffic{
		{"the spa_port", []wire.Packet{datagram(cfg.Main.SPAPort)}},
	}
	stun := traffic{where: "the stun_port"}
	if len(cfg.Main.STUNPorts) > 1 {
		stun.where = "a stun_port"
	}
	for _, port := range cfg.Main.STUNPorts {
		stun.packets = append(stun.packets, datagram(port))
	}
	list = append(list, stun)
	ports := traffic{where: "one of the ports of section 'ports'"}
	for p := cfg.Ports.Groups[0].First; p <= cfg.Ports.Groups[0].Last; p++ {
		ports.packets = append(ports.packets, syn(p))
	}
	list = append(list, ports, traffic{"a header of section 'ports'", []wire.Packet{syn(cfg.Ports.Header[0])}})
	for _, d := range cfg.Doors {
		door := traffic{where: "the port of door '" + d.Name + "'"}
		if len(d.Openings) > 2 || d.Openings[0].Outside.Count() > 1 {
			door.where = "a port of door '" + d.Name + "'"
		}
		for _, o := range d.Openings {
			for port := o.Outside.First; port <= o.Outside.Last; port++ {
				if o.Proto == wire.UDP {
					door.packets = append(door.packets, datagram(port))
					continue
				}
				for _, flags := range []wire.TCPFlags{wire.SYN, wire.ACK, wire.ACK | wire.PSH, wire.ACK | wire.FIN, wire.RST} {
					p := syn(port)
					p.Flags = flags
					door.packets = append(door.packets, p)
				}
			}
		}
		list = append(list, door)
	}
	return list
}

// listener is the detector of one sequence.
type listener struct {
	detector knock.Detector
	now      time.Time
	port     uint16
}

func listen(s knock.Sequence) *listener {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	return &listener{detector: knock.New(knock.Config{Sequences: []knock.Sequence{s}}, now)[0], now: now}
}

// play sends packets, later than anything before is remembered, and tells whether the sequence opens. It is not so
// late that the detector goes through its whole table each time, which it does once in an hour.
func (y *listener) play(packets ...wire.Packet) (opened bool) {
	y.now = y.now.Add(10 * time.Minute)
	for _, p := range packets {
		y.port++
		p.Src, p.SrcPort, p.Seq = netip.MustParseAddr("203.0.113.7"), y.port, uint32(y.port)*2654435761
		y.detector.Observe(y.now, &p, func(f knock.Finding) { opened = opened || f.Reason == knock.OK })
		y.now = y.now.Add(50 * time.Millisecond)
	}
	return opened
}

func (y *listener) opens(steps []knock.Step) bool { return y.play(packetsOf(steps)...) }

func packetsOf(steps []knock.Step) []wire.Packet {
	packets := make([]wire.Packet, len(steps))
	for i := range steps {
		packets[i] = steps[i].Packet()
	}
	return packets
}

// locksOut reports whether some packet keeps the right knock behind it from opening.
func (y *listener) locksOut(steps []knock.Step, packets []wire.Packet) bool {
	for _, p := range packets {
		if !y.play(append([]wire.Packet{p}, packetsOf(steps)...)...) {
			return true
		}
	}
	return false
}

// takes reports whether some packet can stand for a step.
func (y *listener) takes(steps []knock.Step, packets []wire.Packet) bool {
	for _, p := range packets {
		for i := range steps {
			knocks := packetsOf(steps)
			knocks[i] = p
			if y.play(knocks...) {
				return true
			}
		}
	}
	return false
}
