// SPDX-License-Identifier: Apache-2.0

package config

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The functions below each turn the text of one value into the value. Their errors are the
// reasons that a Problem gives: they say what would be right, and do not repeat the text.

var (
	errBool     = errors.New("want 1 or 0")
	errPort     = errors.New("a port is a number from 1 to 65535")
	errPortEnd  = errors.New("ports end at 65535")
	errDuration = errors.New("times are written like 30s, 10m, 8h or 1h30m")
	errZone     = errors.New("the name of a firewall zone has letters, digits, _ . and - only")
	errDevice   = fmt.Errorf("an interface has a name of 1 to %d characters without spaces, quotes and slashes", MaxInterfaceName)
	errTitle    = fmt.Errorf("a title has up to %d bytes of printable text, without control, direction and zero-width characters", MaxTitle)
	errIPv4     = errors.New("want the IPv4 address of one host, such as 192.168.1.22")
	errIPv6     = errors.New("want the IPv6 address of one host, or the end of one, such as ::22")
	errHost     = errors.New("want a DNS name such as home.example.net, or an address, without http:// and port")
	errMAC      = errors.New("want the hardware address of one device, such as 00:11:22:33:44:55")
	errExpires  = errors.New("want a day such as 2027-01-31, or a time such as 2027-01-31T18:00:00+01:00")
	errNoDay    = errors.New("there is no such day or time")
	errRange    = errors.New("want ports such as 500-600")
	errSpan     = fmt.Errorf("want %d ports (%d times 256), such as 20480-%d", knock.SpanPorts, knock.SpanPorts/256, 20480+knock.SpanPorts-1)
)

// ParseBool takes the words that OpenWrt's own scripts take.
func ParseBool(s string) (bool, error) {
	switch s {
	case "1", "on", "true", "yes", "enabled":
		return true, nil
	case "0", "off", "false", "no", "disabled":
		return false, nil
	}
	return false, errBool
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errPortEnd
	case err != nil || s[0] == '0':
		return 0, errPort
	}
	return uint16(n), nil
}

// parsePortOrOff takes 0 for off.
func parsePortOrOff(s string) (uint16, error) {
	if s == "0" {
		return 0, nil
	}
	return parsePort(s)
}

func parseRange(s string) (wire.PortRange, error) {
	first, last, ok := strings.Cut(s, "-")
	if !ok {
		last = first
	}
	a, err := parsePort(first)
	if err != nil {
		return wire.PortRange{}, err
	}
	b, err := parsePort(last)
	if err != nil {
		return wire.PortRange{}, err
	}
	if b < a {
		return wire.PortRange{}, errRange
	}
	return wire.PortRange{First: a, Last: b}, nil
}

// parseSpan reads the ports of carrier ports: one for each byte value of each byte of a message.
func parseSpan(s string) (wire.PortRange, error) {
	r, err := parseRange(s)
	if err == nil && r.Count() != knock.SpanPorts {
		err = errSpan
	}
	if err != nil {
		return wire.PortRange{}, err
	}
	return r, nil
}

// parseGroups reads port groups such as 500-600,700-854. It sorts them, because a digit is a
// place among all their ports in ascending order.
func parseGroups(s string) ([]wire.PortRange, error) {
	var groups []wire.PortRange
	total := 0
	for word := range strings.SplitSeq(s, ",") {
		r, err := parseRange(strings.TrimSpace(word))
		if err != nil {
			return nil, err
		}
		groups = append(groups, r)
		total += r.Count()
	}
	if len(groups) > MaxPortGroups {
		return nil, fmt.Errorf("%d groups, but there can be %d at the most", len(groups), MaxPortGroups)
	}
	if total < minDigits {
		return nil, fmt.Errorf("want at least %d ports", minDigits)
	}
	sort.SliceStable(groups, func(i, j int) bool { return groups[i].First < groups[j].First })
	for i := 1; i < len(groups); i++ {
		if groups[i].First <= groups[i-1].Last {
			return nil, fmt.Errorf("groups overlap at port %d", groups[i].First)
		}
	}
	return groups, nil
}

func parseLayout(s string) (string, error) {
	if s != layoutOrdered {
		return "", errors.New("the only layout here is ordered; the other one is option 'ports' of section 'main'")
	}
	return s, nil
}

// widthFrom makes the parser of a number of leading bits.
func widthFrom(least, most int) func(string) (int, error) {
	return func(s string) (int, error) {
		n, err := parsePort(s) // a number without sign and leading zeros
		if err != nil || int(n) < least || int(n) > most {
			return 0, fmt.Errorf("want a number of bits from %d to %d (one address)", least, most)
		}
		return int(n), nil
	}
}

// ParseDuration reads a time of hours, minutes and seconds, such as 30s, 10m, 8h or 1h30m.
func ParseDuration(s string) (time.Duration, error) {
	odd := func(r rune) bool { return !strings.ContainsRune("0123456789hms", r) }
	if strings.ContainsFunc(s, odd) || strings.Contains(s, "ms") { // ms would be milliseconds
		return 0, errDuration
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errDuration
	}
	return d, nil
}

// durationFrom returns a function that reads a time within limits.
func durationFrom(least, most time.Duration) func(string) (time.Duration, error) {
	return func(s string) (time.Duration, error) {
		d, err := ParseDuration(s)
		if err == nil && (d < least || d > most) {
			err = fmt.Errorf("want %s to %s", formatDuration(least), formatDuration(most))
		}
		if err != nil {
			return 0, err
		}
		return d, nil
	}
}

// formatDuration writes a time as ParseDuration reads it: 24h, where String has 24h0m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// parseExpires reads the time at which a client's right ends. A day counts to its end, in UTC:
// the router's time zone is not known here.
func parseExpires(s string) (time.Time, error) {
	day, err := time.Parse(time.DateOnly, s)
	if err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	t, err2 := time.Parse(time.RFC3339, s)
	if err2 == nil {
		return t, nil
	}
	if outOfRange(err) || outOfRange(err2) {
		return time.Time{}, errNoDay
	}
	return time.Time{}, errExpires
}

// outOfRange reports whether a time is written as it should be, but is none, such as February 30.
func outOfRange(err error) bool { return strings.HasSuffix(err.Error(), "out of range") }

func parseLevel(s string) (Level, error) {
	switch s {
	case "debug":
		return LevelDebug, nil
	case "info":
		return LevelInfo, nil
	case "warn":
		return LevelWarn, nil
	case "error":
		return LevelError, nil
	}
	return 0, errors.New("want debug, info, warn or error")
}

// parseTitle takes letters, marks, numbers, punctuation, symbols and the common space. What it
// refuses turns the direction of what follows, or makes two titles look the same.
func parseTitle(s string) (string, error) {
	if len(s) > MaxTitle || !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) {
		return "", errTitle
	}
	return s, nil
}

func parseZone(s string) (string, error) {
	odd := func(r rune) bool { return !isNameRune(r) && r != '.' && r != '-' }
	if len(s) > maxZoneName || strings.ContainsFunc(s, odd) {
		return "", errZone
	}
	return s, nil
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}

// parseInterface takes logical names and device names. The kernel's own rule for the latter is
// dev_valid_name in net/core/dev.c.
func parseInterface(s string) (string, error) {
	odd := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/:'"\`, r) }
	if len(s) > MaxInterfaceName || s == "." || s == ".." || strings.ContainsFunc(s, odd) {
		return "", errDevice
	}
	return s, nil
}

func parseProto(s string) (wire.Proto, error) {
	switch s {
	case "tcp":
		return wire.TCP, nil
	case "udp":
		return wire.UDP, nil
	}
	return 0, errors.New("want tcp or udp")
}

func parseService(s string) (string, error) {
	if s != serviceNone && !slices.Contains(link.Services, s) {
		return "", fmt.Errorf("want %s or %s", strings.Join(link.Services, ", "), serviceNone)
	}
	return s, nil
}

func protoName(p wire.Proto) string {
	switch p {
	case wire.TCP:
		return "tcp"
	case wire.UDP:
		return "udp"
	}
	return "icmp"
}

func parseIPv4(s string) (netip.Addr, error) {
	a, err := netip.ParseAddr(s)
	if err != nil || !a.Is4() || !a.IsGlobalUnicast() { // global: no loopback, multicast, broadcast, 0.0.0.0
		return netip.Addr{}, errIPv4
	}
	return a, nil
}

// parseIPv6 also takes the end of an address, in firewall4's form ::22/-64 or as just ::22.
func parseIPv6(s string) (netip.Addr, error) {
	text, suffix := strings.CutSuffix(s, "/-64")
	a, err := netip.ParseAddr(text)
	if err != nil || !a.Is6() || a.Is4In6() || a.Zone() != "" {
		return netip.Addr{}, errIPv6
	}
	b := a.As16()
	isSuffix := [8]byte(b[:8]) == [8]byte{}
	if suffix && !isSuffix || a.IsUnspecified() || !isSuffix && !a.IsGlobalUnicast() {
		return netip.Addr{}, errIPv6
	}
	return a, nil
}

// parseHost reads an address, or a DNS name by the rules for names of hosts (RFC 1123, section 2.1), with the
// underscore that some have. It returns the name without a dot at its end.
func parseHost(s string) (string, error) {
	if a, err := netip.ParseAddr(s); err == nil {
		if a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
			return "", errHost
		}
		return a.Unmap().String(), nil
	}
	name := strings.TrimSuffix(s, ".")
	odd := func(r rune) bool { return !isNameRune(r) && r != '-' }
	for label, rest, more := "", name, true; more; {
		label, rest, more = strings.Cut(rest, ".")
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.ContainsFunc(label, odd) ||
			!more && strings.Trim(label, "0123456789") == "" { // no top-level domain is a number: it is half an address
			return "", errHost
		}
	}
	if len(name) > 253 {
		return "", errHost
	}
	return name, nil
}

func parseName(s string) (string, error) { return s, link.CheckName(s) }

func parsePage(s string) (string, error) { return s, link.CheckPage(s) }

func parseMAC(s string) (wire.MAC, error) {
	m, err := wire.ParseMAC(s)
	const group = 1 // the bit that marks a group address (IEEE 802)
	if err != nil || m[0]&group != 0 || m == (wire.MAC{}) {
		return wire.MAC{}, errMAC
	}
	return m, nil
}

// clientKinds are the words that stand for kinds of clients.
var clientKinds = []struct {
	word string
	kind knock.Kind
}{
	{"latchkey", knock.KindMessage},
	{"fwknop", knock.KindFwknop},
}

func parseKind(s string) (knock.Kind, error) {
	var known []string
	for _, k := range clientKinds {
		if k.word == s {
			return k.kind, nil
		}
		known = append(known, k.word)
	}
	return "", errors.New("want " + strings.Join(known, " or "))
}

// KindWord returns the client's kind as configurations write it.
func (c *Client) KindWord() string {
	for _, k := range clientKinds {
		if k.kind == c.Kind {
			return k.word
		}
	}
	return ""
}

// parseAny takes names of other sections, which are looked up when all are read, and keys, which
// are decoded when the client's kind is known.
func parseAny(s string) (string, error) { return s, nil }

func parseStep(s string) (knock.Step, error) {
	step, err := knock.ParseStep(s)
	if err != nil {
		// A Problem shows the value already.
		return knock.Step{}, errors.New(strings.TrimPrefix(err.Error(), fmt.Sprintf("step %q: ", s)))
	}
	return step, nil
}

// parseOnce reads one entry of a one-time list, and returns it as it is remembered when used:
// the steps with one space between them.
func parseOnce(s string) (string, error) {
	words := strings.Fields(s)
	if len(words) == 0 || len(words) > knock.MaxSteps {
		return "", fmt.Errorf("want 1 to %d steps with spaces between them", knock.MaxSteps)
	}
	for i, w := range words {
		step, err := knock.ParseStep(w)
		if err != nil {
			return "", err
		}
		words[i] = step.String()
	}
	return strings.Join(words, " "), nil
}
