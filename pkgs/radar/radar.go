// SPDX-License-Identifier: Apache-2.0

// Package radar counts what strangers try at closed ports: per hour, per service and per sender, for a week.
//
// Whoever sends a packet writes what he likes into it as its source: what a table says of a sender is a hint
// to a person, and no reason to act on an address.
//
// The tables are of fixed size and hold no pointers. Times are what has passed since any fixed moment, in seconds, so
// a wall clock that is set does no harm. There are few functions, since the router's program must stay small.
//
// It is not meant for other programs.
package radar

import (
	"math"
	"sort"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	hours = 7 * 24 // for which attempts are kept: a week
	days  = hours / 24
	ports = 1 << 17 // numbers of ports: those of UDP have 1 << 16 in them

	mostSenders = 64 // senders in a report
)

// Table has all that is counted, 125 kB. The zero Table is ready; Seed makes it unpredictable for strangers.
type Table struct {
	Seed uint32

	_       [0]func() // nobody compares tables
	hour    uint32    // the present one
	from    uint32    // the first one + 1; 0 = nothing was counted
	hours   [hours]hour
	asked   [len(services) + 1][days]count // the last one is of all other ports
	senders [sets * ways]sender
	used    [2][ports / 32]uint32 // ports of ours, a bit for each; in this hour and the one before
}

// hour is how much was tried in an hour.
type hour struct {
	tried   [2]count // over TCP, UDP
	samples count    // packets that the counts were taken from
}

// count ends at its largest number, which an int of 32 bits holds.
type count uint32

func (c *count) add(more uint32) {
	if *c += count(more); *c > math.MaxInt32 || uint32(*c) < more {
		*c = math.MaxInt32
	}
}

// Look counts a packet, SYN or UDP, that came and stands for so many: as attempts, if nothing of ours was seen
// to use its port. A packet of 0 was sent, in answer or as a question (SYN with ACK, UDP): what comes to its port
// is no attempt for one to two hours.
//
// Look returns whether the packet is UDP that came to such a port, where it is not worth to look further.
func (t *Table) Look(at uint32, p *wire.Packet, of uint32) (ours bool) {
	t.advance(at)
	udp, place := 0, uint32(p.DstPort)
	if of == 0 {
		place = uint32(p.SrcPort)
	}
	if p.Proto == wire.UDP {
		udp, place = 1, 1<<16|place
	}
	word, bit := place/32, uint32(1)<<(place%32)
	if of == 0 {
		t.used[0][word] |= bit
		return false
	}
	if (t.used[0][word]|t.used[1][word])&bit != 0 {
		return udp == 1
	}
	if !t.attempt(at, p.Src.As16(), place, of) {
		return false
	}
	h := &t.hours[t.hour%hours]
	h.tried[udp].add(of)
	h.samples.add(1)
	n := 0
	for n < len(services) && services[n].place != place {
		n++
	}
	t.asked[n][t.hour/24%days].add(of)
	return false
}

// advance makes the hour that of a time, and forgets what is older than a week by then.
func (t *Table) advance(at uint32) {
	now := at / (60 * 60)
	if t.from == 0 {
		t.from, t.hour = now+1, now
	}
	if now > t.hour+hours {
		t.hour = now - hours - 1 // all is too old
	}
	for t.hour < now {
		t.hour++
		t.hours[t.hour%hours] = hour{}
		t.used[1] = t.used[0]
		clear(t.used[0][:])
		if t.hour%24 == 0 {
			for i := range t.asked {
				t.asked[i][t.hour/24%days] = 0
			}
		}
		for i := range t.senders {
			t.senders[i].hours[t.hour%hours/32] &^= 1 << (t.hour % hours % 32)
		}
	}
}

// Report returns what was counted, with times as now has them.
//
// Ports are reported by number only if they are those of services that everybody knows: the steps of an honest
// client's knock are among the others, and who reads a list of all ports, or what is missing in it, would
// learn them. Of senders, those come first of whom most was seen: what is known by one packet that stands for
// a thousand comes last.
func (t *Table) Report(at uint32, now time.Time) control.Radar {
	t.advance(at)
	r := control.Radar{Now: now.Round(0), Ports: []control.RadarPort{}, Senders: []control.RadarSender{}}
	for n := max(t.from-1+hours, t.hour+1) - hours; n <= t.hour; n++ {
		h := &t.hours[n%hours]
		r.Hours = append(r.Hours, control.RadarHour{Time: when(n*60*60, at, now), TCP: int(h.tried[0]), UDP: int(h.tried[1]), Samples: int(h.samples)})
	}
	for i := range t.asked {
		var n count
		for _, of := range t.asked[i] {
			n.add(uint32(of))
		}
		if i == len(services) {
			r.Others = int(n)
		} else if n > 0 {
			p := control.RadarPort{Proto: "tcp", Port: int(services[i].place & math.MaxUint16), Service: services[i].name, Attempts: int(n)}
			if services[i].place > math.MaxUint16 {
				p.Proto = "udp"
			}
			r.Ports = append(r.Ports, p)
		}
	}
	for i := range t.senders {
		if s := &t.senders[i]; s.active() > 0 {
			r.Senders = append(r.Senders, s.report(at, now))
		}
	}
	sort.SliceStable(r.Ports, func(i, j int) bool { return r.Ports[i].Attempts > r.Ports[j].Attempts })
	sort.SliceStable(r.Senders, func(i, j int) bool { return r.Senders[i].Samples > r.Senders[j].Samples })
	r.Senders = r.Senders[:min(len(r.Senders), mostSenders)]
	return r
}

// when says a time by the wall clock.
func when(then, at uint32, now time.Time) time.Time {
	return now.Add(time.Duration(int32(then-at)) * time.Second).Round(0)
}
