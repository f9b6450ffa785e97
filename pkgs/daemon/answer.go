// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// Answer is a control.Handler.
func (d *Daemon) Answer(ctx context.Context, r control.Request, reply func(any) error) error {
	switch r.Method {
	case "status":
		return reply(d.Status())
	case "open":
		return d.answerOpen(r, reply)
	case "close":
		return d.answerClose(r, reply)
	case "events":
		if r.Follow {
			return d.events.follow(ctx, r.Since, func(e control.Event) error { return reply(e) })
		}
		list, _ := d.events.since(r.Since)
		return reply(list)
	case "radar":
		report, err := d.reportStrangers()
		if err != nil {
			return err
		}
		return reply(report) // without its lock, while a caller reads
	case "check":
		return reply(Check(r.Text, d.sys.Now(), ForOwner))
	case "forget":
		return d.answerForget(r, reply)
	}
	return &control.Error{
		Text: fmt.Sprintf("unknown method %q", r.Method),
		Hint: "methods are status, open, close, events, radar, check and forget",
	}
}

// Reader is who reads what Check says.
type Reader bool

// The owner may read everything; everybody else no step of a sequence, and nothing that may be a key.
const (
	ForOwner     Reader = true
	ForEverybody Reader = false
)

// Check returns what is wrong, or may be wrong, in a configuration at a time.
func Check(text string, now time.Time, reader Reader) []control.Problem {
	_, problems := config.Check(text, now)
	list := make([]control.Problem, 0, len(problems))
	for _, p := range problems {
		words := p.Public()
		if reader == ForOwner {
			words = p.String()
		}
		list = append(list, control.Problem{
			Text: words, Line: p.Line, Section: p.Name, Option: p.Option, Warning: p.Warning,
		})
	}
	return list
}

func (d *Daemon) answerOpen(r control.Request, reply func(any) error) error {
	a, err := parseAddress(r, "such as 203.0.113.7 or 2001:db8::7")
	if err != nil {
		return err
	}
	if !connects(a) {
		return &control.Error{Text: fmt.Sprintf("address %s is not that of a host: %s", a, nobodyThere), Hint: "such as 203.0.113.7 or 2001:db8::7"}
	}
	var wish time.Duration
	if r.For != "" {
		if wish, err = config.ParseDuration(r.For); err != nil {
			return &control.Error{Text: fmt.Sprintf("time %q: %v", r.For, err), Hint: "such as 30s, 10m or 8h"}
		}
	}
	g, err := d.openFor(r, a, wish)
	if err != nil {
		return err
	}
	return reply(g)
}

// parseAddress returns whom a request is about: an address or, of a network, the first one, see checkDoor.
func parseAddress(r control.Request, hint string) (netip.Addr, error) {
	text, _, _ := strings.Cut(r.Address, "/")
	a, err := netip.ParseAddr(text)
	if err != nil {
		return a, &control.Error{Text: fmt.Sprintf("address %q is not an IP address", r.Address), Hint: hint}
	}
	return a.Unmap().WithZone(""), nil
}

// openFor opens a door because the owner says so.
func (d *Daemon) openFor(r control.Request, a netip.Addr, wish time.Duration) (control.Grant, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.checkDoor(r, a); err != nil {
		return control.Grant{}, err
	}
	if !d.policy.doors[r.Door].Serves(a) {
		return control.Grant{}, &control.Error{
			Text: fmt.Sprintf("door %q leads nowhere for %s", r.Door, a),
			Hint: "its LAN host has no address of that family: see options 'dest_ip' and 'dest_ip6'",
		}
	}
	now := d.sys.Now()
	g, err := d.openDoor(now, door.Ask{Door: r.Door, Address: a, For: wish, Knock: "control"})
	return grantStatus(now, g), err
}

func (d *Daemon) answerClose(r control.Request, reply func(any) error) error {
	var a netip.Addr
	if r.Address != "" {
		var err error
		if a, err = parseAddress(r, "leave it out to close for everybody"); err != nil {
			return err
		}
	}
	closed, err := d.closeAll(r, a)
	if err != nil {
		return err
	}
	return reply(closed)
}

// closeAll closes a door because the owner says so; an invalid address stands for all. With cut it
// ends their sessions, too, whatever the door's option says, and those of a network, or of a single address, whose
// grant is over already.
func (d *Daemon) closeAll(r control.Request, a netip.Addr) (answer control.Closed, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.checkDoor(r, a); err != nil {
		return answer, err
	}
	now := d.sys.Now()
	grants, err := d.book.Close(now, r.Door, a)
	which := d.byOption
	if r.Cut {
		which = d.always
	}
	counts, cutErr := d.reportEnded(now, closed, grants, "closed at the router", which)
	listed := min(len(grants), control.MaxListed)
	answer = control.Closed{Grants: make([]control.Grant, 0, listed), More: len(grants) - listed}
	for i, g := range grants[:listed] {
		t := grantStatus(now, g)
		t.Sessions = counts[i]
		answer.Grants = append(answer.Grants, t)
	}
	if r.Cut && err == nil && len(grants) == 0 && a.IsValid() {
		n := netip.PrefixFrom(a, a.BitLen())
		if strings.Contains(r.Address, "/") {
			n = d.policy.doors[r.Door].ForBook().Network(a)
		}
		over := []door.Grant{{Door: r.Door, Network: n, Until: now, Knock: "control"}}
		if counts, cutErr = d.endSessions(now, over, which); counts[0] > 0 {
			t := grantStatus(now, over[0])
			t.Sessions = counts[0]
			answer.Grants = append(answer.Grants, t)
			d.events.add(now, control.Event{
				Kind: closed, Door: r.Door, Address: t.Address, Knock: t.Knock, Sessions: t.Sessions, Detail: "sessions ended at the router",
			})
		}
	}
	if r.Cut && err == nil && cutErr != nil {
		err = &control.Error{Text: "the door is closed, but sessions that are open go on: " + cutErr.Error()}
	}
	return answer, err
}

// checkDoor refuses a door that the owner named wrongly or switched off, and a network that is not the door's around the
// address a, as a status names it.
func (d *Daemon) checkDoor(r control.Request, a netip.Addr) error {
	c := d.policy.doors[r.Door]
	if c == nil {
		return &control.Error{Text: fmt.Sprintf("no door %q", r.Door), Hint: "latchkeyd status lists the doors"}
	}
	if !c.Enabled {
		return &control.Error{Text: fmt.Sprintf("door %q is switched off", r.Door), Hint: "set its option 'enabled' to '1'"}
	}
	if n := door.Name(c.ForBook().Network(a)); strings.Contains(r.Address, "/") && r.Address != n {
		return &control.Error{
			Text: fmt.Sprintf("door %q opens to %s, not to %s", r.Door, n, r.Address),
			Hint: "options 'width4' and 'width6' say how much around an address is let in",
		}
	}
	return nil
}

// answerForget lets a client knock again whose clock once was ahead: the floor comes down to the
// present, and what was received above it stays used up.
func (d *Daemon) answerForget(r control.Request, reply func(any) error) error {
	if err := d.forget(r.Client); err != nil {
		return err
	}
	return reply(control.Forgotten{Client: r.Client})
}

func (d *Daemon) forget(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := d.policy.clients[name]
	if c == nil {
		return &control.Error{Text: fmt.Sprintf("no client %q", name), Hint: "latchkeyd status lists the clients"}
	}
	now := d.sys.Now()
	d.clockRight = d.sys.ClockSynced()
	w := d.window(now, c.Kind)
	if w == (seal.Window{}) {
		return &control.Error{
			Text: "the router's clock is not known to be right: old messages of client " + name + " could be used again",
			Hint: "wait for NTP, or give the client a new key",
		}
	}
	w.Last = countingOf(c.Kind).at(now)
	d.device(c).stamps.Forget(w)
	d.saveSoon(now, c)
	return d.save(now)
}

// Status returns how everything is. It holds no secret.
func (d *Daemon) Status() control.Status {
	devices := d.sys.Capture.Devices()
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.sys.Now()
	s := control.Status{
		Version: d.sys.Version,
		Running: true,
		Run:     strconv.FormatInt(d.start.UnixNano(), 36),
		Former:  d.events.former,
		// Start by what has passed since then: the wall clock may have been set meanwhile.
		Since:   now.Add(-now.Sub(d.start)).Round(0),
		Now:     now.Round(0),
		Problem: d.problem,
		Cut:     d.uncut,
		Packets: d.packets,
		Devices: devices,
		Doors:   []control.Door{},
		Clients: []control.Client{},

		Isolation: d.sys.Isolation,
	}
	d.attempts.addTo(&s)
	d.events.addTo(&s)
	s.Clock, s.ClockReason, s.ClockSince = d.clockStatus()
	s.Grants, s.Most = d.book.Room()
	s.Full = config.NearlyFull(s.Grants, s.Most)
	all, listed := d.book.Grants(now), control.MaxListed // of each door
	grants := door.ByDoor(all)
	if len(all) > listed {
		listed /= len(grants)
	}
	for _, c := range d.policy.cfg.Doors {
		waits := slices.ContainsFunc(ways(&c), d.isMissing)
		s.Doors = append(s.Doors, doorStatus(now, c, grants[c.Name], listed, waits, d.brokenDoor(now, &c)))
	}
	may := d.policy.may()
	for _, c := range d.policy.cfg.Clients {
		s.Clients = append(s.Clients, d.clientStatus(now, &c, may))
	}
	return s
}

// clockStatus is, in the words of a status, whether the clock is taken as right. The reason is reported as
// soon as the daemon goes by it.
func (d *Daemon) clockStatus() (word, reason string, since *time.Time) {
	if d.sys.Clock != nil {
		if v := d.sys.Clock(); v.Right == d.clockRight {
			reason = string(v.Reason)
			if !v.Since.IsZero() {
				since = &v.Since
			}
		}
	}
	if d.clockRight {
		return control.Synchronised, reason, since
	}
	return control.Free, reason, since
}

// doorStatus is that of a door that the firewall can serve, waits for, or cannot serve: then broken says why. At most so
// many of its grants are listed.
func doorStatus(now time.Time, c config.Door, grants []*door.Grant, listed int, waits bool, broken string) control.Door {
	t := control.Door{
		Name: c.Name, Title: c.Title, State: control.DoorReady, Cut: c.Cut,
		OpenFor: int(c.OpenFor / time.Second), MaxOpen: int(c.MaxOpen / time.Second),
		Grants: []control.Grant{},
	}
	switch {
	case !c.Enabled:
		t.State = control.DoorDisabled
	case broken != "":
		t.State, t.Reason = control.DoorBroken, broken
	case waits:
		t.State = control.DoorPending
	}
	for _, g := range grants[:min(len(grants), listed)] {
		t.Grants = append(t.Grants, grantStatus(now, *g))
	}
	t.More = len(grants) - len(t.Grants)
	return t
}

// since is when a grant began to let somebody in, by the wall clock as it is now; nil if it has not.
func since(now time.Time, g door.Grant) *time.Time {
	if g.Since.IsZero() {
		return nil
	}
	t := now.Add(-now.Sub(g.Since)).Round(0)
	return &t
}

func grantStatus(now time.Time, g door.Grant) control.Grant {
	left := g.Until.Sub(now)
	return control.Grant{
		Address: door.Name(g.Network), Since: since(now, g), Until: now.Add(left).Round(0), Left: int((left + time.Second - 1) / time.Second),
		Client: g.Client, Knock: g.Knock, Pending: g.Pending,
	}
}

// may is how many doors of each client have room in one status.
func (p *policy) may() int {
	all := 0
	for _, c := range p.cfg.Clients {
		all += len(c.Doors)
	}
	if all <= control.MaxMay {
		return all
	}
	return control.MaxMay / len(p.cfg.Clients)
}

func (d *Daemon) clientStatus(now time.Time, c *config.Client, may int) control.Client {
	doors := c.Doors[:min(len(c.Doors), may)]
	t := control.Client{Name: c.Name, Title: c.Title, Kind: c.KindWord(), State: "ready", Doors: doors, More: len(c.Doors) - len(doors)}
	if !c.Expires.IsZero() {
		t.Expires = &c.Expires
	}
	switch {
	case !c.Enabled:
		t.State = "disabled"
	case c.Expired(now):
		t.State = "expired"
	}
	if dev := d.devices[c.ID()]; dev != nil && !dev.last.IsZero() {
		last := dev.last.Round(0)
		t.Last = &last
	}
	return t
}
