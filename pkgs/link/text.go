// SPDX-License-Identifier: Apache-2.0

package link

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// add adds a part of a link, if it has a value. What is not a letter, digit or one of a few harmless signs is
// written as %XX, so that it survives in a URL fragment (RFC 3986, section 3.5) and in chat programs that cut
// links.
func add(b []byte, key, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, '&')
	b = append(b, key...)
	b = append(b, '=')
	for i := range len(value) {
		c := value[i]
		if isNameByte(c) || strings.IndexByte("-.:,", c) >= 0 {
			b = append(b, c)
			continue
		}
		const digits = "0123456789ABCDEF"
		b = append(b, '%', digits[c>>4], digits[c&15])
	}
	return b
}

// isNameByte reports whether a name of a door may have c.
func isNameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_'
}

// unescape reads what add wrote, and the same with other signs escaped or not.
func unescape(s string) (string, error) {
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '%' {
			n, err := strconv.ParseUint(s[i+1:min(i+3, len(s))], 16, 8)
			if err != nil || i+3 > len(s) {
				return "", errors.New("has a bad % escape")
			}
			c = byte(n)
			i += 2
		}
		b = append(b, c)
	}
	return string(b), nil
}

// CheckPage returns what is wrong with the URL of a knock page. Only http and https are pages: a link is
// opened by a tap, and a javascript: or data: address would run there.
func CheckPage(page string) error {
	scheme, rest, _ := strings.Cut(page, "://")
	scheme = strings.ToLower(scheme)
	odd := func(r rune) bool { return r == ' ' || !strconv.IsPrint(r) || strings.ContainsRune("\"#<>\\^`{|}", r) }
	if scheme != "http" && scheme != "https" || rest == "" || rest[0] == '/' || rest[0] == '?' ||
		len(page) > maxPage || !utf8.ValidString(page) || strings.ContainsFunc(page, odd) {
		return fmt.Errorf("a page begins with http:// or https:// and a host, and has up to %d bytes without spaces and quotes", maxPage)
	}
	return nil
}

// CheckName returns what is wrong with the name of a router.
func CheckName(s string) error {
	if s == "" || len(s) > MaxName || !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
		return fmt.Errorf("a name must be 1 to %d bytes of UTF-8 without control characters", MaxName)
	}
	return nil
}

// checkHost allows what names of hosts are made of, and nothing that could be taken for another
// part of a URL.
func checkHost(s string) error {
	bad := func(r rune) bool { return r > 'z' || !isNameByte(byte(r)) && r != '-' && r != '.' }
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
	bad := func(r rune) bool { return r > 'z' || !isNameByte(byte(r)) }
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

// parseRange reads one port, or the first and the last of several.
func parseRange(s string) (r wire.PortRange, err error) {
	from, to, found := strings.Cut(s, "-")
	if !found {
		to = from
	}
	if r.First, err = parsePort(from, 65535); err != nil {
		return r, err
	}
	if r.Last, err = parsePort(to, 65535); err != nil {
		return r, err
	}
	if r.Last < r.First {
		return r, fmt.Errorf("the port groups must ascend, but %.20q does not", s)
	}
	return r, nil
}

// parseRanges reads groups of ports, which must ascend and have at least two ports in all.
func parseRanges(s string) (ranges []wire.PortRange, err error) {
	count, last := 0, 0
	for text := range strings.SplitSeq(s, ",") {
		r, err := parseRange(text)
		if err != nil {
			return nil, err
		}
		if int(r.First) <= last {
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

func joinRanges(ranges []wire.PortRange, between string) string {
	parts := make([]string, len(ranges))
	for i, r := range ranges {
		parts[i] = r.String()
	}
	return strings.Join(parts, between)
}

func joinPorts(ports []uint16) string {
	ranges := make([]wire.PortRange, len(ports))
	for i, p := range ports {
		ranges[i] = wire.PortRange{First: p, Last: p}
	}
	return joinRanges(ranges, ",")
}

// portText returns a port as text; "" for 0, which stands for none.
func portText(port uint16) string {
	if port == 0 {
		return ""
	}
	return strconv.Itoa(int(port))
}
