// SPDX-License-Identifier: Apache-2.0

package config

import (
	"slices"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Receiver is where knocks of a kind arrive that has ports of its own. Sequences have none: any port may be a step.
type Receiver struct {
	What  string // what these ports are, as problems say it
	Proto wire.Proto
	Ports []wire.PortRange
}

// Receivers are all of a configuration's.
type Receivers []Receiver

// Receivers lists where knocks arrive. What is off is not in it.
func (c *Config) Receivers() Receivers { return receivers(&c.Main, c.Ports) }

// Have reports whether knocks arrive at a port.
func (list Receivers) Have(proto wire.Proto, port uint16) bool {
	return slices.ContainsFunc(list, func(k Receiver) bool { return k.Proto == proto && inRanges(k.Ports, port) })
}

func receivers(m *Main, ordered *knock.Ordered) (list Receivers) {
	add := func(what string, proto wire.Proto, ports ...wire.PortRange) {
		if len(ports) > 0 && ports[0].Last != 0 {
			list = append(list, Receiver{what, proto, ports})
		}
	}
	stun := "the stun_port"
	if len(m.STUNPorts) > 1 {
		stun = "a stun_port"
	}
	for _, port := range m.STUNPorts {
		add(stun, wire.UDP, onePort(port))
	}
	add("the spa_port", wire.UDP, onePort(m.SPAPort))
	add("one of the ports of section 'main'", wire.TCP, m.Ports)
	if ordered != nil {
		add("one of the ports of section 'ports'", wire.TCP, ordered.Groups...)
		for _, port := range ordered.Header {
			add("a header of section 'ports'", wire.TCP, onePort(port))
		}
		for _, port := range ordered.Footer {
			add("a footer of section 'ports'", wire.TCP, onePort(port))
		}
	}
	return list
}

// meets returns the first port of a door at which knocks arrive.
func (d *Door) meets(k Receiver) (port uint16, meets bool) {
	for _, o := range d.Openings {
		if port, meets = sharedPort(o, k.Ports); meets && o.Proto == k.Proto {
			return port, true
		}
	}
	return 0, false
}

func onePort(port uint16) wire.PortRange { return wire.PortRange{First: port, Last: port} }
