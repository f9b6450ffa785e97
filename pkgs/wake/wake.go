// SPDX-License-Identifier: Apache-2.0

// Package wake sends the magic packet that wakes a sleeping LAN host.
//
// It sends into the host's own network only, never towards the Internet.
//
// It is not meant for other programs.
package wake

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// port is the discard port, which magic packets are sent to by custom; the network card of the
// sleeping host looks at the content only (AMD, "Magic Packet Technology", publication 20213).
const port = 9

// Send sends the magic packet for a network card to the broadcast address of the network that host
// is in. It fails if the router has no IPv4 address in that network. Needs CAP_NET_RAW.
func Send(card wire.MAC, host netip.Addr) error {
	list, err := netlink.Addresses()
	if err != nil {
		return err
	}
	for _, own := range list {
		if n := own.Network; n.Contains(host) && n.Addr().Is4() && n.Bits() <= 30 {
			return sendTo(own.Device, n, card)
		}
	}
	return fmt.Errorf("the router has no address in the network of %s", host)
}

// sendTo sends by a device into the network of an own address. It takes a packet socket, so that the
// daemon needs no socket of a network for this alone, which it could also do other things with.
func sendTo(device int, own netip.Prefix, card wire.MAC) error {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("magic packet: %w", err)
	}
	defer unix.Close(fd)
	var ethertype [2]byte // sockaddr_ll has it in the order of the network
	binary.BigEndian.PutUint16(ethertype[:], unix.ETH_P_IP)
	everybody := &unix.SockaddrLinklayer{
		Protocol: binary.NativeEndian.Uint16(ethertype[:]), Ifindex: device,
		Halen: 6, Addr: [8]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff},
	}
	packet := wire.AppendUDP(nil, netip.AddrPortFrom(own.Addr(), port), netip.AddrPortFrom(broadcast(own), port), magic(card))
	if err := unix.Sendto(fd, packet, 0, everybody); err != nil {
		return fmt.Errorf("magic packet: %w", err)
	}
	return nil
}

// magic is six bytes of ones and the hardware address sixteen times.
func magic(card wire.MAC) []byte {
	return append(bytes.Repeat([]byte{0xff}, 6), bytes.Repeat(card[:], 16)...)
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
