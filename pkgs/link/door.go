// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// Limits of what a link says of a door.
const (
	MaxPorts   = 32  // ranges of ports
	MaxTitle   = 128 // bytes of a title
	maxService = 32  // bytes of a service
)

// Door is what a link says of one door, so that a client can try it, and offer to connect.
type Door struct {
	Name     string
	TCP, UDP bool             // at least one
	Ports    []wire.PortRange // outside, at least one; a client takes the first
	Service  string           // a word such as "ssh", see Services; "" = none that is known
	Title    string           // for people; "" = none
}

// Door returns what the link says of a door. A door may be there of which it says nothing.
func (l *Link) Door(name string) (Door, bool) {
	i := slices.IndexFunc(l.About, func(d Door) bool { return d.Name == name })
	if i < 0 {
		return Door{}, false
	}
	return l.About[i], true
}

// text returns the door as the value of a part 'i', before it is escaped.
func (d *Door) text() string {
	proto := "tcp"
	switch {
	case d.TCP && d.UDP:
		proto = "tcp+udp"
	case d.UDP:
		proto = "udp"
	}
	return strings.Join([]string{d.Name, proto, joinRanges(d.Ports, "+"), d.Service, d.Title}, ":")
}

// parseDoor reads what a part 'i' says. Its errors are for tests: a reader passes over what it does
// not understand, so that later routers can say more.
func parseDoor(s string) (Door, error) {
	field := strings.SplitN(s, ":", 5)
	if len(field) < 5 {
		return Door{}, fmt.Errorf("it has %d fields, not 5", len(field))
	}
	d := Door{Name: field[0], Service: field[3], Title: field[4]}
	switch field[1] {
	case "tcp":
		d.TCP = true
	case "udp":
		d.UDP = true
	case "tcp+udp":
		d.TCP, d.UDP = true, true
	default:
		return Door{}, fmt.Errorf("%.20q is no protocol", field[1])
	}
	ports := strings.Split(field[2], "+")
	if len(ports) > MaxPorts {
		return Door{}, fmt.Errorf("%d ranges of ports are more than %d", len(ports), MaxPorts)
	}
	for _, text := range ports {
		r, err := parseRange(text)
		if err != nil {
			return Door{}, err
		}
		d.Ports = append(d.Ports, r)
	}
	if len(d.Service) > maxService || strings.ContainsFunc(d.Service, func(r rune) bool { return !isServiceRune(r) }) {
		return Door{}, fmt.Errorf("%.40q is no service", d.Service)
	}
	if len(d.Title) > MaxTitle || !utf8.ValidString(d.Title) || strings.ContainsFunc(d.Title, unicode.IsControl) {
		return Door{}, fmt.Errorf("a title has up to %d bytes of UTF-8 without control characters", MaxTitle)
	}
	return d, nil
}

func isServiceRune(r rune) bool { return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-' }

// choose returns what was said of the doors that the link has, in their order, of each the first.
func choose[T any](said []T, doors []string, of func(T) string) (chosen []T) {
	for _, name := range doors {
		if i := slices.IndexFunc(said, func(x T) bool { return of(x) == name }); i >= 0 {
			chosen = append(chosen, said[i])
		}
	}
	return chosen
}
