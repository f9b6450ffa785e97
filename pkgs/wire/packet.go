// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net/netip"
	"strconv"
)

// Proto is an IP protocol number (IANA "Protocol Numbers").
type Proto uint8

// The protocols that Decode understands.
const (
	ICMP   Proto = 1
	TCP    Proto = 6
	UDP    Proto = 17
	ICMPv6 Proto = 58
)

// String returns the protocol's name as configurations write it: "tcp".
func (p Proto) String() string {
	switch p {
	case ICMP:
		return "icmp"
	case TCP:
		return "tcp"
	case UDP:
		return "udp"
	case ICMPv6:
		return "icmpv6"
	}
	return "protocol " + strconv.Itoa(int(p))
}

// TCPFlags are the eight flag bits of a TCP header (RFC 9293, section 3.1).
type TCPFlags uint8

// The flags of RFC 9293 in the order of their bits.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
)

// Packet is one decoded IP packet. Payload and Options alias the bytes that Decode was given.
type Packet struct {
	Src, Dst         netip.Addr // never IPv4-mapped: IPv4 packets have IPv4 addresses
	Proto            Proto
	SrcPort, DstPort uint16   // TCP and UDP, else 0
	Seq              uint32   // TCP sequence number: of a SYN, the initial one
	Flags            TCPFlags // TCP, else 0
	Options          []byte   // TCP: what the capture has of its options, see ParseOptions; nil = none
	ICMPType         uint8    // ICMP and ICMPv6, else 0
	// Size is the length of the payload behind the TCP, UDP or ICMP header by the IP and UDP
	// headers' word, in bytes. Payload may be shorter where the capture cut the packet.
	Size    int
	Payload []byte
}
