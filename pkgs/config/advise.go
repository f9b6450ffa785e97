// SPDX-License-Identifier: Apache-2.0

package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// What is weak or strange, but works.
const (
	// fewSteps is the number of steps below which a scan in random order has a fair chance.
	fewSteps = 3
	// nearPorts is the distance of two ports below which a person who finds one soon tries the other.
	nearPorts = 16
	// shortKey is the number of bytes below which a key can be guessed: 128 bits.
	shortKey = 16
)

// advise warns of what may not be meant.
func (r *reader) advise() {
	r.adviseMain()
	r.adviseHost()
	r.adviseRoom()
	r.adviseDoors()
	r.adviseClients()
	others := r.othersKnocks()
	doors := r.doorPorts()
	for i := range r.sequences {
		if q := &r.sequences[i]; q.v.Enabled {
			r.adviseSequence(q)
			r.adviseTraffic(i, doors, others)
			r.adviseContained(i)
		}
	}
}

func (r *reader) adviseMain() {
	if p := r.main.v.Ports; p.Last != 0 && p.First < FirstFreePort {
		r.warn(r.main.at, "ports", "begins at %d: browsers refuse some ports below %d, so the knock page would fail there", p.First, FirstFreePort)
	}
	m := &r.main.v
	for _, name := range m.Interfaces {
		if slices.Contains(m.MissingInterfaces, name) {
			r.warn(r.main.at, "interface", "names '%s', which does not exist: no knock comes in there", printable(name))
		}
	}
}

// adviseHost tells where devices will not find the router by what they are told of it.
func (r *reader) adviseHost() {
	m := &r.main.v
	if r.main.at == nil || r.failed(r.main.at, "host") {
		return
	}
	if m.Hosts == nil && slices.ContainsFunc(r.clients, func(c place[clientSection]) bool { return c.v.Enabled && c.v.Kind == knock.KindMessage }) {
		p := aboutOption(r.main.at, "host", "is not set: write the router's public name, such as one of dynamic DNS, so that devices find it when its address changes")
		p.Advice = true
		r.addWarning(p)
	}
	for _, host := range m.Hosts {
		if link.ReachOf(host) != link.Public {
			r.warn(r.main.at, "host", "has '%s', which is known in a network inside only: write the public name", host)
		}
	}
}

// NearlyFull reports whether so many of at most so many are there that their owner should know: four fifths.
func NearlyFull(n, most int) bool { return 5*n >= 4*most }

// adviseRoom tells of types of sections of which there can be few more.
func (r *reader) adviseRoom() {
	for _, t := range sectionTypes {
		if n := r.count[t.name]; t.most > 1 && NearlyFull(n, t.most) && n <= t.most {
			// The same words for each number of them: who has read them need not again.
			r.add(Problem{
				Line: r.last[t.name].Line, Section: t.name, Warning: true,
				Reason: fmt.Sprintf("is there nearly as often as it can be, %d times: with more, the configuration is refused", t.most),
			})
		}
	}
}

func (r *reader) adviseDoors() {
	r.adviseSharedPorts()
	receivers := r.receivers()
	for i := range r.doors {
		d := &r.doors[i]
		if !d.v.Enabled {
			continue
		}
		if option, zone := r.main.v.MissingZone(&d.v.Door); zone != "" {
			r.warn(d.at, option, "is '%s', a zone that the firewall does not have: the door stays closed", zone)
		}
		for _, k := range receivers {
			if port, meets := d.v.meets(k); meets && k.Proto == wire.UDP {
				r.warn(d.at, "port", "%s %s too: while it is open, knocks reach the service", d.v.which(k.Proto, port), k.What)
			}
		}
		if !r.opened(d.v.Name) {
			r.warn(d.at, "", "is opened by nobody: no client that may knock now, and no sequence, names it")
		}
		r.adviseWidth(d)
	}
}

// adviseWidth tells who else a knock lets in to services that strangers try to break into wherever they reach them.
func (r *reader) adviseWidth(d *place[doorSection]) {
	var services []string
	for _, s := range []string{"rdp", "smb", "vnc"} {
		if d.v.Service == s || d.v.leadsTo(link.UsualPorts(s)) {
			services = append(services, s)
		}
	}
	if len(services) == 0 {
		return
	}
	for _, six := range []bool{false, true} {
		option, width, all := "width4", d.v.Width4, MaxWidth4
		if six {
			option, width, all = "width6", d.v.Width6, MaxWidth6
		}
		if width == all || !d.v.ServesFamily(six) {
			continue
		}
		p := aboutOption(d.at, option, fmt.Sprintf("lets in whoever has the same first %d bits as a knock's sender, and strangers break into %s where they can: leave it at %d",
			width, strings.Join(services, ", "), all))
		p.Advice = true
		r.addWarning(p)
	}
}

// leadsTo reports whether any of the ports is one inside to which the door leads over TCP.
func (d *Door) leadsTo(ports []uint16) bool {
	return slices.ContainsFunc(d.Openings, func(o Opening) bool {
		return o.Proto == wire.TCP && slices.ContainsFunc(ports, func(port uint16) bool { return inRange(o.Inside, port) })
	})
}

// adviseSharedPorts tells which doors have ports of others.
func (r *reader) adviseSharedPorts() {
	type lane struct {
		door int // its place in the reader
		Opening
	}
	var list []lane // at most 2 * MaxPorts for each of MaxDoors
	for i := range r.doors {
		for _, o := range r.doors[i].v.Openings {
			if r.doors[i].v.Enabled {
				list = append(list, lane{i, o})
			}
		}
	}
	src := func(l lane) string { return r.doors[l.door].v.Src }
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		switch {
		case src(a) != src(b):
			return src(a) < src(b)
		case a.Proto != b.Proto:
			return a.Proto < b.Proto
		}
		return a.Outside.First < b.Outside.First
	})
	told := make([]bool, len(r.doors))
	for i, last := 1, 0; i < len(list); i++ {
		a, b := list[last], list[i] // a has the highest port of all that begin before b
		if src(a) == src(b) && a.Proto == b.Proto {
			port, both := overlap(a.Opening, b.Opening)
			first, second := min(a.door, b.door), max(a.door, b.door)
			if both && first != second && !told[second] {
				told[second] = true
				d := &r.doors[second]
				r.warn(d.at, "port", "%s that of door '%s' too: while both are open, the first one is used", d.v.which(b.Proto, port), r.doors[first].v.Name)
			}
			if b.Outside.Last <= a.Outside.Last {
				continue
			}
		}
		last = i
	}
}

// opened reports whether anybody may open a door.
func (r *reader) opened(door string) bool {
	return slices.ContainsFunc(r.clients, func(c place[clientSection]) bool {
		return c.v.Enabled && !c.v.Expired(r.now) && slices.Contains(c.v.Doors, door)
	}) || slices.ContainsFunc(r.sequences, func(q place[Sequence]) bool {
		c := r.client(q.v.Client)
		return q.v.Enabled && (c == nil || c.v.Enabled && !c.v.Expired(r.now)) && slices.Contains(q.v.Doors, door)
	})
}

func (r *reader) adviseClients() {
	for i := range r.clients {
		c := &r.clients[i]
		if !c.v.Enabled {
			continue
		}
		if len(c.v.Doors) == 0 {
			r.warn(c.at, "", "has no door that it may open")
		}
		if c.v.Expired(r.now) {
			r.warn(c.at, "expires", "let the client knock until %s, which is over: give it more time, or delete it", c.v.ValidUntil())
		}
		for _, name := range c.v.Doors {
			if d := r.door(name); d != nil && !d.v.Enabled {
				r.warn(c.at, "door", "names '%s', which is disabled", name)
			}
		}
		m := &r.main.v
		switch {
		case c.v.Kind == knock.KindFwknop && m.SPAPort == 0:
			r.warn(c.at, "kind", "needs the spa_port of section 'main', which is not set")
		case c.v.Kind == knock.KindMessage && m.STUNPorts == nil && m.Ports.Last == 0 && r.ports.at == nil && !r.hasSequence(c.v.Name):
			r.warn(c.at, "", "cannot knock: section 'main' has neither stun_port nor ports")
		}
		for _, o := range [...]struct{ option, text, name string }{{"key", c.v.key, "KEY"}, {"hmac_key", c.v.hmacKey, "HMAC_KEY"}} {
			if c.v.Kind == knock.KindFwknop && looksLikeText(o.text) {
				r.warn(c.at, o.option, "looks like text: if fwknop has it as %s and not as %s_BASE64, it belongs into option '%s_text'", o.name, o.name, o.option)
			}
		}
		if c.v.Kind == knock.KindFwknop && min(len(c.v.SPA.Key), len(c.v.SPA.HMAC)) < shortKey {
			r.warn(c.at, "", "has a key of less than %d bytes, which can be guessed: make new ones with fwknop --key-gen", shortKey)
		}
	}
}

// looksLikeText reports whether a key in base64 is more likely a text that happens to be base64 too: a
// short one, or one of a length that a key has which is all in lower or upper case.
func looksLikeText(encoded string) bool {
	encoded = strings.TrimRight(encoded, "=")
	return encoded != "" && (base64.RawStdEncoding.DecodedLen(len(encoded)) < shortKey ||
		strings.ToLower(encoded) == encoded || strings.ToUpper(encoded) == encoded)
}

func (r *reader) hasSequence(client string) bool {
	return slices.ContainsFunc(r.sequences, func(q place[Sequence]) bool { return q.v.Client == client })
}

func (r *reader) adviseSequence(q *place[Sequence]) {
	if len(q.v.Doors) == 0 {
		r.warn(q.at, "", "has no door that it opens")
	}
	for _, name := range q.v.Doors {
		if d := r.door(name); d != nil && !d.v.Enabled {
			r.warn(q.at, "door", "names '%s', which is disabled", name)
		}
	}
	if c := r.client(q.v.Client); q.v.Client != "" && c != nil {
		switch {
		case !c.v.Enabled:
			r.warn(q.at, "client", "names '%s', which is disabled: the sequence opens nothing", q.v.Client)
		case c.v.Expired(r.now):
			r.warn(q.at, "client", "names '%s', whose time is over: the sequence opens nothing", q.v.Client)
		}
	}
	if weak := weaknesses(q.v.Steps); weak != "" {
		r.warn(q.at, "step", "%s", weak)
	}
	for _, text := range q.v.Once {
		if weak := weaknesses(parseSteps(text)); weak != "" {
			r.warn(q.at, "once", "%s", weak)
			break
		}
	}
}

// weaknesses tells why a sequence is easy to find; "" if it is not, or has no steps.
func weaknesses(steps []knock.Step) string {
	var weak []string
	if n := len(steps); n == 0 {
		return ""
	} else if n < fewSteps {
		weak = append(weak, fmt.Sprintf("has less than %d steps, so that a scan may open it by chance", fewSteps))
	}
	if i := nearStep(steps); i > 0 {
		weak = append(weak, fmt.Sprintf("has ports less than %d apart (%s)", nearPorts, steps[i]))
	}
	if inOrder(steps) {
		weak = append(weak, "has its ports in order, as a scan does")
	}
	return strings.Join(weak, "; ")
}

// inOrder reports whether there are two ports or more that never fall, or never rise.
func inOrder(steps []knock.Step) bool {
	rising, falling, count, last := true, true, 0, uint16(0)
	for _, s := range steps {
		if s.Proto == wire.ICMP {
			continue
		}
		if count > 0 {
			rising = rising && s.Port >= last
			falling = falling && s.Port <= last
		}
		last = s.Port
		count++
	}
	return count > 1 && (rising || falling)
}

// nearStep returns the first step with a port that is near that of an earlier one, or 0. The
// same port again is no sign of carelessness.
func nearStep(steps []knock.Step) int {
	for i, a := range steps {
		for _, b := range steps[:i] {
			distance := max(a.Port, b.Port) - min(a.Port, b.Port)
			if a.Proto == b.Proto && a.Proto != wire.ICMP && 0 < distance && distance < nearPorts {
				return i
			}
		}
	}
	return 0
}
