// SPDX-License-Identifier: Apache-2.0

package capture

import "encoding/binary"

// linkType says what a captured frame begins with (draft-ietf-opsawg-pcaplinktype).
type linkType uint32

const (
	linkNull      linkType = 0
	linkEthernet  linkType = 1
	linkPPP       linkType = 9
	linkRawBSD    linkType = 12 // raw IP by a number of some systems, which files should not have
	linkRawOpen   linkType = 14 // the same of OpenBSD
	linkPPPHDLC   linkType = 50
	linkPPPEther  linkType = 51
	linkRaw       linkType = 101
	linkLoop      linkType = 108
	linkCooked    linkType = 113
	linkPPPD      linkType = 166 // PPP of pppd, whose address byte says the direction instead
	linkPPPWays   linkType = 204 // PPP behind a byte that says the direction
	linkIPv4      linkType = 228
	linkIPv6      linkType = 229
	linkNFLog     linkType = 239
	linkCookedTwo linkType = 276
)

// EtherTypes and PPP protocols (IANA). The tags 0x9100 to 0x9300 are what equipment used for
// provider's tags before IEEE 802.1ad, and some still does.
const (
	etherIPv4    = 0x0800
	etherIPv6    = 0x86dd
	etherVLAN    = 0x8100
	etherQinQ    = 0x88a8
	etherQinQ91  = 0x9100
	etherQinQ92  = 0x9200
	etherQinQ93  = 0x9300
	etherSession = 0x8864 // PPPoE

	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

// Of <linux/if_packet.h>: what a packet is to the machine that captured it.
const (
	packetOtherHost = 3 // for another one's hardware address
	packetOutgoing  = 4 // sent by it
)

// maxTags bounds VLAN tags in a row: a service and a customer tag, and two for the unforeseen.
const maxTags = 4

// read is why a frame was not read, or that it was.
const read = sumUnread

// strip returns the IP packet of a frame, or why there is none: what was sent by the machine that
// captured it does not count, nor what was for another one. order is that of the file, for headers in the capturing machine's own.
func (l linkType) strip(order binary.ByteOrder, frame []byte) (ip []byte, why Unread) {
	switch l {
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		return frame, read
	case linkNull, linkLoop:
		return stripFamily(frame)
	case linkEthernet:
		if len(frame) >= 14 {
			return stripEther(binary.BigEndian.Uint16(frame[12:]), frame[14:])
		}
	case linkCooked: // packet type (2), hardware type (2), address (2+8), protocol (2)
		if len(frame) >= 16 {
			return stripCooked(binary.BigEndian.Uint16(frame), binary.BigEndian.Uint16(frame[14:]), frame[16:])
		}
	case linkCookedTwo: // protocol (2), reserved (2), index (4), hardware type (2), packet type (1), address (1+8)
		if len(frame) >= 20 {
			return stripCooked(uint16(frame[10]), binary.BigEndian.Uint16(frame), frame[20:])
		}
	case linkPPP, linkPPPHDLC:
		return stripPPP(frame)
	case linkPPPD: // direction (1): 0 = received; control (1)
		if len(frame) >= 2 {
			if frame[0] != 0 {
				return nil, Sent
			}
			if frame[1] != 0x03 {
				return nil, NotIP
			}
			return stripPPP(frame[2:])
		}
	case linkPPPWays: // 0 = received
		if len(frame) >= 1 {
			if frame[0] != 0 {
				return nil, Sent
			}
			return stripPPP(frame[1:])
		}
	case linkPPPEther:
		return stripEther(etherSession, frame)
	case linkNFLog:
		return stripNFLog(order, frame)
	default:
		return nil, LinkType
	}
	return nil, Cut
}

// stripFamily takes off the address family of the BSDs' loopback, which has the byte order of
// who captured it, or of the network. AF_INET is 2 everywhere, AF_INET6 is not.
func stripFamily(b []byte) (ip []byte, why Unread) {
	if len(b) < 4 {
		return nil, Cut
	}
	family := binary.LittleEndian.Uint32(b)
	if family > 0xff {
		family = binary.BigEndian.Uint32(b)
	}
	switch family {
	case 2, 10, 24, 28, 30: // AF_INET; AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS
		return b[4:], read
	}
	return nil, NotIP
}

func stripCooked(packetType, kind uint16, b []byte) (ip []byte, why Unread) {
	switch packetType {
	case packetOtherHost:
		return nil, Others
	case packetOutgoing:
		return nil, Sent
	}
	return stripEther(kind, b)
}

func stripEther(kind uint16, b []byte) (ip []byte, why Unread) {
	for range maxTags + 1 {
		switch kind {
		case etherIPv4, etherIPv6:
			return b, read
		case etherVLAN, etherQinQ, etherQinQ91, etherQinQ92, etherQinQ93:
			if len(b) < 4 {
				return nil, Cut
			}
			kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherSession: // version and type (1), code (1), session (2), length (2): RFC 2516
			if len(b) < 6 {
				return nil, Cut
			}
			return stripPPP(b[6:])
		default:
			return nil, NotIP
		}
	}
	return nil, Damaged
}

// stripPPP takes off the address and control bytes (RFC 1662), if there are any, and the protocol,
// which may be compressed to one byte (RFC 1661, section 6.5).
func stripPPP(b []byte) (ip []byte, why Unread) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return nil, Cut
	}
	kind, rest := binary.BigEndian.Uint16(b), b[2:]
	if b[0]&1 != 0 { // an odd first byte is the whole number
		kind, rest = uint16(b[0]), b[1:]
	}
	if kind != pppIPv4 && kind != pppIPv6 {
		return nil, NotIP
	}
	return rest, read
}

// stripNFLog finds the packet among the attributes of a message of NFLOG: family (1), version (1),
// group (2), then each with its length (2, without padding), type (2) and value, padded to 4 bytes.
// A packet that has a device to leave by and none to come in by is only sent.
func stripNFLog(order binary.ByteOrder, b []byte) (ip []byte, why Unread) {
	const ( // <linux/netfilter/nfnetlink_log.h>
		header   = 4
		deviceIn = 4
		out      = 5
		payload  = 9
	)
	if len(b) < header {
		return nil, Cut
	}
	if b[1] != 0 {
		return nil, Damaged
	}
	came, left := false, false
	for b = b[header:]; len(b) >= 4; {
		size, kind := int(order.Uint16(b)), order.Uint16(b[2:])&0x7fff // above: NLA_F_NESTED
		if size < 4 {
			return nil, Damaged
		}
		switch value := b[4:max(4, min(size, len(b)))]; kind {
		case deviceIn:
			came = true
		case out:
			left = true
		case payload:
			if left && !came {
				return nil, Sent
			}
			return value, read
		}
		b = b[min((size+3)&^3, len(b)):]
	}
	return nil, Cut
}
