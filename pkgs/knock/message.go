// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"errors"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits on messages, over all carriers and senders.
const (
	// Keys that are tried per second, and at once, as on the slowest router: see Config.Speed. Trying one is two HMACs, 0.2 to 0.4 ms on a
	// 580 MHz MIPS, so that a flood takes a tenth of its time. One sender may use a quarter of each.
	//
	// Messages whose hint is expected cost what is expected only. For the others, which count only
	// while the clock is not synchronised, each costs as many keys as there are clients; they have a
	// share of their own, so that a flood of them does not shut out those that are expected.
	expectedKeys      = 200
	expectedKeysBurst = 800
	otherKeys         = 100
	otherKeysBurst    = 400
	// On top of it, for clients where they were heard last.
	reservedKeys      = 50
	reservedKeysBurst = 200

	// reportEvery and reportBurst limit what is reported about refused messages: a flood must not fill
	// the log.
	reportEvery = time.Second
	reportBurst = 16

	// copiesKept is how many messages of each kind are remembered to keep their copies quiet, and
	// copiesTime for how long. A browser sends up to 26 copies in 1.6 s to each port, and a page that is never
	// closed goes on for 15 s.
	copiesKept = 128
	copiesTime = time.Minute
)

// messages recognises sealed messages, by whichever carrier they come.
type messages []Detector

var _ Detector = (messages)(nil)

func newMessages(cfg Config, now time.Time) Detector {
	if cfg.Ring == nil {
		return nil
	}
	o := newOpener(cfg, now)
	var list messages
	if len(cfg.STUNPorts) > 0 {
		list = append(list, &stun{opener: o, ports: cfg.STUNPorts})
	}
	if cfg.Ports != (wire.PortRange{}) {
		list = append(list, newSlots(o, cfg.Ports.First, now))
	}
	if cfg.Ordered != nil {
		list = append(list, newOrdered(o, *cfg.Ordered, now))
	}
	if list == nil {
		return nil
	}
	return list
}

// Observe implements Detector.
func (m messages) Observe(now time.Time, p *wire.Packet, emit func(Finding)) {
	for _, carrier := range m {
		carrier.Observe(now, p, emit)
	}
}

// AddFilter implements Detector.
func (m messages) AddFilter(f *wire.Filter) {
	for _, carrier := range m {
		carrier.AddFilter(f)
	}
}

// opener opens messages for all carriers, under common limits.
type opener struct {
	ring            *seal.Ring
	clients         []Client
	base            time.Time
	expected, other *budget  // in keys
	reserve         *reserve // in keys
	reports         rate.Bucket
	seed            maphash.Seed
	opened, refused copies // apart, so that junk cannot push out what keeps honest copies quiet
}

func newOpener(cfg Config, now time.Time) *opener {
	count, speed := len(cfg.Clients), max(1, cfg.Speed)
	return &opener{
		ring:     cfg.Ring,
		clients:  cfg.Clients,
		base:     now,
		expected: newBudget(now, speed*expectedKeys, expectedKeysBurst, 2*count),
		other:    newBudget(now, speed*otherKeys, otherKeysBurst, 2*count),
		reserve:  newReserve(now, count, speed*reservedKeys, reservedKeysBurst),
		seed:     maphash.MakeSeed(),
	}
}

// open opens a message and returns what came of it; first is false if the same sender sent the
// same message a short while ago, which is a retransmission and nothing to report.
func (o *opener) open(now time.Time, by Carrier, from netip.Addr, msg []byte) (f Finding, first bool) {
	clock := now.Sub(o.base)
	id := o.identify(from, msg)
	if o.opened.has(id, clock) || o.refused.has(id, clock) {
		return Finding{}, false
	}
	f.Request = Request{Kind: KindMessage, Carrier: by, From: from}
	client, body, reason := o.try(now, from, msg)
	f.Reason = reason
	switch reason {
	case OK:
		o.opened.add(id, clock)
		f.Name, f.Body = o.clients[client].Name, body
		if o.ring.Seen(now, client, body.Stamp) {
			o.reserve.heard(client, from)
		}
	case TooMany: // not remembered: the next copy may come at a better time
	default:
		o.refused.add(id, clock)
	}
	return f, true
}

// try tries the keys that a message may cost: first those of clients that were heard last where it
// comes from, then those whose hint it has, then all if it may be of any time.
func (o *opener) try(now time.Time, from netip.Addr, msg []byte) (client int, body seal.Body, reason Reason) {
	expected, all := o.ring.Cost(msg)
	if expected == 0 && all == 0 {
		return 0, seal.Body{}, UnknownKey
	}
	for n := 0; ; n++ {
		i, more := o.ring.Candidate(msg, n)
		if !more {
			break
		}
		if o.reserve.take(now, i, from, 1) {
			if body, ok := o.ring.OpenAs(i, msg); ok {
				return i, body, OK
			}
		}
	}
	reason = TooMany
	if expected > 0 && o.expected.take(now, from, expected) {
		client, body, err := o.ring.OpenExpected(msg)
		if err == nil {
			return client, body, OK
		}
		reason = BadMessage
	}
	if all == 0 {
		return 0, seal.Body{}, reason
	}
	if !o.other.take(now, from, all) {
		return 0, seal.Body{}, TooMany
	}
	client, body, err := o.ring.Open(msg)
	switch {
	case err == nil:
		return client, body, OK
	case errors.Is(err, seal.ErrUnknownKey):
		return 0, seal.Body{}, UnknownKey
	}
	return 0, seal.Body{}, BadMessage
}

// report emits what came of a message. Refusals are subject to a limit.
func (o *opener) report(now time.Time, f Finding, emit func(Finding)) {
	if f.Reason == OK || o.reports.Take(rate.Limit{Every: reportEvery, Burst: reportBurst}, now.Sub(o.base), 1) {
		emit(f)
	}
}

// identify makes a number that is the same only for the same message from the same sender.
func (o *opener) identify(from netip.Addr, msg []byte) uint64 {
	var b [16 + seal.LongSize]byte
	source := from.As16()
	n := copy(b[:], source[:])
	n += copy(b[n:], msg)
	return maphash.Bytes(o.seed, b[:n])
}

// copies remembers the last messages of one kind.
type copies struct {
	list [copiesKept]struct {
		id    uint64
		until time.Duration // 0 = this place is free
	}
	next int
}

func (c *copies) has(id uint64, now time.Duration) bool {
	for i := range c.list {
		if c.list[i].id == id && now < c.list[i].until {
			return true
		}
	}
	return false
}

func (c *copies) add(id uint64, now time.Duration) {
	c.list[c.next].id, c.list[c.next].until = id, now+copiesTime
	c.next = (c.next + 1) % len(c.list)
}
