// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Opening is ports of one protocol that a door opens, outside, and as many that they lead to, in the same
// order. A port for both protocols is two openings, TCP first.
type Opening struct {
	Proto           wire.Proto // TCP or UDP
	Outside, Inside wire.PortRange
}

// Has reports whether a port outside is one of the opening's.
func (o Opening) Has(proto wire.Proto, port uint16) bool {
	return o.Proto == proto && inRange(o.Outside, port)
}

// PortInside returns where a port outside leads.
func (o Opening) PortInside(outside uint16) uint16 {
	return o.Inside.First + (outside - o.Outside.First)
}

// Opening returns the door's opening that has a port outside.
func (d *Door) Opening(proto wire.Proto, port uint16) (Opening, bool) {
	for _, o := range d.Openings {
		if o.Has(proto, port) {
			return o, true
		}
	}
	return Opening{}, false
}

// doorSection is a door whose ports wait until all is read that says what they are.
type doorSection struct {
	Door
	protos []wire.Proto // of ports that do not say it themselves; none = TCP
	ports  []doorPort
	inside []wire.PortRange // where ports lead, one for each; none = to the same ones
}

// doorPort is an entry of a door's option port.
type doorPort struct {
	wire.PortRange
	proto wire.Proto // 0 = as the door's option proto says
}

var errDoorPort = errors.New("want ports such as 443, 8000-8010 or 60000-61000/udp, with spaces between them")

// parseDoorPort reads a port or a range of ports, with /tcp or /udp behind it or not.
func parseDoorPort(s string) (p doorPort, err error) {
	ports, proto, own := strings.Cut(s, "/")
	if own {
		if p.proto, err = parseProto(proto); err != nil {
			return doorPort{}, err
		}
	}
	if p.PortRange, err = parseInside(ports); err != nil {
		return doorPort{}, err
	}
	return p, nil
}

// parseInside reads a port or a range of ports.
func parseInside(s string) (wire.PortRange, error) {
	if strings.ContainsAny(s, ",:") { // as other firewalls write lists and ranges
		return wire.PortRange{}, errDoorPort
	}
	return parseRange(s)
}

// finishOpenings makes the openings of a door from its options proto, port and dest_port.
func (r *reader) finishOpenings(d *doorSection, s *uci.Section) {
	if d.protos == nil {
		d.protos = []wire.Proto{wire.TCP}
	}
	if !has(s, "dest") { // which was reported
		d.inside = nil
	}
	if d.inside != nil && len(d.inside) != len(d.ports) {
		if !r.failed(s, "port") && !r.failed(s, "dest_port") {
			r.refuse(s, "dest_port", "must have as many entries as option 'port', %d and not %d, in the same order (leave it out if they are the same inside)",
				len(d.ports), len(d.inside))
		}
		d.inside = nil
	}
	for i, p := range d.ports {
		inside := p.PortRange
		if d.inside != nil {
			inside = d.inside[i]
		}
		if inside.Count() != p.Count() {
			r.refuse(s, "dest_port", "has %s, which is %d ports, where option 'port' has %s, which is %d: each port leads to one, so they must be as many (leave dest_port out if they are the same inside)",
				inside, inside.Count(), p.PortRange, p.Count())
			inside = p.PortRange
		}
		for _, proto := range [...]wire.Proto{wire.TCP, wire.UDP} {
			if proto == p.proto || p.proto == 0 && slices.Contains(d.protos, proto) {
				d.Openings = append(d.Openings, Opening{proto, p.PortRange, inside})
			}
		}
	}
	r.checkOpenings(d, s)
}

// checkOpenings refuses ports that a door has twice, and more than the firewall can lead elsewhere.
func (r *reader) checkOpenings(d *doorSection, s *uci.Section) {
	tcp, udp := 0, 0 // ports of ranges that lead to others
	for i, o := range d.Openings {
		for _, other := range d.Openings[:i] {
			if port, both := overlap(o, other); both {
				r.refuse(s, "port", "has port %d/%s twice, in %s and in %s", port, protoName(o.Proto), other.Outside, o.Outside)
				return
			}
		}
		switch n := o.Outside.Count(); {
		case n == 1 || o.Inside == o.Outside:
		case o.Proto == wire.TCP:
			tcp += n
		default:
			udp += n
		}
	}
	if n := max(tcp, udp); n > MaxMoved && d.DestIP.IsValid() {
		r.refuse(s, "dest_port", "leads %d ports of ranges to other ports, which the firewall can do for %d: leave it out, so that they are the same inside", n, MaxMoved)
	}
}

// overlap returns the lowest port that two openings have both.
func overlap(a, b Opening) (port uint16, both bool) {
	port = max(a.Outside.First, b.Outside.First)
	return port, a.Has(a.Proto, port) && b.Has(a.Proto, port)
}

// sharedPort returns the lowest port of an opening that is in one of some ranges.
func sharedPort(o Opening, ranges []wire.PortRange) (port uint16, shared bool) {
	for _, r := range ranges {
		if at, both := overlap(o, Opening{o.Proto, r, r}); both && (!shared || at < port) {
			port, shared = at, true
		}
	}
	return port, shared
}

// isOne reports whether the door has one port.
func (d *doorSection) isOne() bool { return len(d.ports) == 1 && d.ports[0].Count() == 1 }

// which begins a sentence about a port of the door, and names it if there are others.
func (d *doorSection) which(proto wire.Proto, port uint16) string {
	if d.isOne() {
		return "is"
	}
	return fmt.Sprintf("has %d/%s, which is", port, protoName(proto))
}
