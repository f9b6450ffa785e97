// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/netlink"
)

// Messages and attributes of linux/netfilter/nfnetlink_conntrack.h.
const (
	change   = 0 // IPCTNL_MSG_CT_NEW, which without NLM_F_CREATE changes what is there
	get      = 1 // IPCTNL_MSG_CT_GET
	remove   = 2 // IPCTNL_MSG_CT_DELETE; without a tuple it would delete everything
	getStats = 4 // IPCTNL_MSG_CT_GET_STATS_CPU

	ctaOrig      = 1
	ctaReply     = 2
	ctaStatus    = 3
	ctaProtoInfo = 4
	ctaTimeout   = 7
	ctaID        = 12
	ctaZone      = 18
	ctaFilter    = 25

	ctaTupleIP    = 1
	ctaTupleProto = 2

	ctaIPv4Source = 1
	ctaIPv4Dest   = 2
	ctaIPv6Source = 3
	ctaIPv6Dest   = 4

	ctaProtoNumber = 1
	ctaProtoSource = 2
	ctaProtoDest   = 3

	ctaProtoInfoTCP = 1
	ctaTCPState     = 1

	ctaFilterOrig   = 1
	filterByAddress = 1 // CTA_FILTER_FLAG(CTA_IP_SRC) of net/netfilter/nf_conntrack_netlink.c
)

// Bits of a session's status, from linux/netfilter/nf_conntrack_common.h, and the state of a TCP
// session of which a SYN was seen, from nf_conntrack_tcp.h.
const (
	fixedTimeout = 1 << 10
	offloaded    = 1<<14 | 1<<15 // by software, by hardware
	synSent      = 1
	timeWait     = 7
	closed       = 8
)

// endedFor is how long an ended TCP session is remembered, in seconds: longer than one that nobody
// uses is likely to be kept open.
const endedFor = 24 * 60 * 60

// entry is a session, and what names it to the kernel: attributes as they came.
type entry struct {
	session        door.Session
	orig, id, zone []byte
	status         uint32
	tcpState       uint8
}

// clone returns one that lasts longer than the message that it was read from.
func (e *entry) clone() entry {
	c := *e
	c.orig, c.id, c.zone = bytes.Clone(e.orig), bytes.Clone(e.id), bytes.Clone(e.zone)
	return c
}

// ended reports whether End was here before, and nothing came since that changed the state again, as a
// reset of the client's does.
func (e *entry) ended() bool { return e.status&fixedTimeout != 0 && e.tcpState == synSent }

// end is the message that ends the session.
func (e *entry) end(family uint8) netlink.Message {
	kind, tombstone := remove, e.session.Proto == unix.IPPROTO_TCP && e.status&offloaded == 0
	if tombstone {
		kind = change
	}
	return message(kind, unix.NLM_F_ACK, family, netlink.Encode(func(a *netlink.Encoder) {
		a.Bytes(ctaOrig|unix.NLA_F_NESTED, e.orig)
		a.Bytes(ctaID, e.id)
		if e.zone != nil {
			a.Bytes(ctaZone, e.zone)
		}
		if !tombstone {
			return
		}
		if e.status&fixedTimeout == 0 { // or else it is EPERM
			a.Uint32(ctaTimeout, endedFor)
		}
		a.Uint32(ctaStatus, e.status|fixedTimeout)
		a.Nest(ctaProtoInfo, func() {
			a.Nest(ctaProtoInfoTCP, func() {
				a.Uint8(ctaTCPState, synSent)
			})
		})
	}))
}

func message(kind int, flags uint16, family uint8, attributes []byte) netlink.Message {
	return netlink.Netfilter(unix.NFNL_SUBSYS_CTNETLINK, kind, flags, family, attributes)
}

// only asks the kernel for the sessions that came from one address of IPv4: it is a matter of speed,
// and kernels before 5.8 do not know it. For IPv6 (seen with 6.18) the kernel gives those that did
// not come from the address, so that is not asked for.
func only(from netip.Prefix) []byte {
	if !from.Addr().Is4() || !from.IsSingleIP() {
		return nil
	}
	return netlink.Encode(func(a *netlink.Encoder) {
		a.Nest(ctaOrig, func() {
			a.Nest(ctaTupleIP, func() { a.Bytes(ctaIPv4Source, from.Addr().AsSlice()) })
		})
		a.Nest(ctaFilter, func() {
			a.Bytes(ctaFilterOrig, binary.NativeEndian.AppendUint32(nil, filterByAddress)) // in the machine's order
		})
	})
}

// parse reads a session. What names it is a part of the message.
func parse(m netlink.Message) (e entry, err error) {
	var reply door.Session // the way back: whoever begins it is who answers
	d := netlink.Decode(m)
	for d.Next() {
		switch d.Type() {
		case ctaOrig:
			e.orig = d.Bytes()
			tuple(d.Inside(), &e.session)
		case ctaReply:
			tuple(d.Inside(), &reply)
		case ctaStatus:
			e.status = d.Uint32()
		case ctaID:
			e.id = d.Bytes()
		case ctaZone:
			e.zone = d.Bytes()
		case ctaProtoInfo:
			e.tcpState = tcpState(d.Inside())
		}
	}
	if err = d.Err(); err == nil && e.orig == nil {
		err = errors.New("an answer that names no session")
	}
	e.session.Server = reply.From
	e.session.Over = e.status&fixedTimeout != 0 || e.tcpState == timeWait || e.tcpState == closed
	return e, err
}

// tcpState reads the state of a TCP session, and returns 0 for others.
func tcpState(d netlink.Decoder) (state uint8) {
	for d.Next() {
		if d.Type() != ctaProtoInfoTCP {
			continue
		}
		for of := d.Inside(); of.Next(); {
			if of.Type() == ctaTCPState {
				state = of.Uint8()
			}
		}
	}
	return state
}

// tuple reads one direction of a session.
func tuple(d netlink.Decoder, s *door.Session) {
	var from, to netip.Addr
	var fromPort, toPort uint16
	for d.Next() {
		for in := d.Inside(); in.Next(); {
			const ip, proto = ctaTupleIP << 8, ctaTupleProto << 8
			switch int(d.Type())<<8 | int(in.Type()) {
			case ip | ctaIPv4Source, ip | ctaIPv6Source:
				from, _ = netip.AddrFromSlice(in.Bytes())
			case ip | ctaIPv4Dest, ip | ctaIPv6Dest:
				to, _ = netip.AddrFromSlice(in.Bytes())
			case proto | ctaProtoNumber:
				s.Proto = in.Uint8()
			case proto | ctaProtoSource:
				fromPort = in.Uint16()
			case proto | ctaProtoDest:
				toPort = in.Uint16()
			}
		}
	}
	s.From, s.To = netip.AddrPortFrom(from, fromPort), netip.AddrPortFrom(to, toPort)
}
