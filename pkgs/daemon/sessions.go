// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
)

// Sessions ends connections that were let in, which closing a door does not.
type Sessions interface {
	// Check returns why sessions cannot be ended; nil = they can.
	Check() error
	// End ends the sessions from a network, or from anywhere if it is not valid, that which says yes to.
	// It asks once for each. It returns how many there were that were not over by themselves.
	End(from netip.Prefix, which func(door.Session) bool) (n int, err error)
}

// cutter returns the door, as it was, whose sessions are to end with a grant; nil = they go on.
type cutter func(name string) *config.Door

// byOption is the cutter of whatever ends a grant: the door's option cut says.
func (d *Daemon) byOption(name string) *config.Door {
	if c := d.policy.doors[name]; c != nil && c.Cut {
		return c
	}
	return nil
}

// always is the cutter of an owner who wants it this time.
func (d *Daemon) always(name string) *config.Door { return d.policy.doors[name] }

// after is the cutter of a change of the configuration, for doors as they were before it.
func (p *policy) after(was *policy) cutter {
	return func(name string) *config.Door {
		old, fresh := was.doors[name], p.doors[name]
		if old != nil && (old.Cut || fresh != nil && fresh.Cut) {
			return old
		}
		return nil
	}
}

// endSessions ends the sessions of grants that are over, and returns how many each had. Those that
// another grant lets in, too, go on: two doors may lead to one service.
func (d *Daemon) endSessions(now time.Time, grants []door.Grant, cut cutter) (counts []int, err error) {
	counts = make([]int, len(grants))
	// Thousands may end at once: each session is compared with those only that were for its own network.
	flows := make([]door.Flow, len(grants))
	ended := map[netip.Prefix][]int{} // indexes of grants, by for whom they are …
	var widths []int                  // … and how many bits of an address tell that
	for i, g := range grants {
		c := cut(g.Door)
		if c == nil {
			continue
		}
		flows[i] = flowOf(c, g.Network)
		ended[g.Network] = append(ended[g.Network], i)
		if bits := g.Network.Bits(); !slices.Contains(widths, bits) {
			widths = append(widths, bits)
		}
	}
	var from netip.Prefix // of all of them, if they have the same
	switch len(ended) {
	case 0:
		return counts, nil
	case 1:
		for from = range ended {
		}
	}
	var unknown error // why some were spared
	_, err = d.sys.Sessions.End(from, func(s door.Session) bool {
		first, a := len(grants), s.From.Addr()
		for _, bits := range widths {
			n, _ := a.Prefix(bits) // the error is of a width of the other family
			has := func(i int) bool { return flows[i].Has(s) }
			if i := slices.IndexFunc(ended[n], has); i >= 0 {
				first = min(first, ended[n][i])
			}
		}
		if first == len(grants) || d.letIn(now, s) {
			return false
		}
		if !grants[first].Network.IsSingleIP() {
			// Somebody inside may have an address of that network; he came by no door.
			if whose, err := d.whose(a); whose != "" || err != nil {
				unknown = cmp.Or(unknown, err)
				return false
			}
		}
		if !s.Over {
			counts[first]++
		}
		return true
	})
	if err != nil {
		clear(counts)
	}
	err = cmp.Or(err, unknown)
	d.reportFailure(now, "cut", err)
	d.uncut = ""
	if err != nil {
		d.uncut = err.Error()
	}
	return counts, err
}

// letIn reports whether some door is open for a session.
func (d *Daemon) letIn(now time.Time, s door.Session) bool {
	for i := range d.policy.open {
		x := &d.policy.open[i]
		if n := x.Network(s.From.Addr()); d.book.IsOpen(now, x.Name, n) && flowOf(d.policy.doors[x.Name], n).Has(s) {
			return true
		}
	}
	return false
}

// flowOf says how sessions look that the addresses of a network have through a door.
func flowOf(c *config.Door, n netip.Prefix) door.Flow {
	f := door.Flow{From: n}
	switch {
	case c.Dest == "":
	case n.Addr().Is4():
		f.Server = c.DestIP
	default:
		f.Server = c.DestIP6
	}
	for _, o := range c.Openings {
		asked := o.Outside
		if f.Server.Is6() { // behind a pinhole nothing is translated
			asked = o.Inside
		}
		f.Ports = append(f.Ports, door.Ports{Proto: uint8(o.Proto), First: asked.First, Last: asked.Last, Server: o.Inside.First})
	}
	return f
}

// sameService reports whether sessions through two doors look alike.
func sameService(x, y door.Flow) bool {
	return x.Server == y.Server && slices.Equal(x.Ports, y.Ports)
}

// reportEnded reports grants that ended, and ends their sessions where cut says so.
func (d *Daemon) reportEnded(now time.Time, kind string, grants []door.Grant, why string, cut cutter) ([]int, error) {
	counts, err := d.endSessions(now, grants, cut)
	for i, g := range grants {
		d.events.add(now, control.Event{
			Kind: kind, Door: g.Door, Client: g.Client, Address: door.Name(g.Network), From: since(now, g), Knock: g.Knock, Detail: why,
			Sessions: counts[i],
		})
	}
	return counts, err
}

// reportGone reports grants that the doors, as they are now, do not give any more.
func (d *Daemon) reportGone(now time.Time, grants []door.Grant, cut cutter) {
	out := 0 // those of doors that are gone come first
	for i := range grants {
		if c := d.policy.doors[grants[i].Door]; c == nil || !c.Enabled {
			grants[out], grants[i] = grants[i], grants[out]
			out++
		}
	}
	d.reportEnded(now, closed, grants[:out], "the door was taken out of the configuration", cut)
	d.reportEnded(now, closed, grants[out:], "the door was given another width", cut)
}

// endMoved ends the sessions of grants whose door leads to another service than before.
func (d *Daemon) endMoved(now time.Time, cut cutter) {
	var moved []door.Grant
	for _, g := range d.book.Grants(now) {
		if old := cut(g.Door); old != nil && !sameService(flowOf(old, g.Network), flowOf(d.policy.doors[g.Door], g.Network)) {
			moved = append(moved, g)
		}
	}
	counts, _ := d.endSessions(now, moved, cut) // the error was reported
	for i, g := range moved {
		if counts[i] > 0 {
			d.events.add(now, control.Event{
				Kind: reload, Door: g.Door, Client: g.Client, Address: door.Name(g.Network), Sessions: counts[i], Detail: "the door leads elsewhere now",
			})
		}
	}
}

// checkSessions notes whether sessions can be ended, and reports that it fails where a door wants it.
func (d *Daemon) checkSessions(now time.Time) {
	err := d.sys.Sessions.Check()
	d.uncut = ""
	if err != nil {
		d.uncut = err.Error()
	}
	if slices.ContainsFunc(d.policy.cfg.Doors, func(c config.Door) bool { return c.Enabled && c.Cut }) {
		d.reportFailure(now, "cut", err)
	}
}

// noSessions has none.
type noSessions struct{}

func (noSessions) Check() error                                           { return nil }
func (noSessions) End(netip.Prefix, func(door.Session) bool) (int, error) { return 0, nil }
