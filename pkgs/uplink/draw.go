// SPDX-License-Identifier: Apache-2.0

package uplink

import (
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Ports are drawn from FirstDrawn to LastDrawn: browsers refuse some below, and above the kernel draws its own
// (net.ipv4.ip_local_port_range).
const (
	FirstDrawn = config.FirstFreePort
	LastDrawn  = 32767
)

// WebPort is a second UDP port of messages, where nothing else has it: networks that let little through often let
// that through.
const WebPort = 443

// Draw returns ports for messages, over UDP and as a span over TCP: the first that are free from a random place on, or
// those there if none are. random returns a number from 0 to n-1.
func (t Taken) Draw(random func(n int) int) (udp []uint16, tcp wire.PortRange) {
	udp = []uint16{t.draw(true, 1, random).First}
	if t.isFree(true, wire.PortRange{First: WebPort, Last: WebPort}) {
		udp = append(udp, WebPort)
	}
	return udp, t.draw(false, knock.SpanPorts, random)
}

func (t Taken) draw(udp bool, count int, random func(n int) int) (r wire.PortRange) {
	places := LastDrawn - FirstDrawn - count + 2
	drawn := random(places)
	for i := range places + 1 { // the last is the first again
		first := FirstDrawn + (drawn+i)%places
		r = wire.PortRange{First: uint16(first), Last: uint16(first + count - 1)}
		if t.isFree(udp, r) {
			break
		}
	}
	return r
}

func (t Taken) isFree(udp bool, r wire.PortRange) bool {
	for _, other := range t {
		if (udp && other.udp || !udp && other.tcp) && other.ports.First <= r.Last && r.First <= other.ports.Last {
			return false
		}
	}
	return true
}
