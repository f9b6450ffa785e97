// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// What Decode refuses. The errors are sentinels so that refusing allocates nothing.
var (
	ErrShort     = errors.New("packet ends inside its headers")
	ErrMalformed = errors.New("packet headers contradict themselves")
	ErrFragment  = errors.New("packet is a fragment")
	ErrProtocol  = errors.New("packet is neither TCP, UDP nor an ICMP of its IP version")
	ErrMapped    = errors.New("IPv6 packet with an IPv4-mapped address")
)

// IPv6 next-header numbers of the extension headers that Decode passes over (RFC 8200, section 4).
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	destOptions = 60
)

// maxExtensions bounds the walk over extension headers. RFC 8200 section 4.1 knows an order of
// seven; a sender with more of them wants to keep us busy.
const maxExtensions = 8

const (
	ipv4Header = 20 // without options
	ipv6Header = 40
	tcpHeader  = 20 // without options
	udpHeader  = 8
	icmpHeader = 8 // of an echo request
)

// Decode reads one IP packet; b starts at the IP header and may be longer than the packet
// (Ethernet pads to 60 bytes). It allocates nothing, and p.Payload aliases b.
//
// A packet that the capture cut is fine while the fixed headers are whole: p.Payload is then
// shorter than p.Size. Fragments are refused, first ones too: no knock is ever that long, and
// what the firewall reassembles must not differ from what we saw (RFC 1858). Checksums are not
// looked at: a packet from the same machine does not have them yet (checksum offload).
//
// After an error p is the zero Packet, and the error is one of this package's sentinels.
func (p *Packet) Decode(b []byte) error {
	*p = Packet{}
	if len(b) == 0 {
		return ErrShort
	}
	var next uint8
	var size int
	var err error
	switch b[0] >> 4 {
	case 4:
		next, b, size, err = p.decodeIPv4(b)
	case 6:
		next, b, size, err = p.decodeIPv6(b)
	default:
		err = ErrMalformed
	}
	if err == nil {
		err = p.decodeTransport(Proto(next), b, size)
	}
	if err != nil {
		*p = Packet{}
	}
	return err
}

// decodeIPv4 returns the protocol, what is there of the IP payload, and the payload's size by the
// header's word.
func (p *Packet) decodeIPv4(b []byte) (next uint8, rest []byte, size int, err error) {
	if len(b) < ipv4Header {
		return 0, nil, 0, ErrShort
	}
	header := int(b[0]&15) * 4
	total := int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Header || total < header {
		return 0, nil, 0, ErrMalformed
	}
	if len(b) < header {
		return 0, nil, 0, ErrShort
	}
	const moreAndOffset = 0x3fff
	if binary.BigEndian.Uint16(b[6:])&moreAndOffset != 0 {
		return 0, nil, 0, ErrFragment
	}
	p.Src = netip.AddrFrom4([4]byte(b[12:16]))
	p.Dst = netip.AddrFrom4([4]byte(b[16:20]))
	return b[9], b[header:min(total, len(b))], total - header, nil
}

// decodeIPv6 is decodeIPv4 for IPv6; the extension headers do not count as payload.
func (p *Packet) decodeIPv6(b []byte) (next uint8, rest []byte, size int, err error) {
	if len(b) < ipv6Header {
		return 0, nil, 0, ErrShort
	}
	p.Src = netip.AddrFrom16([16]byte(b[8:24]))
	p.Dst = netip.AddrFrom16([16]byte(b[24:40]))
	if p.Src.Is4In6() || p.Dst.Is4In6() {
		// Such packets do not exist on a wire. Taking one would let an IPv6 sender pass for an
		// IPv4 address.
		return 0, nil, 0, ErrMapped
	}
	next = b[6]
	size = int(binary.BigEndian.Uint16(b[4:]))
	rest = b[ipv6Header:min(ipv6Header+size, len(b))]
	for range maxExtensions {
		if next != hopByHop && next != routing && next != destOptions && next != fragment {
			return next, rest, size, nil
		}
		if size < 8 {
			return 0, nil, 0, ErrMalformed
		}
		if len(rest) < 8 {
			return 0, nil, 0, ErrShort
		}
		length := 8 + 8*int(rest[1])
		switch next {
		case fragment:
			length = 8 // RFC 8200, section 4.5: the second byte is reserved
			const offsetAndMore = 0xfff9
			if binary.BigEndian.Uint16(rest[2:])&offsetAndMore != 0 {
				return 0, nil, 0, ErrFragment
			}
		case routing:
			if rest[3] != 0 {
				return 0, nil, 0, ErrMalformed // segments left: Dst is only a stop on the way
			}
		}
		if length > size {
			return 0, nil, 0, ErrMalformed
		}
		if length > len(rest) {
			return 0, nil, 0, ErrShort
		}
		next, rest, size = rest[0], rest[length:], size-length
	}
	return 0, nil, 0, ErrMalformed
}

// decodeTransport reads the header behind the IP headers. b is what the capture has of it, size
// its length by the IP header's word; len(b) <= size.
func (p *Packet) decodeTransport(proto Proto, b []byte, size int) error {
	header := 0
	switch {
	case proto == TCP:
		header = tcpHeader
	case proto == UDP:
		header = udpHeader
	case proto == ICMP && p.Src.Is4(), proto == ICMPv6 && p.Src.Is6():
		header = icmpHeader
	default:
		return ErrProtocol
	}
	if size < header {
		return ErrMalformed
	}
	if len(b) < header {
		return ErrShort
	}
	p.Proto = proto
	switch proto {
	case TCP:
		header = int(b[12]>>4) * 4
		if header < tcpHeader || header > size {
			return ErrMalformed
		}
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		p.Seq = binary.BigEndian.Uint32(b[4:])
		p.Flags = TCPFlags(b[13])
		if header > tcpHeader {
			p.Options = b[tcpHeader:min(header, len(b))]
		}
	case UDP:
		length := int(binary.BigEndian.Uint16(b[4:]))
		if length < udpHeader || length > size {
			return ErrMalformed
		}
		p.SrcPort, p.DstPort = binary.BigEndian.Uint16(b), binary.BigEndian.Uint16(b[2:])
		b, size = b[:min(length, len(b))], length
	default:
		p.ICMPType = b[0]
	}
	p.Size = size - header
	p.Payload = b[min(header, len(b)):] // a capture may have cut TCP options
	return nil
}
