// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// escape writes what is not a letter, digit or one of a few harmless signs as %XX, so that the
// value survives in a URL fragment (RFC 3986, section 3.5) and in chat programs that cut links.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._:,", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func checkPage(page string) error {
	if page == "" {
		return nil
	}
	u, err := url.Parse(page)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "file") {
		return fmt.Errorf("link does not begin with http://, https:// or file://")
	}
	return nil
}

func checkTitle(s string) error {
	if s == "" || len(s) > MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("a name must be 1 to %d bytes of UTF-8 without control characters", MaxName)
	}
	return nil
}

// checkHost allows what names of hosts are made of, and nothing that could be taken for another
// part of a URL.
func checkHost(s string) error {
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_')
	}
	if s == "" || len(s) > maxHost || strings.ContainsFunc(s, bad) || s[0] == '-' || s[0] == '.' {
		return fmt.Errorf("%.60q is not a host name", s)
	}
	return nil
}

// parseDoors reads the doors' names, which are names of UCI sections.
func parseDoors(s string) ([]string, error) {
	doors := strings.Split(s, ",")
	if len(doors) > MaxDoors {
		return nil, fmt.Errorf("%d doors are more than %d", len(doors), MaxDoors)
	}
	bad := func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_')
	}
	for _, d := range doors {
		if d == "" || len(d) > MaxName || strings.ContainsFunc(d, bad) {
			return nil, fmt.Errorf("%.70q is not the name of a door: it must be 1 to %d letters, digits or _", d, MaxName)
		}
	}
	return doors, nil
}

// parsePort reads a port from 1 to most, written the one way that Text writes it.
func parsePort(s string, most int) (uint16, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > most || strconv.Itoa(n) != s {
		return 0, fmt.Errorf("%.20q is not a port from 1 to %d", s, most)
	}
	return uint16(n), nil
}

func parsePorts(s string) (ports []uint16, err error) {
	for text := range strings.SplitSeq(s, ",") {
		port, err := parsePort(text, 65535)
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}

// parseRanges reads groups of ports, which must ascend and have at least two ports in all.
func parseRanges(s string) (ranges []wire.PortRange, err error) {
	count, last := 0, 0
	for text := range strings.SplitSeq(s, ",") {
		from, to, found := strings.Cut(text, "-")
		if !found {
			to = from
		}
		var r wire.PortRange
		if r.First, err = parsePort(from, 65535); err != nil {
			return nil, err
		}
		if r.Last, err = parsePort(to, 65535); err != nil {
			return nil, err
		}
		if r.Last < r.First || int(r.First) <= last {
			return nil, fmt.Errorf("the port groups must ascend, but %.20q does not", text)
		}
		ranges, last = append(ranges, r), int(r.Last)
		count += int(r.Last) - int(r.First) + 1
	}
	if count < 2 {
		return nil, fmt.Errorf("the port groups must have at least 2 ports")
	}
	return ranges, nil
}

func joinRanges(ranges []wire.PortRange) string {
	var parts []string
	for _, r := range ranges {
		part := strconv.Itoa(int(r.First))
		if r.Last != r.First {
			part += "-" + strconv.Itoa(int(r.Last))
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ",")
}

func joinPorts(ports []uint16) string {
	var parts []string
	for _, p := range ports {
		parts = append(parts, strconv.Itoa(int(p)))
	}
	return strings.Join(parts, ",")
}
