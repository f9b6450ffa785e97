// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits of a link.
const (
	MaxSize      = 4096 // bytes
	MaxAddresses = 8
	MaxDoors     = 64
	// MaxSTUNPorts is few since each copy of a message goes to each port, and browsers begin with them one after
	// the other, up to 60 ms apart: a knock shall not take longer for having more ways.
	MaxSTUNPorts = 4
	MaxName      = 64  // bytes of a name
	maxHost      = 253 // bytes (RFC 1035, section 2.3.4)
	maxPage      = 1024
)

// Link is all that a client needs to knock. It holds the client's key.
type Link struct {
	Page      string         // URL of the knock page, without a fragment; "" = none
	Name      string         // what the owner calls this router
	Host      string         // DNS name of the router; "" = none
	Addresses []netip.Addr   // addresses of the router
	STUNPorts []uint16       // UDP ports of carrier stun, each once, none = off
	Ports     uint16         // first port of carrier ports in 24 slots, 0 = off
	Ordered   *knock.Ordered // the ordered form of carrier ports, nil = off
	Key       seal.Key
	Doors     []string
	About     []Door // what is said of some of the doors, in their order
	Times     []Time // how long some of the doors open, in their order
}

// String hides the key, so that no log or error can show it. Text shows it.
func (l Link) String() string { return l.Page + "#(key of " + l.Name + ")" }

// Text returns the link as text, secret included. Parse reads it back.
func (l Link) Text() string { return l.Page + "#" + l.parts() }

// parts returns the text behind the page.
func (l *Link) parts() string {
	b := []byte("v=1")
	b = add(b, "n", l.Name)
	b = add(b, "h", l.Host)
	for _, a := range l.Addresses {
		b = add(b, "a", a.String())
	}
	// Readers made before there were several refuse a second 'u', and skip a part that they do not know.
	if n := len(l.STUNPorts); n > 0 {
		b = add(b, "u", joinPorts(l.STUNPorts[:1]))
		b = add(b, "us", joinPorts(l.STUNPorts[1:]))
	}
	b = add(b, "p", portText(l.Ports))
	if o := l.Ordered; o != nil {
		b = add(b, "g", joinRanges(o.Groups, ","))
		b = add(b, "gh", joinPorts(o.Header))
		b = add(b, "gf", joinPorts(o.Footer))
	}
	b = add(b, "k", l.Key.Text())
	b = add(b, "d", strings.Join(l.Doors, ","))
	// Of doors it says as much as it has room for: without that they open as well.
	// What a client connects to first comes before further ports of any door.
	most := MaxSize - len(l.Page) - len("#")
	var further []string
	for _, d := range l.About {
		more := add(b, "i", d.text())
		if len(more) > most {
			d.Title = ""
			more = add(b, "i", d.text())
		}
		if len(more) <= most {
			b = more
			further = append(further, d.otherText())
		}
	}
	for _, text := range further {
		if more := add(b, "e", text); len(more) <= most {
			b = more
		}
	}
	for _, t := range l.Times {
		if more := add(b, "t", t.text()); len(more) <= most {
			b = more
		}
	}
	return string(b)
}

// appScheme is what the installed app's code has in place of a page, so that no camera opens it.
const appScheme = "latchkey:"

// AppText returns the link as the code that the installed app scans itself, secret included. Parse reads
// that, too.
func (l Link) AppText() string { return appScheme + l.parts() }

// Parse reads a link, or the installed app's code. Its errors never repeat the link, because it holds a secret. Keys that
// version 1 does not know are skipped, so that later routers can say more to old clients.
func Parse(s string) (Link, error) {
	s = strings.TrimSpace(s)
	if len(s) > MaxSize {
		return Link{}, fmt.Errorf("link is %d bytes long, but must be at most %d", len(s), MaxSize)
	}
	if code, found := strings.CutPrefix(s, appScheme); found {
		s = "#" + code
	}
	page, fragment, found := strings.Cut(s, "#")
	if !found {
		return Link{}, fmt.Errorf("link has no '#': it was cut off or is not a Latchkey link")
	}
	if page != "" {
		if err := CheckPage(page); err != nil {
			return Link{}, fmt.Errorf("link: %w", err)
		}
	}
	p := parser{link: Link{Page: page}, seen: map[string]bool{}}
	for pair := range strings.SplitSeq(fragment, "&") {
		key, value, found := strings.Cut(pair, "=")
		if !found {
			return Link{}, fmt.Errorf("link has a part without '=': it was cut off or changed")
		}
		value, err := unescape(value)
		if err != nil {
			return Link{}, fmt.Errorf("link part %.2q %w", key, err)
		}
		if err := p.set(key, value); err != nil {
			return Link{}, err
		}
	}
	if err := p.complete(); err != nil {
		return Link{}, err
	}
	return p.link, nil
}

type parser struct {
	link           Link
	seen           map[string]bool // the parts that may be there once only
	header, footer []uint16
	stun           []uint16  // of part 'us'
	said           []Door    // of doors, whether the link has them or not; bounded by MaxSize
	further        []further // likewise
	times          []Time    // likewise
}

// set takes one part of the link.
func (p *parser) set(key, value string) (err error) {
	if p.seen[key] {
		return fmt.Errorf("link part '%s' is there twice", key)
	}
	p.seen[key] = slices.Contains([]string{"v", "n", "h", "u", "us", "p", "g", "gh", "gf", "k", "d"}, key)
	l := &p.link
	switch key {
	case "v":
		if value != "1" {
			err = fmt.Errorf("it says %.10q, but this program knows version 1 only", value)
		}
	case "n":
		l.Name, err = value, CheckName(value)
	case "h":
		l.Host, err = value, checkHost(value)
	case "a":
		err = l.addAddress(value)
	case "u":
		l.STUNPorts = make([]uint16, 1, MaxSTUNPorts)
		l.STUNPorts[0], err = parsePort(value, 65535)
	case "us":
		p.stun, err = parsePorts(value)
	case "p":
		l.Ports, err = parsePort(value, 65536-knock.SpanPorts)
	case "g":
		l.Ordered = &knock.Ordered{}
		l.Ordered.Groups, err = parseRanges(value)
	case "gh":
		p.header, err = parsePorts(value)
	case "gf":
		p.footer, err = parsePorts(value)
	case "k":
		if l.Key, err = seal.ParseKey(value); strings.ContainsFunc(value, unicode.IsSpace) {
			err = errors.New("a key has no white space in it")
		}
	case "d":
		l.Doors, err = parseDoors(value)
	case "i":
		if d, err := parseDoor(value); err == nil {
			p.said = append(p.said, d)
		}
	case "e":
		if f, err := parseFurther(value); err == nil {
			p.further = append(p.further, f)
		}
	case "t":
		if t, err := parseTime(value); err == nil {
			p.times = append(p.times, t)
		}
	}
	if err != nil {
		return fmt.Errorf("link part '%s': %w", key, err)
	}
	return nil
}

// complete looks at what the parts say together.
func (p *parser) complete() error {
	l := &p.link
	for _, need := range []struct{ key, what string }{
		{"v", "the version"}, {"n", "a name"}, {"k", "the key"}, {"d", "the doors"},
	} {
		if !p.seen[need.key] {
			return fmt.Errorf("link part '%s' (%s) is missing: it was cut off or is not a Latchkey link", need.key, need.what)
		}
	}
	if l.Host == "" && len(l.Addresses) == 0 {
		return fmt.Errorf("link names no router: it needs a host 'h' or an address 'a'")
	}
	if l.STUNPorts == nil && l.Ports == 0 && l.Ordered == nil {
		return fmt.Errorf("link names no way to knock: it needs a part 'u', 'p' or 'g'")
	}
	if err := l.addSTUNPorts(p.stun); err != nil {
		return fmt.Errorf("link part 'us': %w", err)
	}
	l.About = choose(p.said, l.Doors, func(d Door) string { return d.Name })
	addFurther(l.About, p.further)
	l.Times = choose(p.times, l.Doors, func(t Time) string { return t.Door })
	if l.Ordered == nil {
		if p.header != nil || p.footer != nil {
			return fmt.Errorf("link parts 'gh' and 'gf' say nothing without 'g'")
		}
		return nil
	}
	l.Ordered.Header, l.Ordered.Footer = p.header, p.footer
	for _, port := range append(p.header[:len(p.header):len(p.header)], p.footer...) {
		if hasPort(l.Ordered.Groups, port) {
			return fmt.Errorf("link parts 'gh' and 'gf' must be outside of the groups 'g', but %d is inside", port)
		}
	}
	return nil
}

// addSTUNPorts adds the ports of part 'us' to the one of part 'u'.
func (l *Link) addSTUNPorts(further []uint16) error {
	if further != nil && l.STUNPorts == nil {
		return errors.New("it says nothing without 'u'")
	}
	for _, port := range further {
		if slices.Contains(l.STUNPorts, port) {
			return fmt.Errorf("port %d is there twice", port)
		}
		l.STUNPorts = append(l.STUNPorts, port)
	}
	if n := len(l.STUNPorts); n > MaxSTUNPorts {
		return fmt.Errorf("%d ports with that of 'u' are more than %d", n, MaxSTUNPorts)
	}
	return nil
}

func (l *Link) addAddress(value string) error {
	a, err := netip.ParseAddr(value)
	a = a.Unmap()
	switch {
	case err != nil, a.Zone() != "":
		return fmt.Errorf("%.60q is not an IP address", value)
	case a.IsUnspecified() || a.IsMulticast():
		return fmt.Errorf("nobody can send to one host at %v", a)
	case len(l.Addresses) == MaxAddresses:
		return fmt.Errorf("there are more than %d addresses", MaxAddresses)
	}
	l.Addresses = append(l.Addresses, a)
	return nil
}

func hasPort(groups []wire.PortRange, port uint16) bool {
	for _, g := range groups {
		if g.First <= port && port <= g.Last {
			return true
		}
	}
	return false
}
