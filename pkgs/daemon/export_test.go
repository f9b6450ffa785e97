// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
)

// Devices returns of how many devices something is remembered, which must not grow with every reload.
func Devices(d *Daemon) int { return len(d.devices) }

// MaxCounts is how many counts there are at the most.
const MaxCounts = maxCounts

// Counted returns how events are counted.
func Counted(list []control.Event) []control.Count {
	l := newEvents(time.Now())
	for _, e := range list {
		l.add(l.start, e)
	}
	var s control.Status
	l.addTo(&s)
	return s.Counts
}

// Refill gives a daemon a book with room for most grants, and so many grants of its doors, all of one client and knock.
func Refill(d *Daemon, most int, client, knock string, doors map[string]int) {
	now := d.sys.Now()
	d.book = door.NewBook(d.sys.Firewall, door.Limits{PerClient: most, Total: most})
	d.book.SetDoors(now, d.policy.open)
	for name, n := range doors {
		for i := range n {
			a := netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, byte(i >> 8), byte(i)})
			if _, _, err := d.book.Open(now, door.Ask{Door: name, Address: a, Client: client, Knock: knock}); err != nil {
				panic(err)
			}
		}
	}
}

// Kept returns which numbers are kept of events, and for how many the list ever had room.
func Kept(former, list []control.Event) (numbers []uint64, room int) {
	l := newEvents(time.Now())
	l.restore(former)
	for _, e := range list {
		l.add(l.start, e)
		room = max(room, cap(l.list))
	}
	for _, e := range l.kept(0) {
		numbers = append(numbers, e.Number)
	}
	return numbers, room
}

// PartOf returns which part of the list is for events like e, and how many it holds.
func PartOf(e control.Event) (part byte, most int) { return partOf(e) }
