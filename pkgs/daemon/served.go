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

// A door for which the firewall has no set or no rule yet is pending: the firewall is being loaded. Where
// waiting does not help, the door is broken: knocks at it are refused, and its owner learns why.
const (
	// brokenAfter is how long a door may be pending: fw4 takes up to some seconds on a slow router.
	brokenAfter = 30 * time.Second
	// rulesEvery is how often the rules are read at the most, however often somebody changes the firewall.
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
	missing  map[way]time.Time                      // since when something is missing for a way; at most two for each door
	reported map[string]string                      // by door, why it is broken
}

func newServed() served { return served{missing: map[way]time.Time{}, reported: map[string]string{}} }

// ways returns those in which a door leads anywhere.
func ways(c *config.Door) (list []way) {
	for _, six := range []bool{false, true} {
		if c.ServesFamily(six) {
			list = append(list, wayOf(c, six))
		}
	}
	return list
}

// checkDoors finds out what the firewall lacks for the doors. back are the doors whose sets were just reported to
// be there again.
func (d *Daemon) checkDoors(now time.Time, back []string) {
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
			if d.missing(w) == "" {
				continue
			}
			is[w] = now
			if since, known := s.missing[w]; known {
				is[w] = since
			}
		}
	}
	s.missing = is
	d.reportBroken(now, back)
}

// missing returns what the firewall does not have for a door in a family; "" = nothing.
func (d *Daemon) missing(w way) string {
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

// isMissing reports whether something was missing at the last check.
func (d *Daemon) isMissing(w way) bool {
	_, is := d.served.missing[w]
	return is
}

// broken returns why the firewall cannot serve a door in a family, "" if it can, or may soon.
func (d *Daemon) broken(now time.Time, w way) string {
	if why := d.policy.noZone(w.door); why != "" {
		return why
	}
	if why := d.book.Reason(w.door); why != nil && !errors.Is(why, door.ErrPending) {
		return why.Error()
	}
	if since, lacks := d.served.missing[w]; lacks && now.Sub(since) >= brokenAfter {
		return fmt.Sprintf("%s, for %d s or more: fw4 check shows why", d.missing(w), int(brokenAfter/time.Second))
	}
	return ""
}

// noZone returns why a door's zone is missing in the firewall; "" = it is not.
func (p *policy) noZone(name string) string {
	option, zone := p.cfg.Main.MissingZone(p.doors[name])
	if zone == "" {
		return ""
	}
	return fmt.Sprintf("the firewall has no zone '%s' (option '%s')", zone, option)
}

// brokenDoor returns why a door is broken in any family; "" if it is not.
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
func (d *Daemon) reportBroken(now time.Time, back []string) {
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
		case c.Enabled && !slices.Contains(back, c.Name):
			d.events.add(now, control.Event{Kind: ready, Door: c.Name, Detail: "the firewall serves it"})
		}
	}
	d.served.reported = is
}
