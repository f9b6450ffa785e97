// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Worth says what the time of a packet can be used for.
type Worth uint8

const (
	// Dated is a time of day with its date.
	Dated Worth = iota
	// SinceStart counts from the start of a machine: it is that much after 1970, so that differences
	// are right, and nothing else is.
	SinceStart
	// Unknown is no time at all: it stands still at the last one that was known. All packets after
	// the first such one are so, because nobody knows how long lies between them and others.
	Unknown
)

// Stamp is when a packet was seen, and where.
type Stamp struct {
	Time   time.Time
	Worth  Worth
	Device string // where it came in; "" = the file does not say it
}

// Unread is why a record or line was not handed over.
type Unread uint8

// Why a record or line was not handed over.
const (
	Other     Unread = iota // of a log: a line about something else
	Sent                    // it went out only, or was sent by the machine that captured it
	Others                  // it was for another machine's hardware address
	NotIP                   // ARP and the like
	Fragment                // no knock is that long
	Protocol                // neither TCP, UDP nor ICMP
	Cut                     // it ends within its headers
	Damaged                 // what its headers or fields say cannot be
	LinkType                // of a kind of network that is not known, see Summary.Link
	sumUnread               // how many there are
)

var unreadWords = [sumUnread]string{
	Other:    "about something else",
	Sent:     "sent by this machine, or only passed out of it",
	Others:   "for another machine",
	NotIP:    "not IP",
	Fragment: "fragments",
	Protocol: "neither TCP, UDP nor ICMP",
	Cut:      "cut short within their headers",
	Damaged:  "damaged or incomplete",
	LinkType: "of link type",
}

// Summary is what a file had in it.
type Summary struct {
	Log     bool           // it has lines; else it is a capture and has records
	Packets int            // handed over
	Unread  [sumUnread]int // records or lines that were not, by reason
	Untimed int            // packets that have no time of their own that could be read
	Year    int            // of a log that does not say its year: the one that its first line was taken for
	Link    uint32         // the first link type that is not known
}

// Total is how many records or lines there were.
func (s *Summary) Total() int {
	n := s.Packets
	for _, unread := range s.Unread {
		n += unread
	}
	return n
}

// Unit is what the file consists of: lines or records.
func (s *Summary) Unit() string {
	if s.Log {
		return "lines"
	}
	return "records"
}

// Reasons returns what was not handed over and why: "2 not IP, 1 fragments"; "" if nothing was left out.
func (s *Summary) Reasons() string {
	var list []string
	for why, n := range s.Unread {
		if n == 0 {
			continue
		}
		words := fmt.Sprintf("%d %s", n, unreadWords[why])
		if Unread(why) == LinkType {
			words += fmt.Sprintf(" %d, which is not supported", s.Link)
		}
		list = append(list, words)
	}
	return strings.Join(list, ", ")
}

// unreadOf returns why Decode refused a packet.
func unreadOf(err error) Unread {
	switch {
	case errors.Is(err, wire.ErrShort):
		return Cut
	case errors.Is(err, wire.ErrFragment):
		return Fragment
	case errors.Is(err, wire.ErrProtocol):
		return Protocol
	}
	return Damaged
}

// sink takes what a reader has read, and keeps count.
type sink struct {
	fn      func(Stamp, *wire.Packet)
	summary Summary
	kind    Worth // of the first time that could be read; Unknown before it
	last    Stamp
}

func newSink(fn func(Stamp, *wire.Packet)) sink {
	return sink{fn: fn, kind: Unknown, last: Stamp{Time: time.Unix(0, 0)}}
}

// packet hands over a packet. A time of another kind than the first is none: how long lies between
// a date and so many seconds since a start is not known.
func (s *sink) packet(at Stamp, p *wire.Packet) {
	if s.kind == Unknown {
		s.kind = at.Worth
	}
	switch {
	case at.Worth == Unknown || at.Worth != s.kind:
		s.summary.Untimed++
		s.last.Worth = Unknown
	case s.last.Worth != Unknown:
		s.last = at
	}
	s.last.Device = at.Device
	s.summary.Packets++
	s.fn(s.last, p)
}

func (s *sink) unread(why Unread) { s.summary.Unread[why]++ }
