// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// check compares the sections with each other, and reports what cannot work.
func (r *reader) check() {
	r.checkTags()
	r.checkKeys()
	r.checkReferences()
	r.checkPorts()
}

// checkTags refuses doors that a message cannot tell apart.
func (r *reader) checkTags() {
	first := map[seal.DoorTag]*uci.Section{} // bounded by MaxDoors
	for _, d := range r.doors {
		if d.v.Name == "" {
			continue
		}
		tag := seal.Tag(d.v.Name)
		if other, ok := first[tag]; ok {
			r.refuse(d.at, "", "has by chance the same tag in messages as door '%s': change one of the names", other.Name)
			continue
		}
		first[tag] = d.at
	}
}

// checkKeys refuses clients that have the same key: a knock has to tell who knocks.
func (r *reader) checkKeys() {
	first := map[string]*uci.Section{} // by kind and key; bounded by MaxClients
	for i := range r.clients {
		c := &r.clients[i]
		option, key := "key", "m"+string(c.v.Key[:])
		if c.v.Kind == knock.KindFwknop {
			option, key = "hmac_key", "f"+string(c.v.SPA.HMAC) // this one tells fwknop clients apart
			if has(c.at, "hmac_key_text") {
				option = "hmac_key_text"
			}
		}
		if r.failed(c.at, "kind") || r.failed(c.at, option) || !has(c.at, option) {
			continue
		}
		if other, ok := first[key]; ok {
			r.refuse(c.at, option, "is the same as that of client '%s': each needs a key of its own", other.Name)
			continue
		}
		first[key] = c.at
	}
}

// checkReferences refuses names of sections that do not exist, and a sequence that opens more
// than the client whose knock it is may open.
func (r *reader) checkReferences() {
	for _, c := range r.clients {
		r.checkDoors(c.at, c.v.Doors)
	}
	for _, q := range r.sequences {
		r.checkDoors(q.at, q.v.Doors)
		if q.v.Client == "" {
			continue
		}
		c := r.client(q.v.Client)
		if c == nil {
			r.fail(q.at, "client", valueOf(q.at, "client", q.v.Client), "there is no client of this name")
			continue
		}
		for _, name := range q.v.Doors {
			if r.door(name) != nil && !slices.Contains(c.v.Doors, name) {
				r.fail(q.at, "door", valueOf(q.at, "door", name), "client '%s', whose sequence this is, may not open that door", q.v.Client)
			}
		}
	}
}

func (r *reader) checkDoors(s *uci.Section, names []string) {
	for _, name := range names {
		if r.door(name) == nil {
			r.fail(s, "door", valueOf(s, "door", name), "there is no door of this name")
		}
	}
}

func (r *reader) door(name string) *place[doorSection] {
	return find(r.doors, func(d *place[doorSection]) bool { return d.v.Name == name })
}

func (r *reader) client(name string) *place[clientSection] {
	return find(r.clients, func(c *place[clientSection]) bool { return c.v.Name == name })
}

func find[T any](list []T, is func(*T) bool) *T {
	for i := range list {
		if is(&list[i]) {
			return &list[i]
		}
	}
	return nil
}

// valueOf finds the line of an entry that is known to be in an option.
func valueOf(s *uci.Section, option, text string) uci.Value {
	v := uci.Value{Text: text, Line: s.Line}
	for _, o := range s.Options {
		if o.Name != option {
			continue
		}
		for _, given := range o.Values {
			v.Line = given.Line
			if slices.Contains(strings.Fields(given.Text), text) {
				return v
			}
		}
	}
	return v
}

// checkPorts refuses knocks by ports that would be taken for something else: both layouts in the
// same ports, and a door in them. A connection to such a door would be read as a piece of a knock,
// and pieces of knocks would reach the service.
func (r *reader) checkPorts() {
	span, receivers := r.main.v.Ports, r.receivers()
	for _, g := range r.ports.v.Groups {
		if g.First <= span.Last && span.First <= g.Last {
			r.refuse(r.ports.at, "ports", "overlaps with the ports of section 'main' (%d-%d)", span.First, span.Last)
			break
		}
	}
	for i := range r.doors {
		d := &r.doors[i]
		if !d.v.Enabled {
			continue
		}
		for _, k := range receivers {
			if port, meets := d.v.meets(k); meets && k.Proto == wire.TCP {
				which := d.v.which(k.Proto, port)
				if d.v.isOne() {
					which = fmt.Sprintf("is %d, which is", port)
				}
				r.refuse(d.at, "port", "%s %s: knocks arrive there", which, k.What)
			}
		}
	}
}
