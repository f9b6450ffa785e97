// SPDX-License-Identifier: Apache-2.0

package fw4

import (
	"net/netip"
	"strings"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/nft"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Object is one object of firewall4: what a section of /etc/config/firewall is, with its type as the
// first option.
type Object []Option

// Option is one option of an object. Its value has no spaces.
type Option struct{ Name, Value string }

// String returns the object as words: "type=ipset name=latchkey1_nas_4 family=ipv4 ...".
func (o Object) String() string {
	words := make([]string, len(o))
	for i, option := range o {
		words[i] = option.Name + "=" + option.Value
	}
	return strings.Join(words, " ")
}

// Objects returns what makes the enabled doors of a configuration work: for each family in which a
// door leads somewhere, a set, and for each of its openings a rule or a redirect that lets the
// addresses in the set through.
func Objects(c *config.Config) []Object {
	var list []Object
	for i := range c.Doors {
		d := &c.Doors[i]
		if !d.Enabled {
			continue
		}
		for _, six := range []bool{false, true} {
			if !d.ServesFamily(six) {
				continue
			}
			list = append(list, set(d, six))
			for _, o := range d.Openings {
				for _, part := range parts(d, six, o) {
					list = append(list, pass(d, six, part))
				}
			}
		}
	}
	return list
}

// set is where the daemon puts addresses, or networks. Each brings its own timeout, so the set's is 0; without
// that option firewall4 would make a set that knows no timeouts.
func set(d *config.Door, six bool) Object {
	match := "src_ip"
	if d.ForBook().Wide(six) {
		match = "src_net"
	}
	return Object{
		{"type", "ipset"}, {"name", setName(d, six)}, {"family", family(six)},
		{"match", match}, {"timeout", "0"},
	}
}

func setName(d *config.Door, six bool) string { return nft.SetName(d.Name, six, d.ForBook().Wide(six)) }

// parts are what takes one rule each. For DNAT to a range the kernel takes the port that was asked for, if it
// is in that range, else its first port for everybody: so a range that leads to other ports is taken apart.
func parts(d *config.Door, six bool, o config.Opening) (list []config.Opening) {
	if d.Dest == "" || six || o.Inside == o.Outside {
		return []config.Opening{o}
	}
	for i := range uint16(o.Outside.Count()) { // at most config.MaxMoved for each protocol, if there are several
		list = append(list, config.Opening{Proto: o.Proto, Outside: one(o.Outside.First + i), Inside: one(o.Inside.First + i)})
	}
	return list
}

func one(port uint16) wire.PortRange { return wire.PortRange{First: port, Last: port} }

// pass lets the addresses in a door's set through.
func pass(d *config.Door, six bool, ports config.Opening) Object {
	kind, target, outside := "rule", "ACCEPT", "dest_port"
	if d.Dest != "" && !six {
		kind, target, outside = "redirect", "DNAT", "src_dport"
	}
	o := Object{
		{"type", kind}, {"ipset", setName(d, six)}, {"family", family(six)},
		{"src", d.Src}, {"proto", ports.Proto.String()},
	}
	switch {
	case d.Dest == "":
		o = append(o, Option{outside, ports.Outside.String()})
	case six:
		// IPv6 has no port forwarding: the host is reached at its own port.
		o = append(o, Option{"dest", d.Dest}, Option{"dest_ip", pinhole(d.DestIP6)}, Option{"dest_port", ports.Inside.String()})
	default:
		// With reflection firewall4 lets the zone of the host in at its own address outside, whether the door is open
		// or not, by rules that do not ask the set. All other zones are as far away as the Internet.
		o = append(o, Option{"dest", d.Dest}, Option{outside, ports.Outside.String()}, Option{"dest_ip", d.DestIP.String()},
			Option{"dest_port", ports.Inside.String()}, Option{"reflection", flag(d.Reflection)})
	}
	return append(o, Option{"target", target})
}

// pinhole returns a host's address as firewall4 takes it. One that begins with 64 zero bits is the
// end of an address: it stands for that host whatever prefix the provider gives.
func pinhole(a netip.Addr) string {
	if b := a.As16(); [8]byte(b[:8]) == [8]byte{} {
		return a.String() + "/-64"
	}
	return a.String()
}

func flag(on bool) string {
	if on {
		return "1"
	}
	return "0"
}

func family(six bool) string {
	if six {
		return "ipv6"
	}
	return "ipv4"
}
