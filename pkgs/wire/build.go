// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"fmt"
	"math"
	"net/netip"
)

const (
	ttl          = 64
	dontFragment = 0x4000
	window       = 64240 // what Linux offers on Ethernet
)

// AppendUDP appends a whole IP packet with right checksums. Src and dst must be of one family,
// and the payload must fit into 65535 bytes with its headers; anything else is a bug of the
// caller, and panics.
func AppendUDP(b []byte, src, dst netip.AddrPort, payload []byte) []byte {
	from, to := src.Addr().Unmap(), dst.Addr().Unmap()
	b = appendIP(b, from, to, UDP, udpHeader+len(payload))
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint16(b, uint16(udpHeader+len(payload)))
	b = append(b, 0, 0)
	b = append(b, payload...)
	sum := checksum(b[at:], pseudoHeader(from, to, UDP, len(b)-at))
	if sum == 0 {
		sum = 0xffff // RFC 768: 0 would mean "no checksum"
	}
	binary.BigEndian.PutUint16(b[at+6:], sum)
	return b
}

// AppendTCP appends a whole IP packet with a TCP segment without options and with right
// checksums, under the conditions of AppendUDP.
func AppendTCP(b []byte, src, dst netip.AddrPort, seq uint32, flags TCPFlags, payload []byte) []byte {
	from, to := src.Addr().Unmap(), dst.Addr().Unmap()
	b = appendIP(b, from, to, TCP, tcpHeader+len(payload))
	at := len(b)
	b = binary.BigEndian.AppendUint16(b, src.Port())
	b = binary.BigEndian.AppendUint16(b, dst.Port())
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, 0) // acknowledgement
	b = append(b, tcpHeader/4<<4, byte(flags))
	b = binary.BigEndian.AppendUint16(b, window)
	b = append(b, 0, 0, 0, 0) // checksum, urgent pointer
	b = append(b, payload...)
	sum := checksum(b[at:], pseudoHeader(from, to, TCP, len(b)-at))
	binary.BigEndian.PutUint16(b[at+16:], sum)
	return b
}

// AppendEcho appends a whole IP packet with an ICMP or, by the addresses, ICMPv6 echo request
// with right checksums, under the conditions of AppendUDP.
func AppendEcho(b []byte, src, dst netip.Addr, id, seq uint16, payload []byte) []byte {
	src, dst = src.Unmap(), dst.Unmap()
	proto, kind := ICMP, byte(echoRequest4)
	if src.Is6() {
		proto, kind = ICMPv6, echoRequest6
	}
	b = appendIP(b, src, dst, proto, icmpHeader+len(payload))
	at := len(b)
	b = append(b, kind, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, payload...)
	var start uint32
	if proto == ICMPv6 {
		start = pseudoHeader(src, dst, proto, len(b)-at) // RFC 4443, section 2.3; ICMP has none
	}
	binary.BigEndian.PutUint16(b[at+2:], checksum(b[at:], start))
	return b
}

func appendIP(b []byte, src, dst netip.Addr, proto Proto, size int) []byte {
	if !src.IsValid() || src.Is4() != dst.Is4() {
		panic(fmt.Sprintf("wire: no packet goes from %s to %s", src, dst))
	}
	if size > math.MaxUint16-ipv4Header {
		panic(fmt.Sprintf("wire: IP payload of %d bytes is too long", size))
	}
	if src.Is6() {
		b = append(b, 6<<4, 0, 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(size))
		b = append(b, byte(proto), ttl)
		b = append(b, src.AsSlice()...)
		return append(b, dst.AsSlice()...)
	}
	at := len(b)
	b = append(b, 4<<4|ipv4Header/4, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(ipv4Header+size))
	b = append(b, 0, 0) // identification: RFC 6864 lets it be 0 where DF is set
	b = binary.BigEndian.AppendUint16(b, dontFragment)
	b = append(b, ttl, byte(proto), 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[at+10:], checksum(b[at:], 0))
	return b
}

// pseudoHeader is the unfolded sum of what a transport checksum covers of the IP header
// (RFC 9293, section 3.1; RFC 8200, section 8.1).
func pseudoHeader(src, dst netip.Addr, proto Proto, size int) uint32 {
	return sum16(src.AsSlice(), sum16(dst.AsSlice(), uint32(proto)+uint32(size)))
}

// checksum is the Internet checksum (RFC 1071) of b, on top of the sum start.
func checksum(b []byte, start uint32) uint16 {
	sum := sum16(b, start)
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}

// sum16 adds up the 16-bit words of b. A packet has at most 32768 of them: it cannot overflow.
func sum16(b []byte, sum uint32) uint32 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		sum += uint32(b[0]) << 8
	}
	return sum
}
