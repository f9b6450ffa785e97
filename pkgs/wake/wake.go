// SPDX-License-Identifier: Apache-2.0

// Package wake sends the magic packet that wakes a sleeping LAN host.
//
// It sends into the host's own network only, never towards the Internet.
package wake

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
)

// port is the discard port, which magic packets are sent to by custom; the network card of the
// sleeping host looks at the content only (AMD, "Magic Packet Technology", publication 20213).
const port = 9

// Send sends the magic packet for a network card to the broadcast address of the network that host
// is in. It fails if the router has no IPv4 address in that network.
func Send(card net.HardwareAddr, host netip.Addr) error {
	if len(card) != 6 {
		return fmt.Errorf("hardware address %s has %d bytes, magic packets are for 6", card, len(card))
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return fmt.Errorf("own addresses: %w", err)
	}
	for _, a := range addrs {
		own, err := netip.ParsePrefix(a.String())
		if err != nil || !own.Contains(host) || !own.Addr().Is4() || own.Bits() > 30 {
			continue
		}
		return sendTo(netip.AddrPortFrom(broadcast(own), port), card)
	}
	return fmt.Errorf("the router has no address in the network of %s", host)
}

func sendTo(to netip.AddrPort, card net.HardwareAddr) error {
	c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return fmt.Errorf("magic packet: %w", err)
	}
	defer c.Close()
	if _, err := c.Write(magic(card)); err != nil {
		return fmt.Errorf("magic packet: %w", err)
	}
	return nil
}

// magic is six bytes of ones and the hardware address sixteen times.
func magic(card net.HardwareAddr) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(card, 16)...)
}

// broadcast returns the highest address of an IPv4 network (RFC 919, section 7).
func broadcast(p netip.Prefix) netip.Addr {
	a := p.Addr().As4()
	for i := range a {
		host := min(max((i+1)*8-p.Bits(), 0), 8)
		a[i] |= 1<<host - 1
	}
	return netip.AddrFrom4(a)
}
