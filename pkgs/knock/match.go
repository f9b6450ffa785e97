// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"iter"
	"slices"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Matcher knows which packets are steps of sequences, and which touch trip wires. The detector asks it about
// each packet, and the check of a configuration does, too: what gets in a sequence's way is decided here only.
// It has at most three roles for each step.
type Matcher map[target][]role

// Match is what a packet is to one sequence. If it touches trip wires, it is no step.
type Match struct {
	Sequence int    // its place in the list
	Steps    uint16 // bit i: it fits step i
	Wires    uint16 // bit i: it goes to a trip wire beside the port of step i
}

// target is what a packet is aimed at.
type target struct {
	proto wire.Proto
	port  uint16 // of TCP and UDP; the payload size of ICMP
}

// role is what a target is to one sequence, for packets with such flags.
type role struct {
	sequence     uint16
	steps, wires uint16 // as in Match
	flags, mask  wire.TCPFlags
}

// NewMatcher returns the matcher of some sequences.
func NewMatcher(list []Sequence) Matcher {
	matcher := Matcher{}
	for i := range list {
		matcher.add(uint16(i), list[i].Steps)
	}
	return matcher
}

func (m Matcher) add(sequence uint16, steps []Step) {
	for i, s := range steps {
		m.join(target{s.Proto, s.port()}, role{sequence: sequence, steps: 1 << i, flags: s.Flags, mask: s.Mask})
		for _, port := range s.wires() {
			isStep := func(o Step) bool { return o.Proto == s.Proto && o.Port == port }
			if !slices.ContainsFunc(steps, isStep) {
				m.join(target{s.Proto, port}, role{sequence: sequence, wires: 1 << i, flags: s.Flags, mask: s.Mask})
			}
		}
	}
}

// join puts roles together that differ only in their steps. The roles of one target stay sorted by
// sequence, because add is called in that order.
func (m Matcher) join(at target, n role) {
	for i := range m[at] {
		o := &m[at][i]
		if o.sequence == n.sequence && o.flags == n.flags && o.mask == n.mask {
			o.steps |= n.steps
			o.wires |= n.wires
			return
		}
	}
	m[at] = append(m[at], n)
}

// port is the number that a step is aimed at: a port, or the payload size of ICMP.
func (s Step) port() uint16 {
	if s.Proto == wire.ICMP {
		return s.Size
	}
	return s.Port
}

// wires are the ports beside a step's: its trip wires, but for those that are ports of steps too.
func (s Step) wires() []uint16 {
	switch {
	case s.Proto == wire.ICMP:
		return nil
	case s.Port == 1:
		return []uint16{2}
	case s.Port == 65535:
		return []uint16{65534}
	}
	return []uint16{s.Port - 1, s.Port + 1}
}

// Match calls each with what a packet is to the sequences, in their order. Those that it does not concern are
// left out. It is no iterator: in the router's program, where no function is inlined, each use of one would
// take memory.
func (m Matcher) Match(p *wire.Packet, each func(Match)) {
	at, ok := aim(p)
	if !ok {
		return
	}
	roles := m[at]
	for i := 0; i < len(roles); {
		x := Match{Sequence: int(roles[i].sequence)}
		for ; i < len(roles) && int(roles[i].sequence) == x.Sequence; i++ {
			if o := &roles[i]; p.Flags&o.mask == o.flags {
				x.Steps |= o.steps
				x.Wires |= o.wires
			}
		}
		if x.Steps|x.Wires != 0 {
			each(x)
		}
	}
}

// aim returns what a packet is aimed at, and whether that can be a step.
func aim(p *wire.Packet) (target, bool) {
	if p.Proto == wire.TCP || p.Proto == wire.UDP {
		return target{p.Proto, p.DstPort}, true
	}
	return target{wire.ICMP, uint16(p.Size)}, p.IsEcho() && p.Size <= MaxEchoSize
}

// Ports lists, in no order, the ports of a protocol to which a packet can be a step or touch a trip wire.
func (m Matcher) Ports(proto wire.Proto) iter.Seq[uint16] {
	return func(yield func(uint16) bool) {
		for at := range m {
			if at.proto == proto && !yield(at.port) {
				return
			}
		}
	}
}

// echoRequest is the ICMP type of a ping (RFC 792).
const echoRequest = 8

// Packet returns a packet that fits the step, as who knocks sends it.
func (s Step) Packet() wire.Packet {
	if s.Proto == wire.ICMP {
		return wire.Packet{Proto: wire.ICMP, ICMPType: echoRequest, Size: int(s.Size)}
	}
	return wire.Packet{Proto: s.Proto, DstPort: s.Port, Flags: s.Flags}
}

// Beside reports whether the port of one step is a trip wire of another, unless it is itself a port of
// that one's sequence.
func (s Step) Beside(of Step) bool {
	return s.Proto == of.Proto && slices.Contains(of.wires(), s.Port)
}

// Opens reports whether somebody who knocks with these steps completes another sequence on the way, without
// touching one of its trip wires before. Both have at least one step.
func Opens(steps []Step, other *Sequence) bool {
	first := func(s Step) bool { return s.Proto == other.Steps[0].Proto && s.port() == other.Steps[0].port() }
	if len(steps) < len(other.Steps) || !slices.ContainsFunc(steps, first) {
		return false
	}
	var a attempt
	marks := make([]mark, len(other.Steps))
	matcher := NewMatcher([]Sequence{*other})
	opens, over := false, false
	for _, s := range steps {
		p := s.Packet()
		matcher.Match(&p, func(x Match) { // one at the most
			opens = x.Wires == 0 && a.walk(marks, x.Steps, 0) == len(marks)
			over = opens || x.Wires != 0
		})
		if over {
			break
		}
	}
	return opens
}
