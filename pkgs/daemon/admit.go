// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/rate"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// knocks limits accepted knocks of one client, or of one sequence that is nobody's: a press of a button
// is up to four messages, and each accepted one is a write to flash.
var knocks = rate.Limit{Every: time.Second, Burst: 40}

// device is what is remembered of a client's device while the daemon runs, also over a reload.
type device struct {
	stamps *seal.Stamps
	last   time.Time // of the last accepted knock
}

func (d *Daemon) device(c *config.Client) *device {
	id := c.ID()
	dev := d.devices[id]
	if dev == nil {
		dev = &device{stamps: seal.NewStamps(d.sys.Memory.Floor(id))}
		d.devices[id] = dev
	}
	return dev
}

// leave is what admit gives: for whom to open or close which doors, or why not.
type leave struct {
	reason   knock.Reason   // OK = yes
	silent   bool           // a retransmission of what was admitted before: nothing is to do or tell
	detail   string         // of a refusal, a sentence for a person
	skew     time.Duration  // of a stale knock, by how much the client's clock is ahead
	unserved []string       // of a refusal, doors that lead nowhere for the address: see hold
	client   *config.Client // nil = nobody's in particular
	doors    []string
	address  netip.Addr
	close    bool
	wish     time.Duration // 0 = the door's own
}

// name is the client's name, "" if it is nobody's.
func (l leave) name() string {
	if l.client == nil {
		return ""
	}
	return l.client.Name
}

func refuse(c *config.Client, reason knock.Reason, format string, args ...any) leave {
	return leave{client: c, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// admit is the only place that says yes to a knock. It counts the knock against its limit and changes
// nothing else.
func (d *Daemon) admit(now time.Time, r knock.Request) leave {
	switch r.Kind {
	case knock.KindSequence:
		return d.admitSequence(now, r)
	case knock.KindMessage:
		return d.admitMessage(now, r)
	case knock.KindFwknop:
		return d.admitSPA(now, r)
	}
	return refuse(nil, knock.NotAllowed, "nobody may knock with a %s", r.Kind)
}

// admitSequence: a sequence says no more than its name; who knows it may use its doors.
func (d *Daemon) admitSequence(now time.Time, r knock.Request) leave {
	s := d.policy.sequences[r.Name]
	if s == nil || !s.Enabled {
		return refuse(nil, knock.Disabled, "sequence %q is switched off", r.Name)
	}
	var c *config.Client
	if s.Client != "" {
		c = d.policy.clients[s.Client]
		if no, barred := d.barred(now, c); barred {
			return no
		}
	}
	return d.doors(now, r, leave{client: c, doors: s.Doors, address: r.From})
}

// admitMessage checks what the seal cannot: copies, the time, and whether the client has the door.
func (d *Daemon) admitMessage(now time.Time, r knock.Request) leave {
	c := d.policy.clients[r.Name]
	if no, barred := d.barred(now, c); barred {
		return no
	}
	if no, stands := d.fresh(now, c, r); !stands {
		return no
	}
	yes := leave{
		client:  c,
		doors:   d.policy.doorsByTag(c, r.Body.Door),
		address: r.From,
		close:   r.Body.Close,
		wish:    time.Duration(r.Body.Minutes) * time.Minute,
	}
	if r.Body.Address.IsValid() {
		yes.address = r.Body.Address
	}
	return d.doors(now, r, yes)
}

// barred says why a client may not knock at all.
func (d *Daemon) barred(now time.Time, c *config.Client) (no leave, barred bool) {
	switch {
	case c == nil:
		return refuse(nil, knock.UnknownKey, "no such client"), true
	case !c.Enabled:
		return refuse(c, knock.Disabled, "client %q is switched off", c.Name), true
	case c.Expired(d.atLeast(now, c)):
		return refuse(c, knock.Expired, "client %q expired on %s", c.Name, c.Expires.Format("2006-01-02")), true
	}
	return leave{}, false
}

// atLeast is the time by the router's clock or, while that is not known to be right, by what the
// client itself once said if that is later: a reboot must not bring back a client that has expired.
func (d *Daemon) atLeast(now time.Time, c *config.Client) time.Time {
	if said := time.UnixMilli(int64(d.sys.Memory.Floor(c.ID()))); !d.sys.ClockSynced() && said.After(now) {
		return said
	}
	return now
}

// fresh refuses copies and, where the router's clock is right, what is too old or from the future.
func (d *Daemon) fresh(now time.Time, c *config.Client, r knock.Request) (no leave, stands bool) {
	stamp, _ := stampOf(r)
	switch d.device(c).stamps.Check(now, stamp, r.From) {
	case seal.Copy:
		return leave{silent: true}, false
	case seal.Replayed:
		return refuse(c, knock.Replayed, "a copy of a message that was used before, or one that was overtaken long ago"), false
	}
	if d.sys.ClockSynced() {
		if skew := seal.Skew(now, stamp); skew.Abs() > d.policy.cfg.Main.MaxSkew {
			no = refuse(c, knock.Stale, "%s", tellSkew(skew))
			no.skew = skew
			return no, false
		}
	}
	return leave{}, true
}

// doors says yes, unless the client has no such door, every one is switched off or leads nowhere for
// the address, or the client knocks too often.
func (d *Daemon) doors(now time.Time, r knock.Request, l leave) leave {
	if len(l.doors) == 0 {
		return refuse(l.client, knock.NotAllowed, "client %q may not open the door it asks for", l.name())
	}
	var on, open []string
	for _, name := range l.doors {
		if c := d.policy.doors[name]; c.Enabled {
			on = append(on, name)
			if c.Serves(l.address) {
				open = append(open, name)
			}
		}
	}
	switch {
	case len(on) == 0:
		return refuse(l.client, knock.Disabled, "door %q is switched off", l.doors[0])
	case len(open) == 0:
		no := refuse(l.client, knock.NotAllowed, "door %q leads nowhere for %s: its LAN host has no address of that family", on[0], l.address)
		no.unserved = on
		return no
	}
	if !d.rate(cmp.Or(l.name(), knockName(r))).Take(knocks, now.Sub(d.start), 1) {
		return refuse(l.client, knock.TooMany, "%s knocked more than %d times in a row", cmp.Or(l.name(), knockName(r)), knocks.Burst)
	}
	l.doors = open
	l.reason = knock.OK
	return l
}

func (d *Daemon) rate(knocker string) *rate.Bucket {
	b := d.rates[knocker]
	if b == nil {
		b = new(rate.Bucket)
		d.rates[knocker] = b
	}
	return b
}

// found takes what a detector found: it asks admit, and does and tells what follows.
func (d *Daemon) found(now time.Time, f knock.Finding) {
	l := leave{reason: f.Reason, detail: tellGivenUp(f)}
	if f.Kind != knock.KindSequence {
		l.client = d.policy.clients[f.Name]
	}
	if f.Reason == knock.OK {
		l = d.admit(now, f.Request)
	}
	if l.silent {
		return
	}
	if l.reason == knock.OK {
		if err := d.remember(now, f.Request, l); err != nil {
			// What cannot be remembered could be used twice: it must not open anything.
			l = refuse(l.client, knock.Memory, "%v", err)
		}
	}
	refusal := control.Event{Kind: refused, Client: l.name(), Address: f.From.String(), Knock: knockName(f.Request)}
	if l.reason != knock.OK {
		refusal.Reason, refusal.Detail, refusal.Skew = string(l.reason), l.detail, int(l.skew/time.Second)
		if l.unserved != nil {
			d.hold(now, refusal, l.unserved)
		} else {
			d.events.add(now, refusal)
		}
		return
	}
	if l.client != nil {
		d.device(l.client).last = now
	}
	for _, name := range l.doors {
		var err error
		if l.close {
			err = d.closeFor(now, name, l)
		} else {
			_, err = d.openDoor(now, door.Ask{
				Door: name, Address: l.address, For: d.timeFor(now, name, l), Client: l.name(), Knock: knockName(f.Request),
			})
		}
		if err != nil {
			refusal.Door, refusal.Reason, refusal.Detail = name, string(reasonOf(err)), err.Error()
			d.events.add(now, refusal)
		}
	}
}

// timeFor is how long a door shall be open: as wished, or the door's own time, but not longer than the
// client's time lasts. The book cuts it to the door's maximum.
func (d *Daemon) timeFor(now time.Time, name string, l leave) time.Duration {
	long := cmp.Or(l.wish, d.policy.doors[name].OpenFor)
	if l.client != nil && !l.client.Expires.IsZero() && d.sys.ClockSynced() {
		long = min(long, l.client.Expires.Sub(now))
	}
	return long
}

func reasonOf(err error) knock.Reason {
	if errors.Is(err, door.ErrTooMany) {
		return knock.TooMany
	}
	return knock.Firewall
}

// remember makes durable, before any door opens, that a knock is used up.
func (d *Daemon) remember(now time.Time, r knock.Request, l leave) error {
	if r.Once != "" {
		d.policy.outdated = true
		if err := d.sys.Memory.Use(r.Name, r.Once); err != nil {
			return err
		}
		d.tellUsedUp(now)
		return nil
	}
	stamp, ok := stampOf(r)
	if !ok {
		return nil
	}
	stamps, id := d.device(l.client).stamps, l.client.ID()
	if floor := stamps.FloorWith(stamp); floor > d.sys.Memory.Floor(id) {
		if err := d.sys.Memory.SetFloor(id, floor); err != nil {
			return err
		}
	}
	stamps.Use(now, stamp, r.From)
	return nil
}

// openDoor asks the book for a grant and tells of it.
func (d *Daemon) openDoor(now time.Time, a door.Ask) (door.Grant, error) {
	if d.stopped {
		return door.Grant{}, errors.New("latchkeyd stops")
	}
	g, again, err := d.book.Open(now, a)
	if err != nil {
		return g, err
	}
	kind := opened
	if again {
		kind = extended
	}
	until := g.Until.Round(0)
	e := control.Event{Kind: kind, Door: g.Door, Client: g.Client, Address: g.Address.String(), Until: &until, Knock: g.Knock}
	d.cameIn(g.Client, g.Door)
	if g.Pending {
		e.Detail = "the firewall has no set for this door yet"
	}
	d.events.add(now, e)
	if c := d.policy.doors[g.Door]; c.Wake != nil {
		if err := d.sys.Wake(c.Wake, c.DestIP); err != nil {
			d.events.add(now, control.Event{Kind: trouble, Door: g.Door, Detail: "wake-on-lan: " + err.Error()})
		}
	}
	return g, nil
}

// closeFor ends a client's grant of a door to an address, if it is this client's.
func (d *Daemon) closeFor(now time.Time, name string, l leave) error {
	own := slices.ContainsFunc(d.book.Grants(now), func(g door.Grant) bool {
		return g.Door == name && g.Address == l.address.Unmap() && (g.Client == l.name() || g.Client == "")
	})
	if !own {
		return nil
	}
	grants, err := d.book.Close(now, name, l.address)
	for i := range grants {
		grants[i].Client = l.name()
	}
	d.tellClosed(now, grants, "closed by a knock")
	return err
}
