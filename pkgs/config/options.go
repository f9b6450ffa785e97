// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// option is one row of the tables below. T is what a section is read into.
type option[T any] struct {
	name string
	kind kind
	set  func(*T, string) error // takes one value; called for each entry of a list
}

// kind is how an option is written.
type kind uint8

const (
	single kind = iota
	must        // single, and has to be there
	words       // a list; a value with spaces in it is several entries, as in firewall4
	texts       // a list; entries may have spaces in them
	secret      // single, and never shown
)

// The whole configuration: its five types of sections with all their options. What holds if an
// option is not there is in the functions new... below.

var mainOptions = []option[Main]{
	{"enabled", single, to(parseBool, func(m *Main) *bool { return &m.Enabled })},
	{"interface", words, addNew(MaxInterfaces, parseInterface, func(m *Main) *[]string { return &m.Interfaces })},
	{"device", words, addNew(MaxInterfaces, parseInterface, func(m *Main) *[]string { return &m.Devices })},
	{"stun_port", single, to(parsePortOrOff, func(m *Main) *uint16 { return &m.STUNPort })},
	{"ports", single, to(parseSpan, func(m *Main) *wire.PortRange { return &m.Ports })},
	{"spa_port", single, to(parsePortOrOff, func(m *Main) *uint16 { return &m.SPAPort })},
	{"max_skew", single, to(durationFrom(MinSkew, MaxSkew), func(m *Main) *time.Duration { return &m.MaxSkew })},
	{"log_level", single, to(parseLevel, func(m *Main) *slog.Level { return &m.LogLevel })},
}

var doorOptions = []option[Door]{
	{"title", single, to(parseTitle, func(d *Door) *string { return &d.Title })},
	{"src", single, to(parseZone, func(d *Door) *string { return &d.Src })},
	{"proto", words, addNew(2, parseProto, func(d *Door) *[]wire.Proto { return &d.Protos })},
	{"port", must, to(parsePort, func(d *Door) *uint16 { return &d.Port })},
	{"dest", single, to(parseZone, func(d *Door) *string { return &d.Dest })},
	{"dest_ip", single, to(parseIPv4, func(d *Door) *netip.Addr { return &d.DestIP })},
	{"dest_ip6", single, to(parseIPv6, func(d *Door) *netip.Addr { return &d.DestIP6 })},
	{"dest_port", single, to(parsePort, func(d *Door) *uint16 { return &d.DestPort })},
	{"open_for", single, to(durationFrom(MinOpenFor, MaxOpenFor), func(d *Door) *time.Duration { return &d.OpenFor })},
	{"max_open", single, to(durationFrom(MinOpenFor, MaxOpenFor), func(d *Door) *time.Duration { return &d.MaxOpen })},
	{"wake", single, to(parseMAC, func(d *Door) *net.HardwareAddr { return &d.Wake })},
	{"enabled", single, to(parseBool, func(d *Door) *bool { return &d.Enabled })},
}

var clientOptions = []option[clientSection]{
	{"title", single, to(parseTitle, func(c *clientSection) *string { return &c.Title })},
	{"kind", single, to(parseKind, func(c *clientSection) *knock.Kind { return &c.Kind })},
	{"key", secret, to(parseAny, func(c *clientSection) *string { return &c.key })},
	{"hmac_key", secret, to(parseAny, func(c *clientSection) *string { return &c.hmacKey })},
	{"door", words, addNew(MaxDoors, parseAny, func(c *clientSection) *[]string { return &c.Doors })},
	{"expires", single, to(parseExpires, func(c *clientSection) *time.Time { return &c.Expires })},
	{"enabled", single, to(parseBool, func(c *clientSection) *bool { return &c.Enabled })},
}

var sequenceOptions = []option[Sequence]{
	{"step", words, add(knock.MaxSteps, parseStep, func(s *Sequence) *[]knock.Step { return &s.Steps })},
	{"once", texts, add(MaxOnce, parseOnce, func(s *Sequence) *[]string { return &s.Once })},
	{"within", single, to(durationFrom(MinWithin, MaxWithin), func(s *Sequence) *time.Duration { return &s.Within })},
	{"door", words, addNew(MaxDoors, parseAny, func(s *Sequence) *[]string { return &s.Doors })},
	{"client", single, to(parseAny, func(s *Sequence) *string { return &s.Client })},
	{"enabled", single, to(parseBool, func(s *Sequence) *bool { return &s.Enabled })},
}

var portsOptions = []option[portsSection]{
	{"layout", single, to(parseLayout, func(p *portsSection) *string { return &p.layout })},
	{"ports", must, to(parseGroups, func(p *portsSection) *[]wire.PortRange { return &p.Groups })},
	{"header", words, add(knock.MaxFrame, parsePort, func(p *portsSection) *[]uint16 { return &p.Header })},
	{"footer", words, add(knock.MaxFrame, parsePort, func(p *portsSection) *[]uint16 { return &p.Footer })},
}

func newMain() Main {
	return Main{MaxSkew: DefaultSkew, LogLevel: slog.LevelInfo}
}

// complete sets what depends on other options.
func (m *Main) complete() {
	if m.Interfaces == nil {
		m.Interfaces = []string{"wan", "wan6"}
	}
	if m.Devices == nil {
		m.Devices = slices.Clone(m.Interfaces)
	}
}

func newDoor(name string) Door {
	return Door{Name: name, Src: "wan", OpenFor: DefaultOpenFor, Enabled: true}
}

// complete sets what depends on other options.
func (d *Door) complete() {
	if d.Protos == nil {
		d.Protos = []wire.Proto{wire.TCP}
	}
	if d.DestPort == 0 {
		d.DestPort = d.Port
	}
	if d.MaxOpen == 0 {
		d.MaxOpen = max(d.OpenFor, DefaultMaxOpen)
	}
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
	key, hmacKey string
}

type portsSection struct {
	knock.Ordered
	layout string
}

// to makes the set function of an option that is a field.
func to[T, V any](parse func(string) (V, error), field func(*T) *V) func(*T, string) error {
	return func(t *T, s string) error {
		v, err := parse(s)
		if err == nil {
			*field(t) = v
		}
		return err
	}
}

// add makes the set function of a list of up to most entries.
func add[T, V any](most int, parse func(string) (V, error), field func(*T) *[]V) func(*T, string) error {
	return func(t *T, s string) error {
		v, err := parse(s)
		if err != nil {
			return err
		}
		list := field(t)
		if len(*list) == most {
			return fmt.Errorf("the list ends at %d entries", most)
		}
		*list = append(*list, v)
		return nil
	}
}

// addNew is add for a list in which it means nothing if an entry is there twice.
func addNew[T any, V comparable](most int, parse func(string) (V, error), field func(*T) *[]V) func(*T, string) error {
	push := add(most, parse, field)
	return func(t *T, s string) error {
		if v, err := parse(s); err == nil && slices.Contains(*field(t), v) {
			return nil
		}
		return push(t, s)
	}
}
