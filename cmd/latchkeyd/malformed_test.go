// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// alike is a way to change each packet of a knock.
type alike struct {
	name  string
	opens bool
	// change returns the frame for an IP packet; nil = this way is not for such a packet.
	change func(ip []byte) []byte
}

// wrong is a group of them: a row of SECURITY.md.
type wrong struct {
	fault, outcome string
	ways           []alike
}

// atIP makes a change of the IP packet. It gets a copy.
func atIP(f func(b []byte) []byte) func([]byte) []byte {
	return func(ip []byte) []byte {
		if b := f(bytes.Clone(ip)); b != nil {
			return ether(b)
		}
		return nil
	}
}

// atIP4 and atIP6 are for one family.
func atIP4(f func(b []byte) []byte) func([]byte) []byte {
	return atIP(func(b []byte) []byte {
		if b[0]>>4 != 4 {
			return nil
		}
		return f(b)
	})
}

func atIP6(f func(b []byte) []byte) func([]byte) []byte {
	return atIP(func(b []byte) []byte {
		if b[0]>>4 != 6 {
			return nil
		}
		return f(b)
	})
}

// atTransport is for the header behind that of IP, if it is of the protocol.
func atTransport(proto wire.Proto, f func(header []byte)) func([]byte) []byte {
	return atIP(func(b []byte) []byte {
		at, next := 20, b[9]
		if b[0]>>4 == 6 {
			at, next = 40, b[6]
		}
		if wire.Proto(next) != proto && !(proto == wire.ICMP && wire.Proto(next) == wire.ICMPv6) {
			return nil
		}
		f(b[at:])
		return b
	})
}

// set is a change of some bytes.
func set(at int, values ...byte) func([]byte) []byte {
	return func(b []byte) []byte {
		copy(b[at:], values)
		return b
	}
}

// between puts bytes behind the IP header: options of IPv4, or extension headers of IPv6, the first of which has
// the number next; they end with the number of what was there.
func between(next byte, more ...byte) func([]byte) []byte {
	return func(b []byte) []byte {
		at := 20
		if b[0]>>4 == 6 {
			at = 40
			for i := 0; i < len(more); i += 8 * (1 + int(more[i+1])) {
				if i+8*(1+int(more[i+1])) >= len(more) {
					more = bytes.Clone(more)
					more[i] = b[6]
				}
			}
			b[6] = next
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)-at+len(more)))
		} else {
			b[0] += byte(len(more) / 4)
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)+len(more)))
		}
		return slices.Insert(b, at, more...)
	}
}

// longOptions is NOPs up to the largest header of IPv4.
var longOptions = bytes.Repeat([]byte{1}, 40)

const nothingOpened = "nothing opens, and an honest knock right after does"

var wrongs = []wrong{
	{"frames of another VLAN on the same wire", nothingOpened, []alike{
		{"tag", false, func(ip []byte) []byte { return tagged(ether(ip), etherVLAN, 5) }},
		{"provider's tag", false, func(ip []byte) []byte { return tagged(ether(ip), etherQinQ, 5) }},
		{"two tags", false, func(ip []byte) []byte { return tagged(ether(ip), etherQinQ, 5, etherVLAN, 6) }},
		{"two tags without a number", false, func(ip []byte) []byte { return tagged(ether(ip), etherVLAN, 0, etherVLAN, 0) }},
		{"tag within a priority", false, func(ip []byte) []byte { return tagged(ether(ip), etherVLAN, 0xe000, etherVLAN, 5) }},
		{"tag that reads like IPv4", false, func(ip []byte) []byte { return tagged(ether(ip), etherVLAN, 0, etherVLAN, 0x4500) }},
		{"priority alone", true, func(ip []byte) []byte { return tagged(ether(ip), etherVLAN, 0xe000) }},
	}},
	{"frames that say they are no IP, and look like it", nothingOpened, []alike{
		{"experiment", false, func(ip []byte) []byte { return set(12, 0x88, 0xb5)(ether(ip)) }},
		{"ARP", false, func(ip []byte) []byte { return set(12, 0x08, 0x06)(ether(ip)) }},
		{"MPLS", false, func(ip []byte) []byte { return set(12, 0x88, 0x47)(ether(ip)) }},
		{"PPPoE", false, func(ip []byte) []byte { return set(12, 0x88, 0x64)(ether(ip)) }},
		{"length of 802.3", false, func(ip []byte) []byte { return set(12, 0x00, 0x40)(ether(ip)) }},
	}},
	{"IP headers that contradict themselves", nothingOpened, []alike{
		{"version 0", false, atIP(func(b []byte) []byte { b[0] &= 0x0f; return b })},
		{"version 15", false, atIP(func(b []byte) []byte { b[0] |= 0xf0; return b })},
		{"version of the other family", false, func(ip []byte) []byte {
			f := ether(ip)
			f[14] ^= 0x20
			return f
		}},
		{"no header length", false, atIP4(func(b []byte) []byte { b[0] = 0x40; return b })},
		{"header length of 16", false, atIP4(func(b []byte) []byte { b[0] = 0x44; return b })},
		{"header as long as can be", false, atIP4(func(b []byte) []byte { b[0] = 0x4f; return b })},
		{"no length", false, atIP4(set(2, 0, 0))},
		{"length of the header", false, atIP4(set(2, 0, 20))},
		{"length below the header", false, atIP4(set(2, 0, 19))},
		{"length that cuts the transport header", false, atIP4(set(2, 0, 27))},
		{"no payload length", false, atIP6(set(4, 0, 0))},
		{"payload length that cuts the transport header", false, atIP6(set(4, 0, 7))},
		{"another protocol", false, atIP4(set(9, 132))},
		{"no next header", false, atIP6(set(6, 59))},
		{"ICMP of the other family", false, atIP(func(b []byte) []byte {
			switch {
			case b[0]>>4 == 4 && wire.Proto(b[9]) == wire.ICMP:
				return set(9, byte(wire.ICMPv6))(b)
			case b[0]>>4 == 6 && wire.Proto(b[6]) == wire.ICMPv6:
				return set(6, byte(wire.ICMP))(b)
			}
			return nil
		})},
	}},
	{"fragments, and what only looks like one", nothingOpened, []alike{
		{"first", false, atIP4(set(6, 0x20, 0))},
		{"later", false, atIP4(set(6, 0x00, 1))},
		{"middle", false, atIP4(set(6, 0x3f, 0xff))},
		{"IPv6 first", false, atIP6(between(44, 0, 0, 0, 1, 1, 2, 3, 4))},
		{"IPv6 later", false, atIP6(between(44, 0, 0, 0, 8, 1, 2, 3, 4))},
		{"IPv6 whole", false, atIP6(between(44, 0, 0, 0, 0, 1, 2, 3, 4))},
		{"not to be fragmented", true, atIP4(set(6, 0x40, 0))},
	}},
	{"IPv6 extension headers", nothingOpened, []alike{
		{"hop by hop", false, atIP6(between(0, 0, 0, 1, 4, 0, 0, 0, 0))},
		{"destination options", false, atIP6(between(60, 0, 0, 1, 4, 0, 0, 0, 0))},
		{"routing", false, atIP6(between(43, 0, 0, 4, 0, 0, 0, 0, 0))},
		{"routing with stops left", false, atIP6(between(43, 0, 2, 0, 1, 0, 0, 0, 0, 0x20, 1, 0xd, 0xb8, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9))},
		{"longer than the packet", false, atIP6(func(b []byte) []byte { return set(41, 255)(between(60, 0, 0, 1, 4, 0, 0, 0, 0)(b)) })},
		{"twelve of them", false, atIP6(func(b []byte) []byte {
			more := bytes.Repeat([]byte{60, 0, 1, 4, 0, 0, 0, 0}, 12)
			return between(60, more...)(b)
		})},
	}},
	{"IPv4 options, and other senders' habits", "the knock counts: they change nothing of what it says", []alike{
		{"four NOPs", true, atIP4(between(0, 1, 1, 1, 1))},
		{"record route", true, atIP4(between(0, 7, 7, 4, 0, 0, 0, 0, 0))},
		{"as many as can be", true, atIP4(between(0, longOptions...))},
		{"source route", true, atIP4(between(0, 131, 7, 4, 192, 0, 2, 1, 0))},
		{"options that make no sense", true, atIP4(between(0, 7, 0, 255, 255))},
		{"padding behind the packet", true, func(ip []byte) []byte { return append(ether(ip), make([]byte, 40)...) }},
		{"congestion marks", true, atIP4(set(1, 0xff))},
		{"flow label", true, atIP6(set(1, 0x0f, 0xff, 0xff))},
	}},
	{"wrong checksums of IP, TCP, UDP and ICMP", "the knock counts: its seal covers what it says, and a step says nothing", []alike{
		{"IP", true, atIP4(set(10, 0xde, 0xad))},
		{"UDP", true, atTransport(wire.UDP, func(h []byte) { h[6], h[7] = 0xde, 0xad })},
		{"no UDP", true, atTransport(wire.UDP, func(h []byte) { h[6], h[7] = 0, 0 })},
		{"TCP", true, atTransport(wire.TCP, func(h []byte) { h[16], h[17] = 0xde, 0xad })},
		{"ICMP", true, atTransport(wire.ICMP, func(h []byte) { h[2], h[3] = 0xde, 0xad })},
	}},
	{"TCP segments that ask for no connection, or are damaged", nothingOpened, []alike{
		{"no flags", false, atTransport(wire.TCP, func(h []byte) { h[13] = 0 })},
		{"FIN", false, atTransport(wire.TCP, func(h []byte) { h[13] = 1 })},
		{"SYN and FIN", false, atTransport(wire.TCP, func(h []byte) { h[13] = 3 })},
		{"SYN and RST", false, atTransport(wire.TCP, func(h []byte) { h[13] = 6 })},
		{"SYN and ACK", false, atTransport(wire.TCP, func(h []byte) { h[13] = 0x12 })},
		{"all flags", false, atTransport(wire.TCP, func(h []byte) { h[13] = 0xff })},
		{"no header length", false, atTransport(wire.TCP, func(h []byte) { h[12] = 0 })},
		{"header length of 16", false, atTransport(wire.TCP, func(h []byte) { h[12] = 0x40 })},
		{"header longer than the packet", false, atTransport(wire.TCP, func(h []byte) { h[12] = 0xf0 })},
		{"SYN with PSH, URG and congestion marks", true, atTransport(wire.TCP, func(h []byte) { h[13] = 0xea })},
	}},
	{"UDP and ICMP lengths and types that lie", nothingOpened, []alike{
		{"no UDP length", false, atTransport(wire.UDP, func(h []byte) { h[4], h[5] = 0, 0 })},
		{"UDP length below the header", false, atTransport(wire.UDP, func(h []byte) { h[4], h[5] = 0, 7 })},
		{"huge UDP length", false, atTransport(wire.UDP, func(h []byte) { h[4], h[5] = 0xff, 0xff })},
		{"UDP length of one byte too many", false, atTransport(wire.UDP, func(h []byte) { h[5]++ })},
		{"echo reply", false, atTransport(wire.ICMP, func(h []byte) { h[0] = 0 })},
		{"destination unreachable", false, atTransport(wire.ICMP, func(h []byte) { h[0] = 3 })},
	}},
}

// applies returns the frames of a knock with the change, false if it changes none of its packets.
func (w alike) applies(packets [][]byte) (list [][]byte, changed bool) {
	for _, ip := range packets {
		f := w.change(ip)
		if f == nil {
			f = ether(ip)
		} else {
			changed = true
		}
		list = append(list, f)
	}
	return list, changed
}

// strangers gives addresses of both families that nobody else has, one after the other.
func strangers() func(six bool) netip.Addr {
	n := byte(0)
	return func(six bool) netip.Addr {
		n++
		if six {
			return netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 9, 15: n})
		}
		return netip.AddrFrom4([4]byte{198, 51, 100, n})
	}
}

// TestMalformedPackets changes every packet of a knock in one way, for each kind of knock and each family. Each
// knock comes from an address of its own, so that it is known which one opened.
func TestMalformedPackets(t *testing.T) {
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			for _, family := range kind.families {
				k := newKnocker(t)
				six := netip.MustParseAddr(family).Is6()
				d := start(t, everyKind, "--clock", "synchronised")
				send := d.wire()
				next := strangers()
				type try struct {
					from netip.Addr
					name string
					want bool
				}
				var tries []try
				for _, w := range wrongs {
					for _, way := range w.ways {
						from := next(six)
						list, changed := way.applies(kind.packets(k, from))
						if !changed {
							continue
						}
						send(list...)
						tries = append(tries, try{from, w.fault + ": " + way.name, way.opens})
					}
				}
				d.knocksHonestly(send, k, kind, family)
				d.settle()
				for _, try := range tries {
					if got := d.count("opened", try.from.String()) > 0; got != try.want {
						t.Errorf("%s from %s: opened %v, want %v", try.name, try.from, got, try.want)
					}
				}
				t.Logf("%d ways over %s", len(tries), family)
			}
		})
	}
	for _, w := range wrongs {
		lab.Withstood(t, "packets", w.fault, w.outcome)
	}
}
