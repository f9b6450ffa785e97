// SPDX-License-Identifier: Apache-2.0

package capture

import "encoding/binary"

// linkType says what a captured frame begins with (draft-ietf-opsawg-pcaplinktype).
type linkType uint32

const (
	linkEthernet  linkType = 1
	linkPPP       linkType = 9
	linkRawBSD    linkType = 12 // raw IP by a number of some systems, which files should not have
	linkRawOpen   linkType = 14 // the same of OpenBSD
	linkPPPHDLC   linkType = 50
	linkPPPEther  linkType = 51
	linkRaw       linkType = 101
	linkCooked    linkType = 113
	linkIPv4      linkType = 228
	linkIPv6      linkType = 229
	linkCookedTwo linkType = 276
)

// EtherTypes and PPP protocols (IANA).
const (
	etherIPv4  = 0x0800
	etherIPv6  = 0x86dd
	etherVLAN  = 0x8100
	etherQinQ  = 0x88a8
	etherPPPoE = 0x8864 // of a session

	pppIPv4 = 0x0021
	pppIPv6 = 0x0057
)

// packetOutgoing is PACKET_OUTGOING of <linux/if_packet.h>: sent by the capturing machine.
const packetOutgoing = 4

// maxTags bounds VLAN tags in a row: a service and a customer tag, and two for the unforeseen.
const maxTags = 4

func (l linkType) known() bool {
	switch l {
	case linkEthernet, linkPPP, linkRawBSD, linkRawOpen, linkPPPHDLC, linkPPPEther, linkRaw,
		linkCooked, linkIPv4, linkIPv6, linkCookedTwo:
		return true
	}
	return false
}

// strip returns the IP packet of a frame. It is not ok if there is none, or if the frame was sent
// by the machine that captured it.
func (l linkType) strip(frame []byte) (ip []byte, ok bool) {
	switch l {
	case linkRaw, linkRawBSD, linkRawOpen, linkIPv4, linkIPv6:
		return frame, true
	case linkEthernet:
		if len(frame) >= 14 {
			return stripEther(binary.BigEndian.Uint16(frame[12:]), frame[14:])
		}
	case linkCooked: // packet type (2), hardware type (2), address (2+8), protocol (2)
		if len(frame) >= 16 && binary.BigEndian.Uint16(frame) != packetOutgoing {
			return stripEther(binary.BigEndian.Uint16(frame[14:]), frame[16:])
		}
	case linkCookedTwo: // protocol (2), reserved (2), index (4), hardware type (2), packet type (1), address (1+8)
		if len(frame) >= 20 && frame[10] != packetOutgoing {
			return stripEther(binary.BigEndian.Uint16(frame), frame[20:])
		}
	case linkPPP, linkPPPHDLC:
		return stripPPP(frame)
	case linkPPPEther:
		return stripEther(etherPPPoE, frame)
	}
	return nil, false
}

func stripEther(kind uint16, b []byte) (ip []byte, ok bool) {
	for range maxTags {
		switch kind {
		case etherIPv4, etherIPv6:
			return b, true
		case etherVLAN, etherQinQ:
			if len(b) < 4 {
				return nil, false
			}
			kind, b = binary.BigEndian.Uint16(b[2:]), b[4:]
		case etherPPPoE: // version and type (1), code (1), session (2), length (2): RFC 2516
			if len(b) < 6 {
				return nil, false
			}
			return stripPPP(b[6:])
		default:
			return nil, false
		}
	}
	return nil, false
}

// stripPPP takes off the address and control bytes (RFC 1662), if there are any, and the protocol,
// which may be compressed to one byte (RFC 1661, section 6.5).
func stripPPP(b []byte) (ip []byte, ok bool) {
	if len(b) >= 2 && b[0] == 0xff && b[1] == 0x03 {
		b = b[2:]
	}
	if len(b) < 2 {
		return nil, false
	}
	kind, rest := binary.BigEndian.Uint16(b), b[2:]
	if b[0]&1 != 0 { // an odd first byte is the whole number
		kind, rest = uint16(b[0]), b[1:]
	}
	return rest, kind == pppIPv4 || kind == pppIPv6
}
