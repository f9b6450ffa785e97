// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/radar"
	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Strangers is a sample of what comes to devices from outside, and of what is sent there.
type Strangers interface {
	// Watch says which devices to look at.
	Watch(devices []string)
	// Read hands over packets, and returns how long to wait until the next call. One that came in stands
	// for so many; of one that was sent, of is 0. Look returns whether a packet is UDP for a port that is not
	// worth to be looked at for some time. After an error not every device was looked at.
	Read(look func(p *wire.Packet, of uint32) (skip bool)) (again time.Duration, err error)
}

// maxIgnored is how many addresses may wait to be ignored by the radar.
const maxIgnored = 64

// scanReports limits what strangers can put into log and events by scans.
var scanReports = rate.Limit{Every: 10 * time.Minute, Burst: 12}

// watch is the radar. It decides nothing, and has a lock of its own, for which no knock waits.
//
// Its memory is 260 kB in all: 125 kB of radar.Table, 128 kB that the kernel may queue for capture.Sampler, 6 kB
// of Sampler itself, 2 kB of addresses to ignore. An answer takes up to 100 kB more while it is made.
type watch struct {
	_       [0]func()       // nobody compares it
	changed chan struct{}   // 1 deep: it was switched on or off
	ignored chan netip.Addr // for whom a door was opened since the last look: what came from there were knocks

	mu      sync.Mutex
	table   *radar.Table     // nil = it is switched off
	knocks  config.Receivers // what comes over UDP where knocks arrive is no attempt
	problem string
	bucket  rate.Bucket
	hidden  int // scans that were not reported since the last one that was
}

// setRadar switches the radar on or off, as the configuration says.
func (d *Daemon) setRadar(cfg *config.Config) {
	if d.sys.Strangers == nil {
		return
	}
	w := &d.radar
	w.mu.Lock()
	defer w.mu.Unlock()
	devices := cfg.Main.Devices
	if !cfg.Main.Radar {
		devices, w.table = nil, nil
	} else if w.table == nil {
		w.table = &radar.Table{Seed: uint32(d.sys.Now().UnixNano())} // which nobody outside knows
	}
	w.knocks = cfg.Receivers()
	d.sys.Strangers.Watch(devices)
	select {
	case w.changed <- struct{}{}:
	default: // it is known already
	}
}

// WatchStrangers counts what strangers try, until ctx ends.
func (d *Daemon) WatchStrangers(ctx context.Context) {
	for {
		var again <-chan time.Time // never, while it is switched off
		if wait, on := d.sampleStrangers(); on {
			again = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-d.radar.changed:
		case <-again:
		}
	}
}

// seconds is a time as radar.Table has it.
func (d *Daemon) seconds(now time.Time) uint32 { return uint32(now.Sub(d.start) / time.Second) }

// skip has the table ignore those for whom doors were opened. The lock is held.
func (w *watch) skip(at uint32) {
	for range len(w.ignored) {
		w.table.Ignore(at, <-w.ignored)
	}
}

// reportStrangers reports what was counted until now.
func (d *Daemon) reportStrangers() (r control.Radar, err error) {
	w := &d.radar
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.table == nil {
		return r, &control.Error{Text: "the radar is switched off", Hint: "set option 'radar' of section main to '1'"}
	}
	now := d.sys.Now()
	at := d.seconds(now)
	w.skip(at)
	r = w.table.Report(at, now)
	r.Problem = w.problem
	return r, nil
}

// sampleStrangers takes one sample, and returns how long to wait until the next; on is false if the radar is
// switched off.
func (d *Daemon) sampleStrangers() (again time.Duration, on bool) {
	w := &d.radar
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.table == nil {
		return 0, false
	}
	now := d.sys.Now()
	at := d.seconds(now)
	w.skip(at)
	again, failed := d.sys.Strangers.Read(func(p *wire.Packet, of uint32) bool {
		return p.Proto == wire.UDP && of > 0 && w.knocks.Have(p.Proto, p.DstPort) || w.table.Look(at, p, of)
	})
	w.problem = ""
	if failed != nil {
		w.problem = failed.Error()
	}
	for s, is := w.table.Scan(at, now); is; s, is = w.table.Scan(at, now) {
		if !w.bucket.Take(scanReports, now.Sub(d.start), 1) {
			w.hidden++
			continue
		}
		// No port is reported, and nothing is done to the address, which can be anybody's.
		d.events.add(now, control.Event{
			Kind: scan, Address: s.Address, Ports: s.Ports, Hidden: w.hidden,
			Detail: "closed ports were tried: nothing was done about it, as a sender can be forged",
		})
		w.hidden = 0
	}
	return again, true
}

// ignore says that a door was opened for an address.
func (w *watch) ignore(a netip.Addr) {
	select {
	case w.ignored <- a:
	default: // of more than fit, it counts what they send
	}
}
