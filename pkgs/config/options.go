// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// option is one row of the tables below.
type option struct {
	name string
	kind kind
	set  func(string) error // takes one value; called for each entry of a list
}

// kind is how an option is written.
type kind uint8

const (
	single    kind = iota
	must           // single, and has to be there
	words          // a list; a value with spaces in it is several entries, as in firewall4
	mustWords      // words, and has to be there
	texts          // a list; entries may have spaces in them
	secret         // single, and never shown
)

func (k kind) isWords() bool { return k == words || k == mustWords }

// The whole configuration: its five types of sections with all their options. What holds if an
// option is not there is in the functions new... below.

func (m *Main) options() []option {
	return []option{
		{"enabled", single, to(&m.Enabled, ParseBool)},
		{"interface", words, addNew(&m.Interfaces, MaxInterfaces, parseInterface)},
		{"device", words, addNew(&m.Devices, MaxInterfaces, parseInterface)},
		{"inside", words, addNew(&m.Inside, MaxInterfaces, parseInterface)},
		{"missing_interface", words, addNew(&m.MissingInterfaces, MaxInterfaces, parseInterface)},
		{"missing_zone", words, addNew(&m.MissingZones, 2*MaxDoors, parseZone)},
		{"host", words, addNew(&m.Hosts, MaxHosts, parseHost)},
		{"name", single, to(&m.Name, parseName)},
		{"page", single, to(&m.Page, parsePage)},
		{"found_host", texts, m.addFound},
		{"found_name", single, to(&m.FoundName, parseName)},
		{"found_page", single, to(&m.FoundPage, parsePage)},
		{"stun_port", words, addNew(&m.STUNPorts, link.MaxSTUNPorts, parsePortOrOff)},
		{"ports", single, to(&m.Ports, parseSpan)},
		{"spa_port", single, to(&m.SPAPort, parsePortOrOff)},
		{"max_skew", single, to(&m.MaxSkew, durationFrom(MinSkew, MaxSkew))},
		{"radar", single, to(&m.Radar, ParseBool)},
		{"log_level", single, to(&m.LogLevel, parseLevel)},
	}
}

func (d *doorSection) options() []option {
	return []option{
		{"title", single, to(&d.Title, parseTitle)},
		{"src", single, to(&d.Src, parseZone)},
		{"proto", words, addNew(&d.protos, 2, parseProto)},
		{"port", mustWords, add(&d.ports, MaxPorts, parseDoorPort)},
		{"dest", single, to(&d.Dest, parseZone)},
		{"dest_ip", single, to(&d.DestIP, parseIPv4)},
		{"dest_ip6", single, to(&d.DestIP6, parseIPv6)},
		{"dest_port", words, add(&d.inside, MaxPorts, parseInside)},
		{"service", single, to(&d.Service, parseService)},
		{"open_for", single, to(&d.OpenFor, durationFrom(MinOpenFor, MaxOpenFor))},
		{"max_open", single, to(&d.MaxOpen, durationFrom(MinOpenFor, MaxOpenFor))},
		{"width4", single, to(&d.Width4, widthFrom(MinWidth4, MaxWidth4))},
		{"width6", single, to(&d.Width6, widthFrom(MinWidth6, MaxWidth6))},
		{"wake", single, to(&d.Wake, parseMAC)},
		{"cut", single, to(&d.Cut, ParseBool)},
		{"reflection", single, to(&d.Reflection, ParseBool)},
		{"enabled", single, to(&d.Enabled, ParseBool)},
	}
}

func (c *clientSection) options() []option {
	return []option{
		{"title", single, to(&c.Title, parseTitle)},
		{"kind", single, to(&c.Kind, parseKind)},
		{"key", secret, to(&c.key, parseAny)},
		{"key_text", secret, to(&c.keyText, parseAny)},
		{"hmac_key", secret, to(&c.hmacKey, parseAny)},
		{"hmac_key_text", secret, to(&c.hmacKeyText, parseAny)},
		{"door", words, addNew(&c.Doors, MaxDoors, parseAny)},
		{"expires", single, to(&c.Expires, parseExpires)},
		{"enabled", single, to(&c.Enabled, ParseBool)},
	}
}

func (q *Sequence) options() []option {
	return []option{
		{"step", words, add(&q.Steps, knock.MaxSteps, parseStep)},
		{"once", texts, add(&q.Once, MaxOnce, parseOnce)},
		{"within", single, to(&q.Within, durationFrom(MinWithin, MaxWithin))},
		{"door", words, addNew(&q.Doors, MaxDoors, parseAny)},
		{"client", single, to(&q.Client, parseAny)},
		{"enabled", single, to(&q.Enabled, ParseBool)},
	}
}

func (p *portsSection) options() []option {
	return []option{
		{"layout", single, to(&p.layout, parseLayout)},
		{"ports", must, to(&p.Groups, parseGroups)},
		{"header", words, add(&p.Header, knock.MaxFrame, parsePort)},
		{"footer", words, add(&p.Footer, knock.MaxFrame, parsePort)},
	}
}

func newMain() Main {
	return Main{MaxSkew: DefaultSkew, Radar: true, LogLevel: LevelInfo}
}

// addFound takes what others call the router's name, too: accounts and URLs are left out. The first name counts.
func (m *Main) addFound(s string) error {
	host, err := parseHost(s)
	if err != nil || slices.Contains(m.FoundHosts, host) || isName(host) && slices.ContainsFunc(m.FoundHosts, isName) {
		return nil
	}
	if len(m.FoundHosts) < MaxHosts {
		m.FoundHosts = append(m.FoundHosts, host)
	}
	return nil
}

func isName(host string) bool { return !link.IsAddress(host) }

// completeFound adds what was found to what the owner wrote: of hosts one name, and addresses.
func (m *Main) completeFound() {
	m.Name, m.Page = cmp.Or(m.Name, m.FoundName), cmp.Or(m.Page, m.FoundPage)
	hasName, hasAddress := slices.ContainsFunc(m.Hosts, isName), slices.ContainsFunc(m.Hosts, link.IsAddress)
	for _, host := range m.FoundHosts {
		isNew := !hasAddress && !slices.Contains(m.Hosts, host)
		if isName(host) {
			isNew, hasName = !hasName, true
		}
		if isNew && len(m.Hosts) < MaxHosts {
			m.Hosts = append(m.Hosts, host)
		}
	}
}

// complete sets what depends on other options.
func (m *Main) complete() {
	m.completeFound()
	if m.Devices == nil {
		m.Devices = slices.Clone(m.Interfaces)
	}
	if m.Devices == nil {
		m.Devices = []string{"wan", "wan6"}
	}
	m.Inside = slices.DeleteFunc(m.Inside, func(name string) bool { return slices.Contains(m.Devices, name) })
}

func newDoor(name string) doorSection {
	return doorSection{Door: Door{
		Name: name, Src: "wan", OpenFor: DefaultOpenFor, Width4: MaxWidth4, Width6: MaxWidth6, Reflection: true, Enabled: true,
	}}
}

// complete sets what depends on other options.
func (d *Door) complete() {
	switch d.Service {
	case "":
		d.Service = d.usualService()
	case serviceNone:
		d.Service = ""
	}
	if d.MaxOpen == 0 {
		d.MaxOpen = max(d.OpenFor, DefaultMaxOpen)
	}
}

// usualService tells the service from where the first port leads, which clients connect to.
func (d *Door) usualService() string {
	if len(d.Openings) == 0 { // of a door that is refused
		return ""
	}
	first := d.Openings[0]
	_, udp := d.Opening(wire.UDP, first.Outside.First)
	return link.UsualService(first.Proto == wire.TCP, udp, first.Inside.First)
}

func newClient(name string) clientSection {
	return clientSection{Client: Client{Name: name, Kind: knock.KindMessage, Enabled: true}}
}

func newSequence(name string) Sequence {
	return Sequence{Sequence: knock.Sequence{Name: name, Within: DefaultWithin}, Enabled: true}
}

// clientSection is a client whose keys wait until it is known what kind they must be of.
type clientSection struct {
	Client
	key, keyText, hmacKey, hmacKeyText string
}

type portsSection struct {
	knock.Ordered
	layout string
}

// to makes the set function of an option that is a field.
func to[V any](field *V, parse func(string) (V, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*field = v
		}
		return err
	}
}

// add makes the set function of a list of up to most entries.
func add[V any](list *[]V, most int, parse func(string) (V, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err != nil {
			return err
		}
		if len(*list) == most {
			return fmt.Errorf("the list ends at %d entries", most)
		}
		*list = append(*list, v)
		return nil
	}
}

// addNew is add for a list in which it means nothing if an entry is there twice.
func addNew[V comparable](list *[]V, most int, parse func(string) (V, error)) func(string) error {
	push := add(list, most, parse)
	return func(s string) error {
		if v, err := parse(s); err == nil && slices.Contains(*list, v) {
			return nil
		}
		return push(s)
	}
}
