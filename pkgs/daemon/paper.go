// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Paper is a daemon that touches nothing: it says what packets of the past would have done.
type Paper struct {
	daemon   *Daemon
	now      time.Time // of the newest packet
	reported uint64    // number of the newest event that was reported
	first    uint64    // number of the last event before the first packet
	report   func(control.Event)
	say      func(time.Time) string
	attempts []control.Event // to be reported
	asides   asides
	whole    bool // a whole sequence came with the newest packet
	bodiless int
	inside   int // packets from there
}

// followOnPaper is for how many senders at once attempts are followed, in sets of 8: 1.8 MB. They are
// more than one network has in a time window; of still more it is reported that they were lost sight of.
const followOnPaper = 2048

// OnPaper returns a daemon on paper for the configuration text, which reports its events to report, and
// each attempt at a sequence as an event without a number. say is how to say a time of day in their
// texts, "" if it is not known.
func OnPaper(text string, synced func() bool, say func(time.Time) string, report func(control.Event)) (*Paper, error) {
	p := &Paper{now: time.Unix(0, 0), report: report, say: say} // before every packet
	d, err := New(System{
		Config:      func() (string, error) { return text, nil },
		Firewall:    noFirewall{},
		Capture:     noCapture{},
		Memory:      &shortMemory{pasts: map[string]seal.Past{}, used: map[string]bool{}},
		Sessions:    noSessions{},
		ClockSynced: synced,
		Now:         func() time.Time { return p.now },
		Wake:        func(wire.MAC, netip.Addr) error { return nil },
		paper:       p,
	})
	if err != nil {
		return nil, err
	}
	p.daemon = d
	p.asides = d.policy.newAsides(p.now)
	emit := d.emit
	d.emit = func(f knock.Finding) {
		p.whole = p.whole || f.Whole
		emit(f)
	}
	// What it says of the configuration is no event of the past: `check` says it.
	for _, e := range d.Events(0) {
		p.first, p.reported = e.Number, e.Number
	}
	return p, nil
}

func (p *Paper) reportNew() {
	for _, e := range p.daemon.Events(p.reported) {
		p.reported = e.Number
		e.Number -= p.first
		p.report(e)
	}
	for _, e := range p.attempts {
		p.report(e)
	}
	p.attempts = p.attempts[:0]
}

// End reports what was still going on at the last packet.
func (p *Paper) End() {
	p.daemon.mu.Lock()
	defer p.daemon.mu.Unlock()
	knock.End(p.daemon.policy.detectors, p.now, p.daemon.emit)
	p.reportNew()
}

// Replay takes a packet that was seen at now, if it is known on which device. Packets come in the order
// of their times. Those from inside open nothing.
func (p *Paper) Replay(now time.Time, device string, packet *wire.Packet) {
	d := p.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	for next := d.book.Next(); !next.IsZero() && !next.After(now); next = d.book.Next() {
		p.now = next
		d.passTime(next)
	}
	p.now = now
	d.passTime(now)
	main := &d.policy.cfg.Main
	if !slices.Contains(main.Inside, device) {
		device = ""
	}
	p.asides.observe(now, packet)
	p.whole = false
	explained := p.explain(now, device)
	if device == "" {
		d.now, d.waited = now, 0
		d.observe(now, packet)
	} else {
		p.inside++
	}
	if !p.whole {
		p.attempts = append(p.attempts, explained...)
	}
	p.reportNew()
	if packet.Proto == wire.UDP && len(packet.Payload) < packet.Size && d.policy.cfg.Receivers().Have(packet.Proto, packet.DstPort) {
		p.bodiless++
	}
}

// Off reports whether the configuration is switched off as a whole. On paper it is tried all the same: so
// is what `import` writes before its owner has looked at it.
func (p *Paper) Off() bool { return !p.daemon.policy.cfg.Main.Enabled }

// Inside returns how many packets came in at devices inside.
func (p *Paper) Inside() int { return p.inside }

// Bodiless returns how many packets to the ports of messages and of fwknop came without their whole
// content, of which a log has nothing: what they were cannot be told.
func (p *Paper) Bodiless() int { return p.bodiless }

// noFirewall has every set and forgets every grant.
type noFirewall struct{}

var _ door.Firewall = noFirewall{}

func (noFirewall) Sync(time.Time, []door.Door, []door.Grant) ([]door.Unserved, error) {
	return nil, nil
}
func (noFirewall) Open(time.Time, door.Door, door.Grant) error { return nil }
func (noFirewall) Close(door.Door, ...netip.Prefix) error      { return nil }

// noCapture reads from nowhere.
type noCapture struct{}

func (noCapture) Check(wire.Filter) error         { return nil }
func (noCapture) Set([]string, wire.Filter) error { return nil }
func (noCapture) Devices() []control.Device       { return []control.Device{} }

// shortMemory remembers until the program ends. It is as large as the configuration.
type shortMemory struct {
	pasts map[string]seal.Past
	used  map[string]bool
}

var _ Memory = (*shortMemory)(nil)

func (m *shortMemory) Past(client string) seal.Past { return m.pasts[client] }

func (m *shortMemory) Remember(pasts map[string]seal.Past) error {
	maps.Copy(m.pasts, pasts)
	return nil
}

func (m *shortMemory) Used(text string) bool { return m.used[text] }

func (m *shortMemory) Use(text string) error {
	m.used[text] = true
	return nil
}

func (m *shortMemory) Keep([]string, []string) {}
