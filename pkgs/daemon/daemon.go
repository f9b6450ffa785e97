// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits on grants. A home has few devices: these stop a stolen key or a spoofed sequence from
// filling the firewall's sets.
const (
	grantsPerClient = 32
	grantsInTotal   = 1024
)

// lookAgain is how often the clock's state and the firewall are looked at when nothing happens:
// it bounds how long a clock that was set by NTP goes unnoticed.
const lookAgain = 5 * time.Second

// System is what the daemon is given of the world outside.
type System struct {
	Version         string
	Config          func() (string, error) // reads the configuration's text
	Firewall        door.Firewall
	FirewallChanged <-chan struct{} // tells that somebody changed the firewall; nil = never
	Capture         Capture
	Memory          Memory
	ClockSynced     func() bool // whether NTP keeps the clock right
	Now             func() time.Time
	Wake            func(mac net.HardwareAddr, host netip.Addr) error
	Tell            func(control.Event) // logs an event; it must not call the daemon
}

// Capture is where packets come from.
type Capture interface {
	// Set says which devices to read from, and which packets.
	Set(devices []string, f wire.Filter) error
	// Devices tells how those devices are.
	Devices() []control.Device
}

// Memory is what survives a reboot. What a method changed is durable when it returns.
type Memory interface {
	// Floor is the newest stamp that was accepted from a client, 0 if none was.
	Floor(client string) uint64
	SetFloor(client string, stamp uint64) error
	// Used tells whether a one-time sequence was used.
	Used(sequence, text string) bool
	Use(sequence, text string) error
	// Forget drops the floor of a client.
	Forget(client string) error
}

// Daemon takes packets and opens doors. Make one with New; its methods may be called from any
// goroutine.
type Daemon struct {
	sys    System
	events *events
	start  time.Time

	mu      sync.Mutex
	policy  *policy
	book    *door.Book
	devices map[string]*device // by client: what is remembered of one over a reload
	problem string             // why the last reload was refused
	refit   chan struct{}      // has a value when the capture's filter is out of date

	// The packet path reuses these, so that a packet costs no memory.
	packets uint64 // so far
	packet  wire.Packet
	now     time.Time
	emit    func(knock.Finding)
}

// New reads the configuration and returns a daemon that is ready for packets.
// A configuration with errors is returned as config.Problems.
func New(sys System) (*Daemon, error) {
	d := &Daemon{
		sys:     sys,
		events:  newEvents(sys.Tell),
		start:   sys.Now(),
		book:    door.NewBook(sys.Firewall, door.Limits{PerClient: grantsPerClient, Total: grantsInTotal}),
		devices: map[string]*device{},
		refit:   make(chan struct{}, 1),
	}
	d.emit = func(f knock.Finding) { d.found(d.now, f) }
	cfg, err := d.readConfig()
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.adopt(d.start, cfg); err != nil {
		return nil, err
	}
	return d, nil
}

// readConfig also tells what is doubtful in a configuration that can be used.
func (d *Daemon) readConfig() (*config.Config, error) {
	text, err := d.sys.Config()
	if err != nil {
		return nil, err
	}
	cfg, problems := config.Parse(text)
	if cfg == nil {
		return nil, problems.Errors()
	}
	for _, p := range problems {
		d.events.add(d.sys.Now(), control.Event{Kind: trouble, Detail: p.String()})
	}
	return cfg, nil
}

// Run works until ctx ends, then closes every door. Each value from reloads makes it read the
// configuration again.
func (d *Daemon) Run(ctx context.Context, reloads <-chan struct{}) error {
	if err := d.capture(); err != nil {
		return err
	}
	d.events.add(d.sys.Now(), control.Event{Kind: started, Detail: "latchkeyd " + d.sys.Version + " listens on " + d.listening()})
	for {
		select {
		case <-ctx.Done():
			return d.stop()
		case <-reloads:
			if err := d.Reload(); err != nil {
				return err
			}
		case <-d.sys.FirewallChanged:
			d.syncFirewall()
		case <-d.refit:
			if err := d.capture(); err != nil {
				return err
			}
		case <-time.After(d.nextWake()):
			if err := d.Tick(); err != nil {
				return err
			}
		}
	}
}

// stop closes every door: whoever stops the service does not want to leave one open.
func (d *Daemon) stop() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.sys.Now()
	var errs []error
	for name := range d.policy.doors {
		grants, err := d.book.Close(now, name, netip.Addr{})
		errs = append(errs, err)
		d.tellClosed(now, grants, "latchkeyd stops")
	}
	return errors.Join(errs...)
}

// Reload reads the configuration again. A bad one changes nothing but what status says; only an
// error of the capture, without which there is no use in going on, is returned.
func (d *Daemon) Reload() error {
	now := d.sys.Now()
	cfg, err := d.readConfig()
	d.mu.Lock()
	if err == nil {
		err = d.adopt(now, cfg)
	}
	d.problem = ""
	if err != nil {
		d.problem = err.Error()
	}
	d.mu.Unlock()
	if err != nil {
		d.events.add(now, control.Event{Kind: trouble, Detail: "the new configuration is refused, the old one stays: " + err.Error()})
		return nil
	}
	d.events.add(now, control.Event{Kind: reload, Detail: "configuration read again"})
	return d.capture()
}

// adopt makes cfg the running configuration. Grants of doors that stay are kept.
func (d *Daemon) adopt(now time.Time, cfg *config.Config) error {
	if !cfg.Main.Enabled {
		return errors.New("section 'latchkey' (main) option 'enabled' is '0': latchkey is switched off")
	}
	p := newPolicy(cfg)
	gone, err := d.book.SetDoors(now, p.open)
	if err != nil {
		d.events.add(now, control.Event{Kind: trouble, Detail: "firewall: " + err.Error()})
	}
	d.policy = p
	d.events.setLevel(cfg.Main.LogLevel)
	d.rebuild(now)
	d.tellClosed(now, gone, "the door was taken out of the configuration")
	_, missing, err := d.book.Sync(now)
	if err != nil {
		return fmt.Errorf("firewall: %w", err)
	}
	d.tellSets(now, nil, missing)
	return nil
}

// rebuild makes the detectors anew: after a reload, and when a one-time sequence was used.
func (d *Daemon) rebuild(now time.Time) {
	d.policy.detect(now, d.sys.ClockSynced(), d.sys.Memory.Used)
}

// Tick does what time alone brings: Run calls it in time, others need not.
func (d *Daemon) Tick() error {
	d.mu.Lock()
	changed := d.passTime(d.sys.Now())
	retry := len(d.book.Pending()) > 0
	d.mu.Unlock()
	if retry {
		d.syncFirewall()
	}
	if changed {
		return d.capture()
	}
	return nil
}

// passTime ends grants and epochs, and notices a clock that was set. It tells whether the capture's
// filter is out of date.
func (d *Daemon) passTime(now time.Time) (changed bool) {
	for _, g := range d.book.Expire(now) {
		d.events.add(now, control.Event{Kind: expired, Door: g.Door, Client: g.Client, Address: g.Address.String(), Knock: g.Knock})
	}
	return d.policy.advance(now, d.sys.ClockSynced())
}

// nextWake is how long until tick has something to do.
func (d *Daemon) nextWake() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.sys.Now()
	wait := min(lookAgain, seal.NextEpoch(now).Sub(now))
	if next := d.book.Next(); !next.IsZero() {
		wait = min(wait, next.Sub(now))
	}
	return max(wait, 0)
}

// capture tells the capture what to read. It must not be called with d.mu held: the capture may
// wait for a batch of packets that waits for d.mu.
func (d *Daemon) capture() error {
	d.mu.Lock()
	devices := d.policy.cfg.Main.Devices
	f := d.policy.filter()
	d.mu.Unlock()
	if err := d.sys.Capture.Set(devices, f); err != nil {
		return fmt.Errorf("capture: %w", err)
	}
	return nil
}

// syncFirewall puts back what is left of each grant after somebody changed the firewall.
func (d *Daemon) syncFirewall() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.sys.Now()
	found, missing, err := d.book.Sync(now)
	if err != nil {
		d.events.add(now, control.Event{Kind: trouble, Detail: "firewall: " + err.Error()})
	}
	d.tellSets(now, found, missing)
}

// Packets takes a batch of IP packets that was read from a device at about now.
func (d *Daemon) Packets(now time.Time, _ string, packets [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.packets += uint64(len(packets))
	for _, b := range packets {
		if d.packet.Decode(b) == nil {
			d.observe(now, &d.packet)
		}
	}
}

// Observe takes one decoded packet that was seen at now.
func (d *Daemon) Observe(now time.Time, p *wire.Packet) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.observe(now, p)
}

func (d *Daemon) observe(now time.Time, p *wire.Packet) {
	d.now = now
	policy := d.policy
	for _, detector := range policy.detectors {
		detector.Observe(now, p, d.emit)
	}
	if policy.outdated {
		d.rebuild(now)
		select {
		case d.refit <- struct{}{}:
		default: // it is known already
		}
	}
}

// DeviceChanged takes the news that a network device came or went.
func (d *Daemon) DeviceChanged(dev control.Device) {
	text := "device " + dev.Name + " is " + dev.State
	if dev.Problem != "" {
		text += ", but cannot be read from: " + dev.Problem
	}
	d.events.add(d.sys.Now(), control.Event{Kind: link, Detail: text})
}

func (d *Daemon) listening() string {
	list := ""
	for i, dev := range d.sys.Capture.Devices() {
		if i > 0 {
			list += ", "
		}
		list += dev.Name + " (" + dev.State + ")"
	}
	return list
}
