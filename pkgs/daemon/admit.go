// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// decision is what admit returns: for whom to open or close which doors, or why not.
type decision struct {
	reason   knock.Reason   // OK = yes
	detail   string         // of a refusal, a sentence for a person
	skew     time.Duration  // of a stale knock, by how much the client's clock is ahead
	usual    bool           // of a refusal, whether good knocks bring it about, too
	unserved []string       // of a refusal, doors that lead nowhere for the address: see deferRefusal
	client   *config.Client // nil = nobody's in particular
	doors    []string
	address  netip.Addr
	close    bool
	wish     time.Duration // 0 = the door's own
	share    string        // of its holder's grants: see door.Ask
}

// name is the client's name, "" if it is nobody's.
func (dec decision) name() string {
	if dec.client == nil {
		return ""
	}
	return dec.client.Name
}

func refuse(c *config.Client, reason knock.Reason, format string, args ...any) decision {
	return decision{client: c, reason: reason, detail: fmt.Sprintf(format, args...)}
}

// admit is the only place that says yes to a knock that was received. It counts the knock against its
// limit and changes nothing else.
func (d *Daemon) admit(now time.Time, r knock.Request, was seal.Verdict) decision {
	switch r.Kind {
	case knock.KindSequence:
		return d.admitSequence(now, r)
	case knock.KindMessage:
		return d.admitMessage(now, r, was)
	case knock.KindFwknop:
		return d.admitSPA(now, r, was)
	}
	return refuse(nil, knock.NotAllowed, "nobody may knock with a %s", r.Kind)
}

// admitSequence: a sequence says no more than its name; who knows it may use its doors.
func (d *Daemon) admitSequence(now time.Time, r knock.Request) decision {
	s := d.policy.sequences[r.Name] // one that is switched off has no detector
	var c *config.Client
	if s.Client != "" {
		c = d.policy.clients[s.Client]
		if no, blocked := d.blocked(d.saidBy(now, c, r), c); blocked {
			return no
		}
	}
	if d.waited > s.Within {
		return refuse(c, knock.TooSlow, "it was read %s late: latchkeyd had been held up", formatTime(d.waited))
	}
	if r.Once != "" && d.sys.Memory.Used(r.Once) {
		return refuse(c, knock.Replayed, "a one-time sequence that was used before")
	}
	return d.doors(now, r, decision{client: c, doors: s.Doors, address: r.From})
}

// admitMessage checks what the seal cannot: copies, the time, and whether the client has the door.
func (d *Daemon) admitMessage(now time.Time, r knock.Request, was seal.Verdict) decision {
	c := d.policy.clients[r.Name]
	if no, blocked := d.blocked(d.saidBy(now, c, r), c); blocked {
		return no
	}
	if no, stands := d.fresh(now, c, r, was); !stands {
		return no
	}
	yes := decision{
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

// blocked says why a client may not knock at all; at is the time, as far as it is known: see saidBy.
func (d *Daemon) blocked(at time.Time, c *config.Client) (no decision, blocked bool) {
	switch {
	case !c.Enabled:
		return refuse(c, knock.Disabled, "client %q is switched off", c.Name), true
	case c.Expired(at):
		return refuse(c, knock.Expired, "client %q was valid until %s", c.Name, c.ValidUntil()), true
	}
	return decision{}, false
}

// fresh refuses what was used up before and, where the router's clock is right, what is too old or
// from the future.
func (d *Daemon) fresh(now time.Time, c *config.Client, r knock.Request, was seal.Verdict) (no decision, stands bool) {
	switch was {
	case seal.Replayed:
		return refuse(c, knock.Replayed, "a copy of a message that was received before"), false
	case seal.Elsewhere:
		// A thief who is as quick looks the same. It opens nothing either way.
		no = refuse(c, knock.Replayed, "a copy of a message that came from another address within %s before: "+
			"usually the same device, which has two addresses or two ways here", seal.PressWindow)
		no.usual = true
		return no, false
	case seal.Overtaken:
		return refuse(c, knock.Replayed, "a message that is older than one that was accepted"), false
	}
	if stamp, ok := stampOf(r); ok && d.clockRight {
		if skew := seal.Skew(now, stamp.millis); skew.Abs() > d.policy.cfg.Main.MaxSkew {
			no = refuse(c, knock.Stale, "%s", explainSkew(skew))
			no.skew = skew
			return no, false
		}
	}
	return decision{}, true
}

// doors says yes, unless the client has no such door, every one is switched off or leads nowhere for
// the address, or the client knocks too often.
func (d *Daemon) doors(now time.Time, r knock.Request, dec decision) decision {
	if !connects(dec.address) {
		return refuse(dec.client, knock.NotAllowed, "%s is not the address of a host: %s", dec.address, nobodyThere)
	}
	if len(dec.doors) == 0 {
		return refuse(dec.client, knock.NotAllowed, "client %q may not open the door it asks for", dec.name())
	}
	var on, open []string
	for _, name := range dec.doors {
		if c := d.policy.doors[name]; c.Enabled {
			on = append(on, name)
			if c.Serves(dec.address) {
				open = append(open, name)
			}
		}
	}
	switch {
	case len(on) == 0:
		return refuse(dec.client, knock.Disabled, "door %q is switched off", dec.doors[0])
	case len(open) == 0:
		no := refuse(dec.client, knock.NotAllowed, "door %q leads nowhere for %s: its LAN host has no address of that family", on[0], dec.address)
		no.unserved = on
		return no
	}
	share, ok := d.mayKnock(now, r, dec)
	if !ok {
		return refuse(dec.client, knock.TooMany, "%s knocked more than %d times in a row", cmp.Or(dec.name(), knockName(r)), knocks.Burst)
	}
	// Behind the limit: it asks the kernel for all addresses. Where it cannot, an honest knock must not be in vain.
	if whose, _ := d.whose(dec.address.Unmap()); whose != "" {
		return refuse(dec.client, knock.NotAllowed, "%s belongs to %s: no knock comes from there, and a door is for the outside", dec.address, whose)
	}
	dec.doors, dec.share = open, share
	dec.reason = knock.OK
	return dec
}

// whose says whose an address is if nobody outside can have it; "" = it may come from outside.
func (d *Daemon) whose(a netip.Addr) (string, error) {
	if d.sys.Home == nil {
		return "", nil
	}
	return d.sys.Home(d.policy.cfg.Main.Devices, a)
}

// nobodyThere says why a door is not opened for an address that connects refuses.
const nobodyThere = "nobody can connect from there"

// connects reports whether somebody with an address can connect through a router. Nobody has one of "this
// network" (0.0.0.0/8), of a loopback or a group of hosts, one that is reserved (240.0.0.0/4), or the
// broadcast address, by RFC 6890; one of a link is not routed (RFC 3927, RFC 4291); and ::/96 is not in
// use (RFC 4291, section 2.5.5.1). An IPv4 address behind NAT64 (RFC 6052) counts as itself.
func connects(a netip.Addr) bool {
	a = a.Unmap()
	if a.Is6() {
		b := a.As16()
		switch [12]byte(b[:12]) {
		case [12]byte{}:
			return false
		case [12]byte{0, 0x64, 0xff, 0x9b}:
			a = netip.AddrFrom4([4]byte(b[12:]))
		}
	}
	if a.Is4() {
		if first := a.As4()[0]; first == 0 || first >= 240 {
			return false
		}
	}
	return a.IsValid() && !a.IsLoopback() && !a.IsMulticast() && !a.IsLinkLocalUnicast()
}

// mayKnock counts a knock against its limit, and returns the share of grants that it has. A sequence has a
// limit and shares of its own, also if it is a client's, since strangers can have a part in them.
func (d *Daemon) mayKnock(now time.Time, r knock.Request, dec decision) (share string, ok bool) {
	name, anybody := dec.name(), r.Kind == knock.KindSequence
	if anybody {
		name = knockName(r)
	}
	k := d.knockers[name]
	if k == nil {
		k = new(knocker)
		d.knockers[name] = k
	}
	if anybody {
		return k.takeFrom(now.Sub(d.start), r.From.Unmap())
	}
	return "", k.used.Take(knocks, now.Sub(d.start), 1)
}

// found takes what a detector found: it asks admit, and does and reports what follows.
func (d *Daemon) found(now time.Time, f knock.Finding) {
	if f.Attempt.Steps != 0 {
		d.reportAttempt(now, f)
		return
	}
	dec := decision{reason: f.Reason, detail: explainGivenUp(f)}
	if f.Kind != knock.KindSequence {
		dec.client = d.policy.clients[f.Name]
	}
	if f.Reason == knock.OK {
		if f.Kind != knock.KindSequence || d.policy.sequences[f.Name].Client != "" { // else no time counts, and it takes a file to know
			d.clockRight = d.sys.ClockSynced()
		}
		was := d.receive(now, f.Request)
		if was == seal.Copy {
			return // nothing is to do or to report
		}
		dec = d.admit(now, f.Request, was)
		if (was == seal.Overtaken || dec.reason == knock.Stale) && d.justIn(now, dec.client, f.From) {
			return // a client whose clock was ahead sends each message with several stamps
		}
	}
	if dec.reason == knock.OK {
		if err := d.remember(now, f.Request, dec.client); err != nil {
			// What cannot be remembered could be used twice: it must not open anything.
			dec = refuse(dec.client, knock.Memory, "%v", err)
		}
	}
	refusal := control.Event{Kind: refused, Client: dec.name(), Address: f.From.String(), Knock: knockName(f.Request)}
	if dec.reason != knock.OK {
		refusal.Reason, refusal.Detail, refusal.Skew, refusal.Usual = string(dec.reason), dec.detail, inSeconds(dec.skew), dec.usual
		if dec.unserved != nil {
			d.deferRefusal(now, refusal, dec.unserved)
		} else {
			d.events.add(now, refusal)
		}
		return
	}
	again := dec.close && d.closedBefore(now, dec.client)
	if dec.client != nil {
		dev := d.device(dec.client)
		dev.last, dev.from = now, f.From
	}
	for _, name := range dec.doors {
		var err error
		if dec.close {
			err = d.closeFor(now, name, dec, knockName(f.Request), again)
		} else {
			_, err = d.openDoor(now, door.Ask{
				Door: name, Address: dec.address, For: d.timeFor(now, name, dec), Client: dec.name(), Knock: knockName(f.Request), Share: dec.share,
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
func (d *Daemon) timeFor(now time.Time, name string, dec decision) time.Duration {
	long := cmp.Or(dec.wish, d.policy.doors[name].OpenFor)
	if dec.client != nil && !dec.client.Expires.IsZero() {
		// What the knock said of the time is remembered by now; blocked saw that it is not over.
		long = max(min(long, dec.client.Expires.Sub(d.atLeast(now, dec.client).Round(0))), time.Millisecond)
	}
	return long
}

// inSeconds fits into an int of 32 bits, too.
func inSeconds(d time.Duration) int {
	return int(min(max(d/time.Second, math.MinInt32), math.MaxInt32))
}

func reasonOf(err error) knock.Reason {
	if errors.Is(err, door.ErrTooMany) {
		return knock.TooMany
	}
	return knock.Firewall
}

// openDoor asks the book for a grant and reports it.
func (d *Daemon) openDoor(now time.Time, a door.Ask) (door.Grant, error) {
	if d.stopped {
		return door.Grant{}, errors.New("latchkeyd stops")
	}
	c := d.policy.doors[a.Door]
	if why := d.broken(now, wayOf(c, !a.Address.Unmap().Is4())); why != "" {
		return door.Grant{}, fmt.Errorf("door %q: %s", a.Door, why)
	}
	a.Doors = d.policy.doorsOf(a)
	g, again, err := d.book.Open(now, a)
	if err != nil {
		return g, err
	}
	kind := opened
	if again {
		kind = extended
	}
	until := g.Until.Round(0)
	e := control.Event{Kind: kind, Door: g.Door, Client: g.Client, Address: door.Name(g.Network), Until: &until, Knock: g.Knock}
	d.dropDeferred(g.Client, g.Door)
	d.radar.ignore(a.Address.Unmap())
	if g.Pending {
		e.Detail = "the firewall has no set for this door yet"
	}
	d.events.add(now, e)
	d.reportRoom(now)
	if c.Wake != (wire.MAC{}) {
		if err := d.sys.Wake(c.Wake, c.DestIP); err != nil {
			d.events.add(now, control.Event{Kind: trouble, Door: g.Door, Detail: "wake-on-lan: " + err.Error()})
		}
	}
	return g, nil
}

// closeFor ends a client's own grant of a door for an address, and says what it did. One press of a
// button is several messages: those that come again have nothing to report.
func (d *Daemon) closeFor(now time.Time, name string, dec decision, how string, again bool) error {
	g, ended, still, err := d.book.CloseOwn(now, name, dec.address, cmp.Or(dec.name(), how))
	if err != nil || !ended && again {
		return err
	}
	e := control.Event{Kind: closed, Door: name, Client: dec.name(), Address: dec.address.Unmap().String(), Knock: how, Detail: "closed by a knock"}
	if ended {
		e.Address = door.Name(g.Network)
		counts, _ := d.endSessions(now, []door.Grant{g}, d.byOption) // the error was reported
		e.Sessions, e.From = counts[0], since(now, g)
	}
	switch {
	case ended && still != "":
		e.Knock, e.Detail = g.Knock, "closed by a knock; it stays open to "+e.Address+" for "+still
	case ended:
		e.Knock = g.Knock
	case still != "":
		e.Kind, e.Reason = refused, string(knock.NotAllowed)
		e.Detail = "it is open to this address for " + still + ": who opened it closes it, or the owner"
	default:
		e.Detail = "it was not open to this address"
	}
	d.events.add(now, e)
	return nil
}
