// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sort"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// What else comes to the ports of a sequence. Whether a packet means something to it is asked of the
// detector's own rule, knock.Matcher.

// source is what comes to some port besides the knocks of a sequence.
type source struct {
	where   string // the port's name
	who     string // whose packets these are
	mayMeet bool   // that it comes to the very port of a step is no mistake
	packets []wire.Packet
}

// conflict is where a source meets a step of a sequence.
type conflict struct {
	source
	step           knock.Step
	taken, tripped bool // it is taken for the step, it touches a trip wire beside its port
}

// connection is what a sequence may see of a connection to a door, by TCP or UDP: it looks at the
// flags of packets only, so one of each kind is enough.
func connection(proto wire.Proto, port uint16) []wire.Packet {
	if proto != wire.TCP {
		return []wire.Packet{{Proto: proto, DstPort: port}}
	}
	kinds := [...]wire.TCPFlags{
		wire.SYN, wire.ACK, wire.PSH | wire.ACK, wire.FIN | wire.ACK, wire.FIN | wire.PSH | wire.ACK, wire.RST, wire.RST | wire.ACK,
	}
	list := make([]wire.Packet, 0, len(kinds))
	for _, flags := range kinds {
		list = append(list, wire.Packet{Proto: proto, DstPort: port, Flags: flags})
	}
	return list
}

// endpoint is a port outside.
type endpoint struct {
	proto wire.Proto
	port  uint16
}

// portSet has a bit for each port.
type portSet [1 << 16 / 64]uint64

func (s *portSet) has(port uint16) bool { return s[port/64]>>(port%64)&1 != 0 }

func (s *portSet) add(ports wire.PortRange) {
	for port := int(ports.First); port <= int(ports.Last); port++ {
		s[port/64] |= 1 << (port % 64)
	}
}

// doorPorts are the ports of all enabled doors. Few ports of sequences are among them, so doors are
// looked through for those only.
type doorPorts struct {
	doors []place[doorSection]
	tcp   portSet
	udp   portSet
}

func (p *doorPorts) of(proto wire.Proto) *portSet {
	if proto == wire.UDP {
		return &p.udp
	}
	return &p.tcp
}

func (r *reader) doorPorts() *doorPorts {
	p := &doorPorts{doors: r.doors}
	for i := range r.doors {
		if d := &r.doors[i].v; d.Enabled {
			for _, o := range d.Openings {
				p.of(o.Proto).add(o.Outside)
			}
		}
	}
	return p
}

// at lists what comes to a port because it is a door's.
func (p *doorPorts) at(here endpoint) (sources []source) {
	if !p.of(here.proto).has(here.port) {
		return nil
	}
	for i := range p.doors {
		d := &p.doors[i].v
		if _, has := d.Opening(here.proto, here.port); d.Enabled && has {
			where := "the port of door '"
			if !d.isOne() {
				where = "a port of door '"
			}
			sources = append(sources, source{
				where:   where + d.Name + "'",
				who:     "who connects to that door",
				packets: connection(here.proto, here.port),
			})
		}
	}
	return sources
}

// step is one of a sequence.
type step struct {
	sequence int // its place in the reader
	step     knock.Step
}

// othersKnocks lists the steps of all enabled sequences by their ports. Its size is that of the text.
func (r *reader) othersKnocks() map[endpoint][]step {
	knocks := map[endpoint][]step{}
	for i := range r.sequences {
		if q := &r.sequences[i].v; q.Enabled {
			for steps := range q.lists {
				for _, s := range steps {
					at, is := endpoint{s.Proto, s.Port}, step{i, s}
					if s.Proto != wire.ICMP && !slices.Contains(knocks[at], is) {
						knocks[at] = append(knocks[at], is)
					}
				}
			}
		}
	}
	return knocks
}

// lists goes through the steps of the sequence: its own, or those of each entry of its one-time list.
func (q *Sequence) lists(yield func([]knock.Step) bool) {
	if len(q.Steps) > 0 && !yield(q.Steps) {
		return
	}
	for _, text := range q.Once {
		if !yield(parseSteps(text)) {
			return
		}
	}
}

// adviseTraffic warns of what a sequence takes for its own steps, and what touches its trip wires, in the
// traffic of doors, of messages and of other sequences. A step that two sequences have is no mistake.
func (r *reader) adviseTraffic(at int, doors *doorPorts, others map[endpoint][]step) {
	q := &r.sequences[at]
	option, once := "step", len(q.v.Once) > 0
	if once {
		option = "once"
	}
	receivers := r.receivers()
	var conflicts []conflict // bounded by the number of doors, sequences and receivers, and of steps outside of one-time lists
	for steps := range q.v.lists {
		matcher := knock.NewMatcher([]knock.Sequence{{Steps: steps}})
		for _, proto := range [...]wire.Proto{wire.TCP, wire.UDP} {
			ports := slices.Collect(matcher.Ports(proto))
			sort.Slice(ports, func(i, j int) bool { return ports[i] < ports[j] })
			for _, port := range ports {
				here := endpoint{proto, port}
				for _, v := range doors.at(here) {
					conflicts = note(conflicts, v, steps, once, matcher)
				}
				for _, k := range receivers {
					if k.Proto == proto && inRanges(k.Ports, port) {
						knocks := connection(proto, port)[:1] // nobody answers them
						conflicts = note(conflicts, source{k.What, "who knocks there", false, knocks}, steps, once, matcher)
					}
				}
				for _, o := range others[here] {
					if o.sequence == at {
						continue
					}
					name := "a step of sequence '" + r.sequences[o.sequence].v.Name + "'"
					conflicts = note(conflicts, source{name, "who knocks that one", true, []wire.Packet{o.step.Packet()}}, steps, once, matcher)
				}
			}
		}
	}
	for _, v := range conflicts {
		locked := fmt.Sprintf("%s is locked out of this sequence for %s", v.who, formatDuration(q.v.Within))
		switch {
		case v.taken && v.tripped:
			r.warnStep(q.at, option, v.step, "which is %s too: %s", v.where, locked)
		case v.taken:
			r.warnStep(q.at, option, v.step, "which is %s too", v.where)
		default:
			r.warnStep(q.at, option, v.step, "beside which is %s: %s, leave a port between", v.where, locked)
		}
	}
}

// note adds what a source means to the steps of a sequence. Of a one-time list one step is enough.
func note(conflicts []conflict, from source, steps []knock.Step, once bool, matcher knock.Matcher) []conflict {
	for p := range from.packets {
		matcher.Match(&from.packets[p], func(x knock.Match) {
			if x.Wires == 0 && from.mayMeet {
				return
			}
			step := steps[bits.TrailingZeros16(cmp.Or(x.Wires, x.Steps))]
			i := slices.IndexFunc(conflicts, func(v conflict) bool { return v.where == from.where && (once || v.step == step) })
			if i < 0 {
				i = len(conflicts)
				conflicts = append(conflicts, conflict{source: from, step: step})
			}
			conflicts[i].tripped = conflicts[i].tripped || x.Wires != 0
			conflicts[i].taken = conflicts[i].taken || x.Wires == 0
		})
	}
	return conflicts
}

// warnStep warns about one step of a sequence, where that stands.
func (r *reader) warnStep(s *uci.Section, option string, of knock.Step, format string, args ...any) {
	p := aboutOption(s, option, "has "+of.String()+", "+fmt.Sprintf(format, args...))
	if at := valueOf(s, option, of.String()).Line; at > s.Line {
		p.Line = at
	}
	r.addWarning(p)
}

// adviseContained warns which other sequences walk the whole of this one on their way. Entries of
// one-time lists are left out: they are drawn at random, and gone when they were used.
func (r *reader) adviseContained(at int) {
	q := &r.sequences[at]
	if len(q.v.Steps) == 0 {
		return
	}
	for i := range r.sequences {
		o := &r.sequences[i].v
		if i == at || !o.Enabled || !knock.Opens(o.Steps, &q.v.Sequence) {
			continue
		}
		if knock.Opens(q.v.Steps, &o.Sequence) {
			if i < at {
				r.warn(q.at, "step", "has the steps of sequence '%s': who knocks one opens the doors of both", o.Name)
			}
			continue
		}
		r.warn(q.at, "step", "is a part of sequence '%s': who knocks that one opens the doors of both", o.Name)
	}
}
