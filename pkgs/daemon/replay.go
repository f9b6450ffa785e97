// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// saveWithin is how long a used-up message may be in memory only, if it opened nothing: a client that
// is refused costs at most one write to flash in that time, and so do all of them together.
const saveWithin = time.Second

// slewed is by how much a client's grants may outlast it when the router's clock is put right little by little: less
// is not worth a look at the whole firewall each time.
const slewed = time.Second

// opening is what a client's grant is for.
type opening struct {
	door    string
	network netip.Prefix
	client  string
}

// device is what is remembered of a client's device while the daemon runs, also over a reload.
type device struct {
	stamps *seal.Stamps
	last   time.Time // of the last accepted knock
	from   netip.Addr
	closed time.Time // of the last one that closed
	inside time.Time // when a knock from inside was reported last
}

// device returns what is remembered of a client's device.
func (d *Daemon) device(c *config.Client) *device {
	id := c.ID()
	dev := d.devices[id]
	if dev == nil {
		dev = &device{stamps: seal.NewStamps(countingOf(c.Kind).Counting, d.sys.Memory.Past(id))}
		d.devices[id] = dev
	}
	return dev
}

// justIn reports whether a knock of the same press was accepted, from the same address.
func (d *Daemon) justIn(now time.Time, c *config.Client, from netip.Addr) bool {
	dev := d.device(c)
	return dev.from == from && now.Sub(dev.last) < seal.PressWindow
}

// closedBefore notes that a client's knock closes, and reports whether one of the same press did.
func (d *Daemon) closedBefore(now time.Time, c *config.Client) bool {
	if c == nil {
		return false
	}
	dev := d.device(c)
	before := dev.closed
	dev.closed = now
	return !before.IsZero() && now.Sub(before) < seal.PressWindow
}

// secondBits is how many bits below the seconds tell the fwknop packets of one second apart.
const secondBits = 32

// counting is how a kind of knock counts time.
type counting struct {
	seal.Counting
	at   func(time.Time) uint64 // the lowest stamp of a time
	time func(uint64) time.Time
}

func countingOf(kind knock.Kind) counting {
	if kind == knock.KindFwknop {
		return counting{
			Counting: seal.Counting{Second: 1 << secondBits}, // each packet is a press of its own
			at:       func(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) << secondBits },
			time:     func(stamp uint64) time.Time { return time.Unix(int64(stamp>>secondBits), 0) },
		}
	}
	return counting{
		Counting: seal.Millis,
		at:       func(t time.Time) uint64 { return uint64(max(t.UnixMilli(), 0)) },
		time:     func(stamp uint64) time.Time { return time.UnixMilli(int64(stamp)) },
	}
}

// stamp is what tells a knock from its copies.
type stamp struct {
	number uint64
	millis uint64 // since 1970, by the sender's clock
}

// stampOf returns a knock's stamp; ok is false for a knock that cannot be told from its copies.
func stampOf(r knock.Request) (s stamp, ok bool) {
	switch r.Kind {
	case knock.KindMessage:
		return stamp{r.Body.Stamp, r.Body.Stamp}, true
	case knock.KindFwknop:
		// It has whole seconds, and 16 random digits.
		second := countingOf(r.Kind).at(time.UnixMilli(int64(r.SPA.Stamp)))
		return stamp{second | r.SPA.Random&(1<<secondBits-1), r.SPA.Stamp}, true
	}
	return stamp{}, false
}

// window is what the router's clock allows of a kind's stamps, zero if it is not right.
func (d *Daemon) window(now time.Time, kind knock.Kind) seal.Window {
	if !d.clockRight {
		return seal.Window{}
	}
	s, skew := countingOf(kind), d.policy.cfg.Main.MaxSkew
	return seal.Window{First: max(s.at(now.Add(-skew)), 1), Last: s.at(now.Add(skew))}
}

// receive uses up a knock that only its client can have made: whatever it is answered, it counts
// only now. A knock that has no stamp is always fresh.
func (d *Daemon) receive(now time.Time, r knock.Request) seal.Verdict {
	stamp, ok := stampOf(r)
	if !ok {
		return seal.Fresh
	}
	c := d.policy.clients[r.Name]
	verdict := d.device(c).stamps.Receive(now, d.window(now, c.Kind), stamp.number, r.From)
	if verdict == seal.Fresh || verdict == seal.Overtaken {
		d.saveSoon(now, c)
	}
	return verdict
}

// remember makes durable, before any door opens, that a knock is used up.
func (d *Daemon) remember(now time.Time, r knock.Request, c *config.Client) error {
	if r.Once != "" {
		d.policy.outdated = true
		d.onceUsed++
		if err := d.sys.Memory.Use(r.Once); err != nil {
			return err
		}
		d.reportUsedUp(now)
		return nil
	}
	if stamp, ok := stampOf(r); ok {
		d.device(c).stamps.Accept(stamp.number)
		return d.save(now) // receive noted that there is something to save
	}
	return nil
}

// saveSoon notes that there is something to save of a client.
func (d *Daemon) saveSoon(now time.Time, c *config.Client) {
	if len(d.unsaved) == 0 {
		d.saveAt = now.Add(saveWithin)
	}
	d.unsaved[c.ID()] = true
}

// save makes durable what was received of all clients.
func (d *Daemon) save(now time.Time) error {
	pasts := make(map[string]seal.Past, len(d.unsaved))
	for id := range d.unsaved {
		pasts[id] = d.devices[id].stamps.Past()
	}
	err := d.sys.Memory.Remember(pasts)
	if err == nil {
		clear(d.unsaved)
		d.reportFailure(now, "memory", nil)
	} else {
		d.saveAt = now.Add(lookAgain)
	}
	return err
}

// atLeast is the time by the router's clock or, while that is not known to be right, by what the
// client itself once said if that is later: a reboot must not bring back a client that has expired.
func (d *Daemon) atLeast(now time.Time, c *config.Client) time.Time {
	if d.clockRight {
		return now
	}
	newest := d.sys.Memory.Past(c.ID()).Newest()
	if said := countingOf(c.Kind).time(newest); said.After(now) {
		return said
	}
	return now
}

// saidBy is atLeast, and what a knock itself says of the time, while the router's clock is not right.
func (d *Daemon) saidBy(now time.Time, c *config.Client, r knock.Request) time.Time {
	if d.clockRight {
		return now
	}
	at := d.atLeast(now, c)
	if s, ok := stampOf(r); ok {
		if said := time.UnixMilli(int64(min(s.millis, seal.MaxStamp))); said.After(at) {
			at = said
		}
	}
	return at
}

// endRevoked ends the grants that this configuration would not give, and those of clients whose time is
// over; it shortens those that would outlast it. Where the configuration did not change, it looks at the latter alone,
// and at all where the firewall has refused to end one.
func (d *Daemon) endRevoked(now time.Time, cut cutter, changed bool) {
	var last map[string]time.Time // until when a client's grants may last, for those whose time is over before a grant's can be
	for name, c := range d.policy.clients {
		if c.Expires.IsZero() {
			continue
		}
		if left := c.Expires.Sub(d.atLeast(now, c).Round(0)); left < d.policy.longest {
			if last == nil {
				last = map[string]time.Time{}
			}
			last[name] = now.Add(left)
		}
	}
	all := changed || d.retry
	if !all && len(last) == 0 {
		return
	}
	outlasts := func(g *door.Grant) bool {
		end, limited := last[g.Client]
		return limited && end.Before(g.Until)
	}
	why := func(g *door.Grant) string {
		why := cmp.Or(d.policy.revoked(g), d.policy.noZone(g.Door), d.oldKey(g))
		if why == "" && outlasts(g) && !now.Before(last[g.Client]) {
			why = "the client has expired"
		}
		return why
	}
	var whys []string
	for _, g := range d.book.Select(now, func(g *door.Grant) bool { return all || outlasts(g) }) {
		if why := why(&g); why != "" {
			if !slices.Contains(whys, why) {
				whys = append(whys, why)
			}
		} else if outlasts(&g) && g.Until.Sub(last[g.Client]) > slewed && d.book.Shorten(g, last[g.Client]) {
			d.shortened = true
		}
	}
	var errs door.FirstErrors
	for _, each := range whys {
		ended, err := d.book.CloseWhere(now, func(g *door.Grant) bool { return why(g) == each })
		errs.Add(err)
		d.reportEnded(now, closed, ended, each, cut)
	}
	err := errs.Join()
	d.reportFailure(now, closing, err)
	if d.retry = err != nil; !d.retry {
		clear(d.oldKeys)
	}
}

// noteOldKeys notes the grants of clients that have a new key, for endRevoked to end them: whoever has the old one is
// not the client.
func (d *Daemon) noteOldKeys(now time.Time, was *policy) {
	for _, g := range d.book.Select(now, func(g *door.Grant) bool {
		before, c := was.clients[g.Client], d.policy.clients[g.Client]
		return before != nil && c != nil && before.ID() != c.ID()
	}) {
		d.oldKeys[opening{g.Door, g.Network, g.Client}] = g.Until
	}
}

// oldKey says why a grant has to end that is one of a client's old key, "" of others. Where the new key has
// prolonged it meanwhile, it is that one's.
func (d *Daemon) oldKey(g *door.Grant) string {
	if until, is := d.oldKeys[opening{g.Door, g.Network, g.Client}]; is && !g.Until.After(until) {
		return "the client has a new key"
	}
	return ""
}

// keepDevices drops what is remembered of devices that no client has any more and that is saved.
func (d *Daemon) keepDevices(clients []string) {
	maps.DeleteFunc(d.devices, func(id string, _ *device) bool { return !slices.Contains(clients, id) && !d.unsaved[id] })
}
