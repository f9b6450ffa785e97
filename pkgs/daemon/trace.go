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

// Trace is a dry run of a daemon: it reports what packets of the past would have done, and touches nothing.
type Trace struct {
	daemon   *Daemon
	now      time.Time // of the newest packet
	reported uint64    // number of the newest event that was reported
	first    uint64    // number of the last event before the first packet
	report   func(control.Event)
	format   func(time.Time) string
	attempts []control.Event // to be reported
	inert    inertSequences
	whole    bool // a whole sequence came with the newest packet
	bodiless int
	inside   int // packets from there
}

// followTraced is for how many senders at once attempts are followed, in sets of 8: 1.8 MB. They are
// more than one network has in a time window; of still more it is reported that they were lost sight of.
const followTraced = 2048

// NewTrace returns a dry run with the configuration text. It passes its events to report, and each attempt at
// a sequence as an event without a number. format formats a time of day for their texts: "" if the time is not
// known.
func NewTrace(text string, synced func() bool, format func(time.Time) string, report func(control.Event)) (*Trace, error) {
	t := &Trace{now: time.Unix(0, 0), report: report, format: format} // before every packet
	d, err := New(System{
		Config:      func() (string, error) { return text, nil },
		Firewall:    noFirewall{},
		Capture:     noCapture{},
		Memory:      &shortMemory{pasts: map[string]seal.Past{}, used: map[string]bool{}},
		Sessions:    noSessions{},
		ClockSynced: synced,
		Now:         func() time.Time { return t.now },
		Wake:        func(wire.MAC, netip.Addr) error { return nil },
		trace:       t,
	})
	if err != nil {
		return nil, err
	}
	t.daemon = d
	t.inert = d.policy.newInert(t.now)
	emit := d.emit
	d.emit = func(f knock.Finding) {
		t.whole = t.whole || f.Whole
		emit(f)
	}
	// What it reports of the configuration is no event of the past; `check` lists that.
	for _, e := range d.Events(0) {
		t.first, t.reported = e.Number, e.Number
	}
	return t, nil
}

func (t *Trace) reportNew() {
	for _, e := range t.daemon.Events(t.reported) {
		t.reported = e.Number
		e.Number -= t.first
		t.report(e)
	}
	for _, e := range t.attempts {
		t.report(e)
	}
	t.attempts = t.attempts[:0]
}

// End reports what was still going on at the last packet.
func (t *Trace) End() {
	t.daemon.mu.Lock()
	defer t.daemon.mu.Unlock()
	knock.End(t.daemon.policy.detectors, t.now, t.daemon.emit)
	t.reportNew()
}

// Packet takes a packet that was seen at now, if it is known on which device. Packets come in the order
// of their times. Those from inside open nothing.
func (t *Trace) Packet(now time.Time, device string, packet *wire.Packet) {
	d := t.daemon
	d.mu.Lock()
	defer d.mu.Unlock()
	for next := d.book.Next(); !next.IsZero() && !next.After(now); next = d.book.Next() {
		t.now = next
		d.passTime(next)
	}
	t.now = now
	d.passTime(now)
	main := &d.policy.cfg.Main
	if !slices.Contains(main.Inside, device) {
		device = ""
	}
	t.inert.observe(now, packet)
	t.whole = false
	explained := t.explain(now, device)
	if device == "" {
		d.now, d.waited = now, 0
		d.observe(now, packet)
	} else {
		t.inside++
	}
	if !t.whole {
		t.attempts = append(t.attempts, explained...)
	}
	t.reportNew()
	if packet.Proto == wire.UDP && len(packet.Payload) < packet.Size && d.policy.cfg.Receivers().Have(packet.Proto, packet.DstPort) {
		t.bodiless++
	}
}

// Off reports whether the configuration is switched off as a whole. A dry run tries it all the same, as what
// `import` writes is switched off until its owner has looked at it.
func (t *Trace) Off() bool { return !t.daemon.policy.cfg.Main.Enabled }

// Inside returns how many packets came in at devices inside.
func (t *Trace) Inside() int { return t.inside }

// Bodiless returns how many packets to the ports of messages and of fwknop came without their whole
// content, of which a log has nothing: nobody knows what they were.
func (t *Trace) Bodiless() int { return t.bodiless }

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
