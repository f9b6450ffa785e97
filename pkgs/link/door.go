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
	maxTitle   = 128 // bytes of a title
	maxService = 32  // bytes of a service
)

// Door is what a link says of one door, so that a client can try it, and offer to connect.
type Door struct {
	Name     string
	TCP, UDP bool             // at least one
	Ports    []wire.PortRange // outside, at least one; a client takes the first
	Service  string           // a word such as "ssh", see Services; "" = none that is known
	Title    string           // for people; "" = none
	// Other are further ports, of UDP if TCP is set, and of TCP if UDP is; none if both are set.
	Other []wire.PortRange
}

// Of returns the door's ports of one protocol, in the order in which a client takes them.
func (d *Door) Of(proto wire.Proto) []wire.PortRange {
	if proto == wire.TCP && d.TCP || proto == wire.UDP && d.UDP {
		return d.Ports
	}
	return d.Other
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
	return strings.Join([]string{d.Name, protoText(d.TCP, d.UDP), joinRanges(d.Ports, "+"), d.Service, d.Title}, ":")
}

// otherText returns the further ports as the value of a part 'e'; "" if there are none.
func (d *Door) otherText() string {
	if len(d.Other) == 0 {
		return ""
	}
	return strings.Join([]string{d.Name, protoText(d.UDP, d.TCP), joinRanges(d.Other, "+")}, ":")
}

func protoText(tcp, udp bool) string {
	switch {
	case tcp && udp:
		return "tcp+udp"
	case udp:
		return "udp"
	}
	return "tcp"
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
	var err error
	if d.Ports, err = parseOutside(field[2]); err != nil {
		return Door{}, err
	}
	if len(d.Service) > maxService || strings.ContainsFunc(d.Service, func(r rune) bool { return !isServiceRune(r) }) {
		return Door{}, fmt.Errorf("%.40q is no service", d.Service)
	}
	if len(d.Title) > maxTitle || !utf8.ValidString(d.Title) || strings.ContainsFunc(d.Title, unicode.IsControl) {
		return Door{}, fmt.Errorf("a title has up to %d bytes of UTF-8 without control characters", maxTitle)
	}
	return d, nil
}

// parseOutside reads ports that are joined by +.
func parseOutside(s string) (ports []wire.PortRange, err error) {
	texts := strings.Split(s, "+")
	if len(texts) > MaxPorts {
		return nil, fmt.Errorf("%d ranges of ports are more than %d", len(texts), MaxPorts)
	}
	for _, text := range texts {
		r, err := parseRange(text)
		if err != nil {
			return nil, err
		}
		ports = append(ports, r)
	}
	return ports, nil
}

// further is what a part 'e' says: DOOR:PROTO:PORT.
type further struct {
	door  string
	udp   bool // else TCP
	ports []wire.PortRange
}

func parseFurther(s string) (f further, err error) {
	field := strings.Split(s, ":")
	if len(field) != 3 || field[1] != "tcp" && field[1] != "udp" {
		return further{}, fmt.Errorf("it is not a door, tcp or udp, and ports")
	}
	f.door, f.udp = field[0], field[1] == "udp"
	f.ports, err = parseOutside(field[2])
	return f, err
}

// addFurther adds to what is said of doors the first of the further ports of each that are of the protocol
// that it does not have.
func addFurther(doors []Door, said []further) {
	for i := range doors {
		d := &doors[i]
		for _, f := range said {
			if f.door == d.Name && d.Other == nil && d.TCP != d.UDP && d.TCP == f.udp {
				d.Other = f.ports
			}
		}
	}
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
