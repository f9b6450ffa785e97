// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
)

// A door for which the firewall has no set or no rule yet is pending: it is being loaded. What time does
// not heal makes the door broken: knocks at it are refused, and its owner learns why.
const (
	// healing is how long a door may be pending: fw4 takes up to some seconds on a slow router.
	healing = 30 * time.Second
	// rulesEvery is how long the rules are not read again however often somebody changes the firewall.
	rulesEvery = 2 * time.Second
)

// way is a door for one family of addresses.
type way struct {
	door      string
	six, wide bool
}

// wayOf is the way by which a network gets to a door.
func wayOf(c *config.Door, six bool) way { return way{c.Name, six, c.ForBook().Wide(six)} }

// served is what the daemon knows of how the firewall serves the doors.
type served struct {
	refers   func(door string, six, wide bool) bool // whether a rule leads there; nil = not known
	read     time.Time                              // when the rules were read
	stale    bool                                   // they may have changed since
	lacking  map[way]time.Time                      // since when something is missing; at most two for each door
	reported map[string]string                      // by door, why it is broken
}

func newServed() served { return served{lacking: map[way]time.Time{}, reported: map[string]string{}} }

// ways returns those in which a door leads anywhere.
func ways(c *config.Door) (list []way) {
	for _, six := range []bool{false, true} {
		if c.ServesFamily(six) {
			list = append(list, wayOf(c, six))
		}
	}
	return list
}

// look finds out what the doors lack. just are the doors whose sets were reported to be there again.
func (d *Daemon) look(now time.Time, just []string) {
	s := &d.served
	if s.stale && now.Sub(s.read) >= rulesEvery {
		s.read, s.stale = now, false
		if d.sys.Rules != nil {
			var err error
			s.refers, err = d.sys.Rules()
			s.stale = err != nil // it is tried again
			d.reportFailure(now, "firewall rules", err)
		}
	}
	is := map[way]time.Time{}
	for i := range d.policy.cfg.Doors {
		c := &d.policy.cfg.Doors[i]
		if !c.Enabled {
			continue
		}
		for _, w := range ways(c) {
			if d.lack(w) == "" {
				continue
			}
			is[w] = now
			if since, known := s.lacking[w]; known {
				is[w] = since
			}
		}
	}
	s.lacking = is
	d.reportBroken(now, just)
}

// lack says what the firewall does not have for a door in a family; "" = nothing.
func (d *Daemon) lack(w way) string {
	why := d.book.Reason(w.door)
	switch {
	case errors.Is(why, door.ErrPending):
		return "the firewall has no set for it"
	case why != nil:
		return why.Error()
	case d.served.refers == nil || d.served.refers(w.door, w.six, w.wide):
		return ""
	case w.six:
		return "no rule of the firewall leads there over IPv6"
	}
	return "no rule of the firewall leads there over IPv4"
}

// lacks reports whether something was missing when the daemon last looked.
func (d *Daemon) lacks(w way) bool {
	_, is := d.served.lacking[w]
	return is
}

// broken says why the firewall cannot serve a door in a family, if time does not heal it; else "".
func (d *Daemon) broken(now time.Time, w way) string {
	if why := d.policy.noZone(w.door); why != "" {
		return why
	}
	if why := d.book.Reason(w.door); why != nil && !errors.Is(why, door.ErrPending) {
		return why.Error()
	}
	if since, lacks := d.served.lacking[w]; lacks && now.Sub(since) >= healing {
		return fmt.Sprintf("%s, for %d s or more: fw4 check tells why", d.lack(w), int(healing/time.Second))
	}
	return ""
}

// noZone says which zone a door needs that the firewall does not have; "" = none.
func (p *policy) noZone(name string) string {
	option, zone := p.cfg.Main.MissingZone(p.doors[name])
	if zone == "" {
		return ""
	}
	return fmt.Sprintf("the firewall has no zone '%s' (option '%s')", zone, option)
}

// brokenDoor says why a door is broken in any family; "" if it is not.
func (d *Daemon) brokenDoor(now time.Time, c *config.Door) string {
	if !c.Enabled {
		return ""
	}
	for _, w := range ways(c) {
		if why := d.broken(now, w); why != "" {
			return why
		}
	}
	return ""
}

// reportBroken reports doors that broke or were mended.
func (d *Daemon) reportBroken(now time.Time, just []string) {
	is := map[string]string{}
	for i := range d.policy.cfg.Doors {
		c := &d.policy.cfg.Doors[i]
		why := d.brokenDoor(now, c)
		if why != "" {
			is[c.Name] = why
		}
		switch was := d.served.reported[c.Name]; {
		case why == was:
		case why != "":
			d.events.add(now, control.Event{Kind: broken, Door: c.Name, Detail: why})
		case c.Enabled && !slices.Contains(just, c.Name):
			d.events.add(now, control.Event{Kind: ready, Door: c.Name, Detail: "the firewall serves it"})
		}
	}
	d.served.reported = is
}
