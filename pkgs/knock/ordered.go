// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxFrame is the largest number of header ports, and of footer ports, of the ordered form.
const MaxFrame = 8

const (
	// orderedSets is the size of the table of senders: 16 sets of 8 senders of 1.5 kB, 190 kB when
	// a flood has filled it all.
	orderedSets = 16

	// orderedTime is how long a knock may take, from its first packet to its last.
	orderedTime = time.Minute

	// maxDigits is the number of SYNs of the longest knock: 40 bytes in radix 2 and the frame.
	maxDigits = 8*seal.LongSize + 2*MaxFrame
)

// ordered is the classic carrier of messages as TCP SYNs: header ports, the digits of the message,
// footer ports, in this order. A SYN to one of these ports that is out of order ends the attempt;
// retransmissions are not looked at.
//
// Without a header any SYN to the groups begins an attempt. A stray one from the same sender then
// spoils what follows for a minute, and forged ones can push a sender out of the table.
type ordered struct {
	Ordered
	opener      *opener
	base        uint32 // the radix
	short, long int    // digits of a message of 24 and of 40 bytes
	table       *table[orderedState]
}

// orderedState is how far a sender is. The rank of its entry counts header ports: digits can be
// sent by somebody who knows nothing.
type orderedState struct {
	header, footer uint8
	ended          bool
	digits         uint16
	next           uint16 // in prints
	number         [seal.LongSize]byte
	prints         [maxDigits]uint32
}

var _ Detector = (*ordered)(nil)

func newOrdered(o *opener, form Ordered, now time.Time) *ordered {
	radix := form.radix()
	return &ordered{
		Ordered: form,
		opener:  o,
		base:    radix,
		short:   digitCount(seal.ShortSize, radix),
		long:    digitCount(seal.LongSize, radix),
		table:   newTable[orderedState](now, orderedSets),
	}
}

// Observe implements Detector.
func (d *ordered) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	if !p.IsSYN() || !d.knows(p.DstPort) {
		return
	}
	clock := d.table.clock(now)
	from := d.table.of(0, p.Src)
	e := d.table.find(from)
	if e != nil && clock > e.until {
		e.drop()
		e = nil
	}
	if e == nil {
		if !d.begins(p.DstPort) {
			return
		}
		e = d.table.put(from, clock, clock+orderedTime)
	}
	s, print := &e.state, d.table.keys.print(p)|1 // not 0, which is an empty place
	if slices.Contains(s.prints[:], print) {
		return
	}
	s.prints[s.next] = print
	s.next = (s.next + 1) % maxDigits
	if s.ended || !d.advance(s, p.DstPort) {
		s.restart()
		e.since, e.until = clock, clock+orderedTime
		if !d.begins(p.DstPort) || !d.advance(s, p.DstPort) {
			s.ended = true // wait for a first port
			return
		}
	}
	e.since, e.rank = clock, 1+uint16(s.header)
	d.try(now, p, s, emit)
}

// knows reports whether a port means anything in this form.
func (d *ordered) knows(port uint16) bool {
	_, ok := d.digit(port)
	return ok || slices.Contains(d.Header, port) || slices.Contains(d.Footer, port)
}

// begins reports whether a port can be the first one of a knock.
func (d *ordered) begins(port uint16) bool {
	if len(d.Header) > 0 {
		return port == d.Header[0]
	}
	_, ok := d.digit(port)
	return ok
}

// restart forgets an attempt but for the fingerprints, because retransmissions may still come.
func (s *orderedState) restart() {
	s.header, s.footer, s.digits, s.ended = 0, 0, 0, false
	s.number = [seal.LongSize]byte{}
}

// advance takes one port, and reports whether it was a right one.
func (d *ordered) advance(s *orderedState, port uint16) bool {
	if int(s.header) < len(d.Header) {
		if port != d.Header[s.header] {
			return false
		}
		s.header++
		return true
	}
	if digit, ok := d.digit(port); ok {
		s.digits++
		return s.footer == 0 && int(s.digits) <= d.long && multiplyAdd(s.number[:], d.base, digit)
	}
	whole := int(s.digits) == d.short || int(s.digits) == d.long
	if !whole || int(s.footer) == len(d.Footer) || port != d.Footer[s.footer] {
		return false
	}
	s.footer++
	return true
}

// try opens the message once it is whole. Without a footer a short message may be the beginning of
// a long one, so nothing is reported about it unless it opens.
func (d *ordered) try(now time.Time, p *wire.Packet, s *orderedState, emit func(Finding)) {
	if int(s.header) < len(d.Header) || int(s.footer) < len(d.Footer) {
		return
	}
	msg := s.number[:]
	last := int(s.digits) == d.long || len(d.Footer) > 0
	if int(s.digits) == d.short {
		const above = seal.LongSize - seal.ShortSize
		if [above]byte(msg) != [above]byte{} {
			s.ended = last
			return
		}
		msg = msg[above:]
	} else if int(s.digits) != d.long {
		return
	}
	f, first := d.opener.open(now, CarrierPorts, p.Src, msg)
	s.ended = last || f.Reason == OK
	if first && s.ended {
		d.opener.report(now, f, emit)
	}
}

// AddFilter implements Detector.
func (d *ordered) AddFilter(f *wire.Filter) {
	f.SYN = append(f.SYN, d.Groups...)
	for _, port := range slices.Concat(d.Header, d.Footer) {
		f.SYN = append(f.SYN, wire.PortRange{First: port, Last: port})
	}
}
