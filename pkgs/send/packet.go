// SPDX-License-Identifier: Apache-2.0

package send

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Unsent reports whether an error means that this machine did not send a packet.
func Unsent(number syscall.Errno) bool { return slices.Contains(notSent(), number) }

// datagram sends one UDP packet. The socket is not connected, so that what comes back does not
// matter.
func datagram(to netip.AddrPort, payload []byte) error {
	conn, err := listenUDP(to.Addr())
	if err != nil {
		return err
	}
	defer conn.Close()
	return sendUDP(conn, to, payload)
}

func listenUDP(to netip.Addr) (*net.UDPConn, error) {
	return net.ListenUDP(familyOf("udp", to), nil)
}

func sendUDP(conn *net.UDPConn, to netip.AddrPort, payload []byte) error {
	_, err := conn.WriteToUDPAddrPort(payload, to)
	var number syscall.Errno
	if errors.As(err, &number) {
		return number
	}
	return err
}

// familyOf returns the network's name with the family of an address.
func familyOf(network string, a netip.Addr) string {
	if a.Is4() {
		return network + "4"
	}
	return network + "6"
}

// echo sends one ICMP echo request with a payload of size bytes.
func echo(to netip.Addr, size int) error {
	m := icmp.Message{
		Type: ipv4.ICMPTypeEcho,
		Body: &icmp.Echo{ID: os.Getpid() & 0xffff, Seq: 1, Data: make([]byte, size)},
	}
	if to.Is6() {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	b, err := m.Marshal(nil) // for IPv6 the kernel fills in the checksum
	if err != nil {
		return err
	}
	conn, dst, err := listenICMP(to)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.WriteTo(b, dst); err != nil {
		var number syscall.Errno
		if errors.As(err, &number) {
			return number
		}
		return err
	}
	return nil
}

// listenICMP opens a socket for echo requests to an address: one for ordinary users, or where
// there is none (Windows, Linux outside of ping_group_range) the one for administrators.
func listenICMP(to netip.Addr) (*icmp.PacketConn, net.Addr, error) {
	ip := net.IP(to.AsSlice())
	listen := netip.IPv4Unspecified()
	raw := "ip4:icmp"
	if to.Is6() {
		listen, raw = netip.IPv6Unspecified(), "ip6:ipv6-icmp"
	}
	conn, err := icmp.ListenPacket(familyOf("udp", to), listen.String())
	if err == nil {
		return conn, &net.UDPAddr{IP: ip, Zone: to.Zone()}, nil
	}
	if conn, err := icmp.ListenPacket(raw, listen.String()); err == nil {
		return conn, &net.IPAddr{IP: ip, Zone: to.Zone()}, nil
	}
	switch runtime.GOOS {
	case "linux", "android":
		return nil, nil, withHint(fmt.Errorf("this user may not send ICMP: %w", err),
			`let everybody send echo requests: sysctl net.ipv4.ping_group_range="0 2147483647"`)
	case "windows":
		return nil, nil, withHint(fmt.Errorf("this user may not send ICMP: %w", err),
			"on Windows that takes an administrator; sequences of tcp and udp steps do not")
	}
	return nil, nil, fmt.Errorf("this user may not send ICMP: %w", err)
}
