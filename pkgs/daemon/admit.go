// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// Limits on accepted knocks of one client: one press of a button is up to four messages, and each
// accepted one is a write to flash.
const (
	knockBurst  = 40
	knockRefill = time.Second
)

// device is what is remembered of a client's device while the daemon runs, also over a reload.
type device struct {
	stamps *seal.Stamps
	knocks bucket
	last   time.Time // of the last accepted knock
}

func (d *Daemon) device(client string) *device {
	dev := d.devices[client]
	if dev == nil {
		dev = &device{
			stamps: seal.NewStamps(d.sys.Memory.Floor(client)),
			knocks: bucket{burst: knockBurst, refill: knockRefill},
		}
		d.devices[client] = dev
	}
	return dev
}

// leave is what admit gives: for whom to open or close which doors, or why not.
type leave struct {
	reason  knock.Reason  // OK = yes
	silent  bool          // a retransmission of what was admitted before: nothing is to do or tell
	detail  string        // of a refusal, a sentence for a person
	skew    time.Duration // of a stale knock, by how much the client's clock is ahead
	client  string        // "" = nobody's in particular
	doors   []string
	address netip.Addr
	close   bool
	wish    time.Duration
}

func refuse(client string, reason knock.Reason, format string, args ...any) leave {
	return leave{client: client, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// admit is the only place that says yes to a knock. It changes nothing.
func (d *Daemon) admit(now time.Time, r knock.Request) leave {
	switch r.Kind {
	case knock.KindSequence:
		return d.admitSequence(now, r)
	case knock.KindMessage:
		return d.admitMessage(now, r)
	case knock.KindFwknop:
		return d.admitSPA(now, r)
	}
	return refuse("", knock.NotAllowed, "nobody may knock with a %s", r.Kind)
}

// admitSequence: a sequence says no more than its name; who knows it may use its doors.
func (d *Daemon) admitSequence(now time.Time, r knock.Request) leave {
	s := d.policy.sequences[r.Name]
	if s == nil || !s.Enabled {
		return refuse("", knock.Disabled, "sequence %q is switched off", r.Name)
	}
	if s.Client != "" {
		if no, barred := d.barred(now, s.Client); barred {
			return no
		}
	}
	return d.doors(now, leave{client: s.Client, doors: s.Doors, address: r.From})
}

// admitMessage checks what the seal cannot: copies, the time, and whether the client has the door.
func (d *Daemon) admitMessage(now time.Time, r knock.Request) leave {
	if no, barred := d.barred(now, r.Name); barred {
		return no
	}
	c := d.policy.clients[r.Name]
	if no, stands := d.fresh(now, r); !stands {
		return no
	}
	yes := leave{
		client:  c.Name,
		doors:   d.policy.doorsByTag(c, r.Body.Door),
		address: r.From,
		close:   r.Body.Close,
		wish:    time.Duration(r.Body.Minutes) * time.Minute,
	}
	if r.Body.Address.IsValid() {
		yes.address = r.Body.Address
	}
	return d.doors(now, yes)
}

// fresh refuses copies and, where the router's clock is right, what is too old or from the future.
func (d *Daemon) fresh(now time.Time, r knock.Request) (no leave, stands bool) {
	stamp, _ := stampOf(r)
	switch d.device(r.Name).stamps.Check(now, stamp, r.From) {
	case seal.Copy:
		return leave{silent: true}, false
	case seal.Replayed:
		return refuse(r.Name, knock.Replayed, "a copy of a message that was used before, or one that was overtaken long ago"), false
	}
	if d.sys.ClockSynced() {
		if skew := seal.Skew(now, stamp); skew.Abs() > d.policy.cfg.Main.MaxSkew {
			no = refuse(r.Name, knock.Stale, "%s", tellSkew(skew))
			no.skew = skew
			return no, false
		}
	}
	return leave{}, true
}

// barred says why a client may not knock at all.
func (d *Daemon) barred(now time.Time, client string) (no leave, barred bool) {
	c := d.policy.clients[client]
	switch {
	case c == nil:
		return refuse(client, knock.UnknownKey, "no such client"), true
	case !c.Enabled:
		return refuse(client, knock.Disabled, "client %q is switched off", client), true
	case !c.Expires.IsZero() && !now.Before(c.Expires):
		return refuse(client, knock.Expired, "client %q expired on %s", client, c.Expires.Format("2006-01-02")), true
	}
	return leave{}, false
}

// doors says yes, unless the client has no such door, every one is switched off or leads nowhere for
// the address, or the client knocks too often.
func (d *Daemon) doors(now time.Time, l leave) leave {
	if len(l.doors) == 0 {
		return refuse(l.client, knock.NotAllowed, "client %q may not open the door it asks for", l.client)
	}
	var on, open []string
	for _, name := range l.doors {
		switch c := d.policy.doors[name]; {
		case !c.Enabled:
		case c.Serves(l.address):
			open = append(open, name)
			fallthrough
		default:
			on = append(on, name)
		}
	}
	switch {
	case len(on) == 0:
		return refuse(l.client, knock.Disabled, "door %q is switched off", l.doors[0])
	case len(open) == 0:
		return refuse(l.client, knock.NotAllowed, "door %q leads nowhere for %s: its LAN host has no address of that family", on[0], l.address)
	}
	if l.client != "" && !d.device(l.client).knocks.take(now) {
		return refuse(l.client, knock.TooMany, "client %q knocked more than %d times in a row", l.client, knockBurst)
	}
	l.doors = open
	l.reason = knock.OK
	return l
}

// found takes what a detector found: it asks admit, and does and tells what follows.
func (d *Daemon) found(now time.Time, f knock.Finding) {
	how := knockName(f.Request)
	l := leave{reason: f.Reason, detail: tellGivenUp(f)}
	if f.Kind == knock.KindMessage || f.Kind == knock.KindFwknop {
		l.client = f.Name
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
	if l.reason != knock.OK {
		d.events.add(now, control.Event{
			Kind: refused, Client: l.client, Address: f.From.String(), Knock: how,
			Reason: string(l.reason), Detail: l.detail, Skew: int(l.skew / time.Second),
		})
		return
	}
	if dev := d.devices[l.client]; dev != nil {
		dev.last = now
	}
	for _, name := range l.doors {
		if l.close {
			d.closeDoor(now, name, l.address, l.client, "closed by a knock")
			continue
		}
		_, err := d.openDoor(now, door.Ask{Door: name, Address: l.address, For: l.wish, Client: l.client, Knock: how})
		if err != nil {
			reason := knock.Firewall
			if errors.Is(err, door.ErrTooMany) {
				reason = knock.TooMany
			}
			d.events.add(now, control.Event{
				Kind: refused, Door: name, Client: l.client, Address: l.address.String(), Knock: how,
				Reason: string(reason), Detail: err.Error(),
			})
		}
	}
}

// remember makes durable, before any door opens, that a knock is used up.
func (d *Daemon) remember(now time.Time, r knock.Request, l leave) error {
	if r.Once != "" {
		d.policy.outdated = true
		return d.sys.Memory.Use(r.Name, r.Once)
	}
	stamp, ok := stampOf(r)
	if !ok {
		return nil
	}
	stamps := d.device(l.client).stamps
	if floor := stamps.FloorWith(stamp); floor > d.sys.Memory.Floor(l.client) {
		if err := d.sys.Memory.SetFloor(l.client, floor); err != nil {
			return err
		}
	}
	stamps.Use(now, stamp, r.From)
	return nil
}

// openDoor asks the book for a grant and tells of it.
func (d *Daemon) openDoor(now time.Time, a door.Ask) (door.Grant, error) {
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
	if g.Pending {
		e.Detail = "the firewall has no set for this door yet"
	}
	d.events.add(now, e)
	c := d.policy.doors[g.Door]
	if c.Wake != nil {
		if err := d.sys.Wake(c.Wake, c.DestIP); err != nil {
			d.events.add(now, control.Event{Kind: trouble, Door: g.Door, Detail: "wake-on-lan: " + err.Error()})
		}
	}
	return g, nil
}

// closeDoor ends grants of a door early for the client that wants it, "" for the owner. An invalid
// address stands for all of them.
func (d *Daemon) closeDoor(now time.Time, name string, a netip.Addr, by, why string) ([]door.Grant, error) {
	grants, err := d.book.Close(now, name, a)
	for i := range grants {
		grants[i].Client = cmp.Or(by, grants[i].Client)
	}
	d.tellClosed(now, grants, why)
	if err != nil {
		d.events.add(now, control.Event{Kind: trouble, Door: name, Detail: "firewall: " + err.Error()})
	}
	return grants, err
}
