// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// lookAgain is how often the clock's state is looked at, and what failed is tried again: it bounds
// how long it goes unnoticed that the clock is right now, or is no more.
const lookAgain = 5 * time.Second

// System is what the daemon is given of the world outside.
type System struct {
	Version         string
	Config          func() (string, error) // reads the configuration's text
	Firewall        door.Firewall
	FirewallChanged <-chan struct{} // has a value after somebody changed the firewall; nil = never
	Sessions        Sessions
	// Rules reads the firewall's rules, and returns what reports whether one leads to a door over IPv6 or
	// IPv4, for networks (wide) or single addresses. nil = it is not known, and no door is called broken for want of one.
	Rules   func() (func(door string, six, wide bool) bool, error)
	Capture Capture
	// Home returns whose an address is if nobody outside can have it, by the devices that knocks come in at:
	// "the router", "the network at lan"; "" = it may come from outside. An error means that it is not known now.
	// nil = nobody is ever known to be inside.
	Home        func(devices []string, a netip.Addr) (string, error)
	Inside      Capture   // of the devices inside; nil = knocks from there are not recognised
	Strangers   Strangers // nil = there is no radar
	Memory      Memory
	History     History              // nil = events are forgotten with the daemon
	ClockSynced func() bool          // whether the clock is right
	Clock       func() clock.Verdict // the same with its reason, for status; nil = none is reported
	Isolation   *control.Isolation   // as status shows it; nil = nothing is shown
	Now         func() time.Time
	Speed       int // of the processor, see knock.Config; 0 = that of the slowest router
	Wake        func(card wire.MAC, host netip.Addr) error

	trace *Trace // the trace that this daemon is of; nil = it is a real one
}

// Capture is where packets come from.
type Capture interface {
	// Check reports whether a filter can be used at all.
	Check(f wire.Filter) error
	// Set says which devices to read from, and which packets. After an error it may be tried again.
	Set(devices []string, f wire.Filter) error
	// Devices returns the states of those devices.
	Devices() []control.Device
}

// Memory is what survives a reboot. What a method changed is durable when it returns. Clients are
// named by config.Client.ID, so that a new name does not make old messages fresh.
type Memory interface {
	// Past is what is remembered of a client's messages, zero if nothing is.
	Past(client string) seal.Past
	// Remember replaces that of some clients, all at once.
	Remember(pasts map[string]seal.Past) error
	// Used reports whether a one-time sequence was used, under whatever name.
	Used(text string) bool
	Use(text string) error
	// Keep says which one-time sequences and clients there are: of others less may be remembered where
	// there is no room, but never so that a message counts again.
	Keep(texts, clients []string)
}

// Daemon takes packets and opens doors. Make one with New; its methods may be called from any
// goroutine.
type Daemon struct {
	sys      System
	events   *events
	attempts *events // for the log alone
	start    time.Time
	radar    watch
	logLevel atomic.Int32 // the policy's config.Level, which the log reads while mu is held for long

	mu           sync.Mutex
	policy       *policy
	book         *door.Book
	devices      map[string]*device  // by config.Client.ID: kept over a reload, as many as clients
	knockers     map[string]*knocker // by what they are called, see mayKnock; as many as clients and sequences
	looked       time.Time           // when Tick did its work last
	clockRight   bool                // the wall clock is known to be right
	problem      string              // why the last reload was refused
	failing      map[string]string   // by what failed: the last complaint, reported once
	served       served
	waiting      []deferred            // refusals to be reported later, in the order of their times; at most maxDeferred
	reportedFull bool                  // it was reported that the book has little room left
	grantBytes   int                   // what was added to the limit of memory for grants
	retry        bool                  // the firewall refused to end a grant before its time
	oldKeys      map[opening]time.Time // until when grants are that a client's old key opened, and that the firewall has not ended
	shortened    bool                  // some grants end sooner than the firewall knows: a sync is due
	uncut        string                // why sessions cannot be ended, "" = they can
	unsaved      map[string]bool       // by config.Client.ID: what was received and is not saved; as many as devices
	saveAt       time.Time             // when that is due
	onceUsed     int                   // how many one-time sequences were used
	stopped      bool                  // nothing may open any more
	refit        chan struct{}         // has a value when the capture's filter is out of date

	// The packet path reuses these, so that a packet costs no memory.
	packets uint64 // so far
	packet  wire.Packet
	now     time.Time     // when packet is read
	waited  time.Duration // how long it was not
	emit    func(knock.Finding)

	inside     string // the device that packet came in at, if that is inside
	emitInside func(knock.Finding)
}

// New reads the configuration and returns a daemon that is ready for packets.
// A configuration with errors is returned as config.Problems.
func New(sys System) (*Daemon, error) {
	d := &Daemon{
		sys:      sys,
		start:    sys.Now(),
		book:     door.NewBook(sys.Firewall, door.Limits{}),
		devices:  map[string]*device{},
		knockers: map[string]*knocker{},
		failing:  map[string]string{},
		unsaved:  map[string]bool{},
		oldKeys:  map[opening]time.Time{},
		served:   newServed(),
		refit:    make(chan struct{}, 1),
		radar:    watch{changed: make(chan struct{}, 1), ignored: make(chan netip.Addr, maxIgnored)},
	}
	d.looked = d.start
	d.events, d.attempts = newEvents(d.start), newEvents(d.start)
	d.emit = func(f knock.Finding) { d.found(d.now, f) }
	d.emitInside = func(f knock.Finding) { d.foundInside(d.now, d.inside, f) }
	p, err := d.prepare(d.start)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.restoreEvents()
	d.adopt(d.start, p)
	return d, nil
}

// Run works until ctx ends, then closes every door. Each value from reloads makes it read the
// configuration again.
func (d *Daemon) Run(ctx context.Context, reloads <-chan struct{}) error {
	d.capture()
	d.giveBack()
	d.events.add(d.sys.Now(), control.Event{Kind: started, Detail: "latchkeyd " + d.sys.Version + " listens on " + d.listening()})
	for {
		select {
		case <-ctx.Done():
			err := d.stop()
			d.saveEvents(true)
			return err
		case <-reloads:
			d.Reload()
			d.giveBack()
		case <-d.sys.FirewallChanged:
			d.syncFirewall()
		case <-d.refit:
			d.capture()
		case <-time.After(d.nextWake()):
			d.Tick()
		}
	}
}

// manyClients is from how many clients on it pays to collect what reading the configuration took: each takes about
// 25 kB, and collecting takes 300 kB for good.
const manyClients = 16

// giveBack returns to the system what it took to read the configuration, where that was much.
func (d *Daemon) giveBack() {
	d.mu.Lock()
	clients := len(d.policy.clients)
	d.mu.Unlock()
	if clients >= manyClients {
		debug.FreeOSMemory()
	}
}

// stop closes every door for good: whoever stops the service does not want to leave one open.
func (d *Daemon) stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.stopped = true
	now := d.sys.Now()
	var unsaved error
	if len(d.unsaved) > 0 {
		unsaved = d.save(now)
	}
	grants, err := d.book.CloseWhere(now, func(*door.Grant) bool { return true })
	d.reportClosed(now, grants, "latchkeyd stops")
	return errors.Join(unsaved, err)
}

// Reload reads the configuration again. A bad one changes nothing but what status says.
func (d *Daemon) Reload() {
	p, err := d.prepare(d.sys.Now())
	d.mu.Lock()
	now := d.sys.Now() // to prepare takes a slow router seconds, in which grants may end
	d.problem = ""
	if err != nil {
		d.problem = err.Error()
		d.mu.Unlock()
		d.events.add(now, control.Event{Kind: trouble, Detail: "the new configuration is refused, the old one stays: " + err.Error()})
		return
	}
	d.adopt(now, p)
	d.mu.Unlock()
	d.events.add(now, control.Event{Kind: reload, Detail: "configuration read again"})
	d.capture()
}

// prepare makes all that a configuration needs. It may fail and changes nothing.
func (d *Daemon) prepare(now time.Time) (*policy, error) {
	text, err := d.sys.Config()
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Check(text, now)
	if cfg == nil {
		return nil, problems.Errors()
	}
	if !cfg.Main.Enabled && d.sys.trace == nil {
		return nil, errors.New("section 'latchkey' (main) option 'enabled' is '0': latchkey is switched off")
	}
	p := newPolicy(cfg, problems)
	p.follow, p.speed = d.follow(cfg), d.sys.Speed
	d.mu.Lock()
	p.onceUsed = d.onceUsed
	d.mu.Unlock()
	used := func(text string) bool {
		d.mu.Lock()
		defer d.mu.Unlock()
		return d.sys.Memory.Used(text)
	}
	p.detect(now, d.sys.ClockSynced(), used)
	err = d.sys.Capture.Check(p.filter())
	if err != nil && p.follow > 0 {
		// To follow attempts takes more ports than to recognise knocks, and only the log wants it.
		p.follow, p.unfollowed = 0, err
		p.detect(now, d.sys.ClockSynced(), used)
		err = d.sys.Capture.Check(p.filter())
	}
	if err != nil {
		return nil, fmt.Errorf("too many ports, clients or sequences: %w", err)
	}
	return p, nil
}

// adopt makes a configuration the running one. It cannot fail: what the firewall refuses now is
// reported, and tried again. Grants stay where the new configuration would give them.
func (d *Daemon) adopt(now time.Time, p *policy) {
	was := d.policy
	if was == nil {
		was = p
	}
	cut := p.after(was)
	d.policy = p
	d.logLevel.Store(int32(p.cfg.Main.LogLevel))
	d.checkSessions(now)
	p.remind(now, d.sys.ClockSynced(), d.sys.Memory)
	for _, problem := range p.warnings {
		if problem.Advice {
			continue
		}
		d.events.add(now, control.Event{Kind: trouble, Detail: problem.Public()})
	}
	d.reportFailure(now, "attempts in the log", p.unfollowed)
	gone, err := d.book.SetDoors(now, p.open)
	d.reportFailure(now, "firewall", err)
	d.reportGone(now, gone, cut)
	d.clockRight = d.sys.ClockSynced()
	d.noteOldKeys(now, was)
	d.endRevoked(now, cut, true)
	d.endMoved(now, cut)
	ids := p.clientIDs()
	d.keepDevices(ids)
	d.sys.Memory.Keep(p.oneTime(), ids)
	if p.onceUsed != d.onceUsed { // while it was prepared
		p.renew(now, d.sys.Memory.Used)
	}
	d.reportUsedUp(now)
	d.keepKnockers()
	now = d.sys.Now() // to end thousands of grants takes its time
	found, unserved := d.syncBook(now)
	d.reportSets(now, nil, unserved) // that a new door has its sets is no news
	d.served.stale = true
	d.checkDoors(now, found)
}

// Tick does what time alone brings: Run calls it in time, others need not.
func (d *Daemon) Tick() {
	d.mu.Lock()
	now := d.sys.Now()
	d.looked = now
	changed := d.passTime(now) || d.failing["capture"] != "" || d.failing["capture inside"] != ""
	if len(d.book.Unserved()) > 0 || d.failing["firewall"] != "" || d.shortened {
		d.sync()
	}
	d.checkDoors(now, nil)
	d.mu.Unlock()
	if changed {
		d.capture()
	}
	d.saveEvents(false)
}

// passTime ends grants and epochs, and notices a clock that was set. It reports whether the capture's
// filter is out of date.
func (d *Daemon) passTime(now time.Time) (changed bool) {
	over := d.book.Expire(now)
	for name, grants := range door.ByDoor(over) {
		c := d.byOption(name)
		if c == nil {
			continue
		}
		var ended []netip.Prefix
		for _, g := range grants {
			before := len(ended) - 1
			if !d.book.IsOpen(now, name, g.Network) && (before < 0 || ended[before] != g.Network) {
				ended = append(ended, g.Network)
			}
		}
		// The kernel's end comes up to a tick later, in which a new session could begin.
		if err := d.sys.Firewall.Close(c.ForBook(), ended...); err != nil {
			d.reportFailure(now, "firewall", err)
		}
	}
	d.reportEnded(now, expired, over, "", d.byOption)
	d.reportRoom(now)
	d.reportDeferred(now)
	d.now = now
	knock.Expire(d.policy.detectors, now, d.emit)
	d.clockRight = d.sys.ClockSynced()
	d.endRevoked(now, d.byOption, false)
	if len(d.unsaved) > 0 && !now.Before(d.saveAt) {
		d.reportFailure(now, "memory", d.save(now))
	}
	return d.policy.advance(now, d.clockRight)
}

// nextWake is how long until Tick has something to do.
func (d *Daemon) nextWake() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.sys.Now()
	// From the last look on, not from now: each change of the firewall brings us here.
	wait := min(d.looked.Add(lookAgain).Sub(now), seal.NextEpoch(d.looked).Sub(now))
	if next := d.book.Next(); !next.IsZero() {
		wait = min(wait, next.Sub(now))
	}
	if len(d.waiting) > 0 {
		wait = min(wait, d.waiting[0].due.Sub(now))
	}
	if len(d.unsaved) > 0 {
		wait = min(wait, d.saveAt.Sub(now))
	}
	if d.served.stale {
		wait = min(wait, d.served.read.Add(rulesEvery).Sub(now))
	}
	return max(wait, 0)
}

// capture sets what the capture reads. What fails is tried again by Tick.
func (d *Daemon) capture() {
	d.mu.Lock()
	cfg := d.policy.cfg
	f, inside := d.policy.filter(), filterOf(d.policy.inside)
	d.mu.Unlock()
	d.setRadar(cfg)
	err := d.sys.Capture.Set(cfg.Main.Devices, f)
	insideErr := d.captureInside(cfg.Main.Inside, inside)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reportFailure(d.sys.Now(), "capture", err)
	d.reportFailure(d.sys.Now(), "capture inside", insideErr)
}

// syncFirewall puts back what is left of each grant after somebody changed the firewall.
func (d *Daemon) syncFirewall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.served.stale = true
	d.sync()
}

func (d *Daemon) sync() {
	now := d.sys.Now()
	found, unserved := d.syncBook(now)
	d.reportSets(now, found, unserved)
	d.checkDoors(now, found)
}

// syncBook is Book.Sync. What fails is tried again by Tick.
func (d *Daemon) syncBook(now time.Time) (found []string, unserved []door.Unserved) {
	found, unserved, err := d.book.Sync(now)
	d.reportFailure(now, "firewall", err)
	d.shortened = false
	return found, unserved
}

// Packets takes a batch of IP packets that came in at a device at about the time came, which is past if
// they waited: steps count by it.
func (d *Daemon) Packets(came time.Time, _ string, packets [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.packets += uint64(len(packets))
	d.now = d.sys.Now()
	d.waited = d.now.Sub(came)
	for _, b := range packets {
		if d.packet.Decode(b) == nil {
			d.observe(came, &d.packet)
		}
	}
}

// observe has a packet recognised that came then and is read at d.now.
func (d *Daemon) observe(came time.Time, p *wire.Packet) {
	if d.stopped {
		return
	}
	policy := d.policy
	for _, detector := range policy.detectors {
		detector.Observe(came, p, d.emit)
	}
	if policy.outdated {
		policy.renew(d.now, d.sys.Memory.Used)
		select {
		case d.refit <- struct{}{}:
		default: // it is known already
		}
	}
}

// DeviceChanged takes the news that a network device came or went.
func (d *Daemon) DeviceChanged(dev control.Device) {
	e := control.Event{Kind: link, Detail: "device " + dev.Name + " is " + dev.State}
	switch {
	case dev.Problem != "":
		e.Kind = trouble
		e.Detail += ", but cannot be read from: " + dev.Problem
	case dev.Coarse != "" && dev.State == "up":
		e.Kind = trouble
		e.Detail += ", but the kernel filters it " + dev.Coarse
	}
	d.events.add(d.sys.Now(), e)
}

// Events returns the events after number n that are still kept.
func (d *Daemon) Events(n uint64) []control.Event {
	list, _ := d.events.since(n)
	return list
}

func (d *Daemon) listening() string {
	var list []string
	for _, dev := range d.sys.Capture.Devices() {
		list = append(list, dev.Name+" ("+dev.State+")")
	}
	return strings.Join(list, ", ")
}
