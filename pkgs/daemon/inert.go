// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"slices"
	"strconv"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// inertSequences recognise, for a Trace, whole sequences that open nothing, so that it can say why: those that
// are switched off, the used and later ones of a one-time list, those whose TCP flags are not right, and all
// that come from inside. They decide nothing.
type inertSequences struct {
	list      []inertSequence
	detectors []knock.Detector
	whole     []knock.Finding // of the packet that is looked at, each with its place in the list for a name
}

// inertSequence is one sequence, or one of a list.
type inertSequence struct {
	of   int // its place in the configuration
	once string
}

func (p *policy) newInert(now time.Time) inertSequences {
	var a inertSequences
	var k knock.Config
	for i := range p.cfg.Sequences {
		for _, q := range p.cfg.Sequences[i].All() {
			a.list = append(a.list, inertSequence{i, q.Once})
			q.Name = strconv.Itoa(len(k.Sequences))
			q.Steps = slices.Clone(q.Steps)
			for n := range q.Steps {
				q.Steps[n].Flags, q.Steps[n].Mask = 0, 0
			}
			k.Sequences = append(k.Sequences, q)
		}
	}
	a.detectors = knock.New(k, now)
	return a
}

// observe notes which sequences end with a packet.
func (a *inertSequences) observe(now time.Time, packet *wire.Packet) {
	a.whole = a.whole[:0]
	for _, d := range a.detectors {
		d.Observe(now, packet, func(f knock.Finding) {
			if f.Reason == knock.OK {
				a.whole = append(a.whole, f)
			}
		})
	}
}

// explain returns an event without a number for each sequence that ended with the packet. device is
// where that came in, if that is inside, else "".
func (t *Trace) explain(now time.Time, device string) (events []control.Event) {
	d := t.daemon
	for _, f := range t.inert.whole {
		n, _ := strconv.Atoi(f.Name)
		a := &t.inert.list[n]
		s := &d.policy.cfg.Sequences[a.of]
		f.Name = s.Name
		e := control.Event{Kind: attempt, Time: now.Round(0), Address: f.From.String(), Client: s.Client, Knock: knockName(f.Request)}
		due, _ := s.Due(d.sys.Memory.Used)
		opened := func(g *door.Grant) bool { return g.Network.Contains(f.From.Unmap()) && g.Knock == e.Knock }
		switch {
		case device != "":
			e.Kind = inside
			e.Detail = "it came from inside (" + device + ") and opens nothing: a door is for the outside"
		case !s.Enabled:
			e.Reason, e.Detail = string(knock.Disabled), "all steps right, but this sequence is switched off"
		case a.once != "" && d.sys.Memory.Used(a.once):
			e.Reason, e.Detail = string(knock.UsedUp), "all steps right, but this one-time sequence was used before"
		case a.once != due.Once:
			e.Reason, e.Detail = string(knock.WrongOrder), "all steps right, but it is not this one-time sequence's turn"
		case len(d.book.Select(now, opened)) > 0:
			continue // the rest of the connections that the knock was made with
		default:
			e.Reason, e.Detail = string(knock.WrongFlags), "all steps came in their order, but not with their TCP flags"
		}
		if a.once != "" && due.Once != "" && a.once != due.Once && device == "" {
			e.Detail += ": the next is " + due.Once
		}
		events = append(events, e)
	}
	return events
}
