// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// spaPrefix is how the encrypted part of each fwknop packet begins: "Salted__" in base64, less its
// last bits. Clients cut it off.
const spaPrefix = "U2FsdGVkX1"

// spaEncoding is base64 without padding, in which each value has one text only.
var spaEncoding = base64.RawStdEncoding.Strict()

// The types of fwknop messages.
const (
	spaCommand       = 0
	spaAccess        = 1
	spaNAT           = 2
	spaAccessTimeout = 3
	spaNATTimeout    = 4
	spaLocalNAT      = 5
	spaLocalTimeout  = 6
)

// The limits of fwknop's own parser, in characters unless noted.
const (
	spaPlainMin   = 36
	spaPlainMax   = 1499
	spaFieldsMin  = 6
	spaFieldsMax  = 9
	spaRandom     = 16
	spaUserText   = 64 // in base64
	spaUser       = 63
	spaStamp      = 12
	spaVersion    = 8
	spaText       = 256 // message, NAT target and server authentication in base64
	spaHost       = 70
	spaTimeoutMax = 65536 // seconds
)

// plausible tells cheaply whether a payload can be a fwknop packet.
func plausible(b []byte) bool {
	if len(b) < spaMin || len(b) > spaMax {
		return false
	}
	switch b[0] { // the rest of '_' of "Salted__", and the first bits of the salt
	case '8', '9', '+', '/':
	default:
		return false
	}
	for _, c := range b {
		if _, ok := sextet(c); !ok {
			return false
		}
	}
	return true
}

// canonical tells whether the unused bits at the end of a base64 text are zero.
func canonical(text []byte) bool {
	last, ok := sextet(text[len(text)-1])
	switch len(text) % 4 {
	case 1:
		return false
	case 2:
		return ok && last&15 == 0
	case 3:
		return ok && last&3 == 0
	}
	return ok
}

// sextet returns the value of a character of base64 (RFC 4648, section 4).
func sextet(c byte) (byte, bool) {
	switch {
	case 'A' <= c && c <= 'Z':
		return c - 'A', true
	case 'a' <= c && c <= 'z':
		return c - 'a' + 26, true
	case '0' <= c && c <= '9':
		return c - '0' + 52, true
	case c == '+':
		return 62, true
	case c == '/':
		return 63, true
	}
	return 0, false
}

// parseSPA reads the plain text of a fwknop packet. The reason is OK, NotAllowed for commands, or
// BadMessage.
func parseSPA(plain []byte) (SPA, Reason) {
	if len(plain) < spaPlainMin || len(plain) > spaPlainMax || !printable(plain) {
		return SPA{}, BadMessage
	}
	end := bytes.LastIndexByte(plain, ':')
	if end < 0 || !digestFits(plain[:end], plain[end+1:]) {
		return SPA{}, BadMessage
	}
	fields := strings.Split(string(plain[:end]), ":")
	if len(fields) < spaFieldsMin || len(fields) > spaFieldsMax {
		return SPA{}, BadMessage
	}
	spa, ok := parseHead(fields)
	kind, okKind := parseNumber(fields[4], 2, spaLocalTimeout)
	if !ok || !okKind {
		return SPA{}, BadMessage
	}
	message, ok := decodeField(fields[5], spaText)
	if !ok {
		return SPA{}, BadMessage
	}
	if spa.Timeout, ok = parseTail(kind, fields[6:]); !ok {
		return SPA{}, BadMessage
	}
	if kind == spaCommand {
		return SPA{}, NotAllowed // never a command from the Internet
	}
	if spa.Allow, spa.Ports, ok = parseAccess(message); !ok {
		return SPA{}, BadMessage
	}
	return spa, OK
}

func printable[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// digestFits checks the inner digest. It is not keyed, so it proves nothing that the HMAC has not.
func digestFits(msg, digest []byte) bool {
	for _, h := range spaHashes {
		state := h.make()
		if spaEncoding.EncodedLen(state.Size()) != len(digest) {
			continue
		}
		state.Write(msg)
		want := spaEncoding.AppendEncode(nil, state.Sum(nil))
		return subtle.ConstantTimeCompare(want, digest) == 1
	}
	return false
}

// parseHead reads what comes before the type: random digits, user, time and version. User and
// version are checked and not used.
func parseHead(fields []string) (spa SPA, ok bool) {
	if len(fields[0]) != spaRandom {
		return SPA{}, false
	}
	if spa.Random, ok = parseNumber(fields[0], spaRandom, 1e16-1); !ok {
		return SPA{}, false
	}
	user, ok := decodeField(fields[1], spaUserText)
	if !ok || user == "" || len(user) > spaUser || strings.ContainsAny(user, `"/\[]:;|=,+*?<>`) {
		return SPA{}, false
	}
	seconds, ok := parseNumber(fields[2], spaStamp, 1e12-1)
	if !ok || len(fields[3]) > spaVersion {
		return SPA{}, false
	}
	spa.Stamp = seconds * 1000
	return spa, true
}

// parseTail reads what may come behind the message: where to forward to, the server's
// authentication (both are checked and not used: the router decides where a door leads) and the
// wished time.
func parseTail(kind uint64, fields []string) (timeout time.Duration, ok bool) {
	hasNAT := kind == spaNAT || kind == spaNATTimeout || kind == spaLocalNAT || kind == spaLocalTimeout
	hasTimeout := kind == spaAccessTimeout || kind == spaNATTimeout || kind == spaLocalTimeout
	if hasNAT {
		if len(fields) == 0 || !natTarget(fields[0]) {
			return 0, false
		}
		fields = fields[1:]
	}
	if hasTimeout {
		if len(fields) == 0 {
			return 0, false
		}
		last := len(fields) - 1
		seconds, ok := parseNumber(fields[last], 5, spaTimeoutMax)
		if !ok {
			return 0, false
		}
		timeout, fields = time.Duration(seconds)*time.Second, fields[:last]
	}
	if len(fields) == 1 {
		_, ok := decodeField(fields[0], spaText)
		return timeout, ok
	}
	return timeout, len(fields) == 0
}

func natTarget(field string) bool {
	text, ok := decodeField(field, spaText)
	host, port, comma := strings.Cut(text, ",")
	_, okPort := parsePort(port)
	return ok && comma && okPort && host != "" && len(host) <= spaHost && !strings.ContainsAny(host, ` /?"'\`)
}

// parseAccess reads "address,proto/port[,proto/port...]"; the address is dotted IPv4, and 0.0.0.0
// stands for the sender.
func parseAccess(message string) (allow netip.Addr, ports []SPAPort, ok bool) {
	address, rest, ok := strings.Cut(message, ",")
	if !ok {
		return netip.Addr{}, nil, false
	}
	allow, err := netip.ParseAddr(address)
	if err != nil || !allow.Is4() {
		return netip.Addr{}, nil, false
	}
	if allow.IsUnspecified() {
		allow = netip.Addr{}
	}
	for pair := range strings.SplitSeq(rest, ",") {
		name, number, _ := strings.Cut(pair, "/")
		port, ok := parsePort(number)
		switch {
		case ok && name == "tcp":
			ports = append(ports, SPAPort{wire.TCP, port})
		case ok && name == "udp":
			ports = append(ports, SPAPort{wire.UDP, port})
		default:
			return netip.Addr{}, nil, false
		}
	}
	return allow, ports, true
}

func parsePort(s string) (uint16, bool) {
	n, ok := parseNumber(s, 5, 65535)
	return uint16(n), ok && n > 0
}

// parseNumber reads a decimal number of at most size digits and at most largest.
func parseNumber(s string, size int, largest uint64) (uint64, bool) {
	if len(s) == 0 || len(s) > size || s[0] == '+' {
		return 0, false
	}
	n, err := strconv.ParseUint(s, 10, 64)
	return n, err == nil && n <= largest
}

// decodeField decodes base64 text of at most size characters into printable text.
func decodeField(field string, size int) (string, bool) {
	if len(field) > size {
		return "", false
	}
	b, err := spaEncoding.DecodeString(field)
	return string(b), err == nil && printable(b)
}
