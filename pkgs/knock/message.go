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
	// triedKeys is how many keys are tried per second, a quarter of them for one sender. Trying
	// one is two HMACs, 0.2 to 0.4 ms on a 580 MHz MIPS, so a flood takes less than a tenth of its
	// time. While the clock is synchronised only messages with a client's hint cost anything.
	// While it is not each message costs as many keys as there are clients, and a flood from
	// forged senders above 200/clients messages per second shuts out honest ones.
	triedKeys      = 200
	triedKeysBurst = 800

	// toldEvery and toldBurst limit what is told about refused messages: a flood must not fill
	// the log.
	toldEvery = time.Second
	toldBurst = 16

	// copiesKept is how many messages of each kind are remembered to keep their copies quiet, and
	// copiesTime for how long. A browser sends up to 26 copies in 1.6 s, and a page that is never
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
	if cfg.STUNPort != 0 {
		list = append(list, &stun{opener: o, port: cfg.STUNPort})
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
	tried           *budget // in keys
	told            rate.Bucket
	seed            maphash.Seed
	opened, refused copies // apart, so that junk cannot push out what keeps honest copies quiet
}

func newOpener(cfg Config, now time.Time) *opener {
	return &opener{
		ring:    cfg.Ring,
		clients: cfg.Clients,
		base:    now,
		tried:   newBudget(now, triedKeys, triedKeysBurst, 2*len(cfg.Clients)),
		seed:    maphash.MakeSeed(),
	}
}

// open opens a message and returns what came of it; first is false if the same sender sent the
// same message a short while ago, which is a retransmission and nothing to tell.
func (o *opener) open(now time.Time, by Carrier, from netip.Addr, msg []byte) (f Finding, first bool) {
	clock := now.Sub(o.base)
	id := o.identify(from, msg)
	if o.opened.has(id, clock) || o.refused.has(id, clock) {
		return Finding{}, false
	}
	f.Request = Request{Kind: KindMessage, Carrier: by, From: from}
	if cost := o.ring.Cost(msg); cost > 0 && !o.tried.take(now, from, cost) {
		f.Reason = TooMany // and not remembered: the next copy may come at a better time
		return f, true
	}
	client, body, err := o.ring.Open(msg)
	switch {
	case err == nil:
		o.opened.add(id, clock)
		f.Name, f.Body, f.Reason = o.clients[client].Name, body, OK
		return f, true
	case errors.Is(err, seal.ErrUnknownKey):
		f.Reason = UnknownKey
	default:
		f.Reason = BadMessage
	}
	o.refused.add(id, clock)
	return f, true
}

// tell emits what came of a message. Refusals are subject to a limit.
func (o *opener) tell(now time.Time, f Finding, emit func(Finding)) {
	if f.Reason == OK || o.told.Take(rate.Limit{Every: toldEvery, Burst: toldBurst}, now.Sub(o.base), 1) {
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
