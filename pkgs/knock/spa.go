// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// spaPrefix is how the encrypted part of each fwknop packet begins: "Salted__" in base64, less its
// last bits. Clients cut it off.
const spaPrefix = "U2FsdGVkX1"

// spaFirst are the characters that come then: the last bits of '_', and the first two of the salt.
const spaFirst = "+/89"

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

// plausible reports, cheaply, whether a payload can be a fwknop packet.
func plausible(b []byte) bool {
	if len(b) < spaMin || len(b) > spaMax {
		return false
	}
	if strings.IndexByte(spaFirst, b[0]) < 0 {
		return false
	}
	for _, c := range b {
		if _, ok := sextet(c); !ok {
			return false
		}
	}
	return true
}

// canonical reports whether the unused bits at the end of a base64 text are zero.
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

// errDecrypt is for text that is none. CBC is what every client uses by default; that
// another mode was used cannot be told from another key.
var errDecrypt = errors.New("the HMAC key fits, but decrypting gives no text: the encryption key is another one, " +
	"or the cipher mode (only CBC is understood)")

// errCommand is for packets that want a program to run.
var errCommand = errors.New("it asks the router to run a command: no knock does that")

// parseSPA reads the plain text of a fwknop packet. The error, which is errCommand, errDecrypt or names
// the field that is wrong, is for the client's owner: the HMAC was right.
func parseSPA(plain []byte) (SPA, error) {
	// What decrypts wrongly is noise, whose padding is right by chance once in 256 times.
	if !printable(plain) {
		return SPA{}, errDecrypt
	}
	if len(plain) < spaPlainMin || len(plain) > spaPlainMax {
		return SPA{}, fmt.Errorf("its text has %d characters, %d to %d are the limits", len(plain), spaPlainMin, spaPlainMax)
	}
	end := bytes.LastIndexByte(plain, ':')
	if err := checkDigest(plain[:end], plain[end+1:]); err != nil {
		return SPA{}, err
	}
	fields := strings.Split(string(plain[:end]), ":")
	if len(fields) < spaFieldsMin || len(fields) > spaFieldsMax {
		return SPA{}, fmt.Errorf("it has %d fields, %d to %d are the limits", len(fields), spaFieldsMin, spaFieldsMax)
	}
	spa, err := parseHead(fields)
	if err != nil {
		return SPA{}, err
	}
	kind, ok := parseNumber(fields[4], 2, spaLocalTimeout)
	if !ok {
		return SPA{}, fmt.Errorf("its message type is %q, 0 to %d are known", fields[4], spaLocalTimeout)
	}
	message, err := decodeField("access request", fields[5], spaText)
	if err != nil {
		return SPA{}, err
	}
	if err := spa.parseTail(kind, fields[6:]); err != nil {
		return SPA{}, err
	}
	if kind == spaCommand {
		return SPA{}, errCommand
	}
	if spa.Allow, spa.Ports, err = parseAccess(message); err != nil {
		return SPA{}, err
	}
	return spa, nil
}

func printable[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}

// checkDigest checks the inner digest. It is not keyed, so it proves nothing that the HMAC has not.
func checkDigest(msg, digest []byte) error {
	known := false
	for _, h := range spaHashes {
		if h.text != len(digest) {
			continue
		}
		known = true
		state := h.make()
		state.Write(msg)
		if want := spaEncoding.AppendEncode(nil, state.Sum(nil)); subtle.ConstantTimeCompare(want, digest) == 1 {
			return nil
		}
	}
	if !known {
		return fmt.Errorf("its inner digest has %d characters: want one of MD5, SHA-1, SHA-2 or SHA-3", len(digest))
	}
	return errors.New("its inner digest does not fit")
}

// parseHead reads what comes before the type: random digits, user, time and version. User and
// version are checked and not used.
func parseHead(fields []string) (spa SPA, err error) {
	var ok bool
	if spa.Random, ok = parseNumber(fields[0], spaRandom, 1e16-1); !ok || len(fields[0]) != spaRandom {
		return SPA{}, fmt.Errorf("its random number has not %d digits", spaRandom)
	}
	user, err := decodeField("user name", fields[1], spaUserText)
	if err != nil {
		return SPA{}, err
	}
	if user == "" || len(user) > spaUser || strings.ContainsAny(user, `"/\[]:;|=,+*?<>`) {
		return SPA{}, fmt.Errorf("its user name has to be 1 to %d characters without punctuation", spaUser)
	}
	seconds, ok := parseNumber(fields[2], spaStamp, 1e12-1)
	if !ok {
		return SPA{}, fmt.Errorf("its time is no number of seconds of up to %d digits", spaStamp)
	}
	if len(fields[3]) > spaVersion {
		return SPA{}, fmt.Errorf("its version has %d characters, %d are the limit", len(fields[3]), spaVersion)
	}
	spa.Stamp = seconds * 1000
	return spa, nil
}

// parseTail reads what may come behind the message: where to forward to, the server's
// authentication (checked and not used) and the wished time.
func (spa *SPA) parseTail(kind uint64, fields []string) (err error) {
	switch kind {
	case spaNAT, spaNATTimeout, spaLocalNAT, spaLocalTimeout:
		if len(fields) == 0 {
			return errors.New("it asks to be forwarded, and does not say where to")
		}
		if spa.Target, err = parseTarget(fields[0]); err != nil {
			return err
		}
		spa.Target.Local = kind == spaLocalNAT || kind == spaLocalTimeout
		fields = fields[1:]
	}
	switch kind {
	case spaAccessTimeout, spaNATTimeout, spaLocalTimeout:
		if len(fields) == 0 {
			return errors.New("its wished time is missing")
		}
		last := len(fields) - 1
		seconds, ok := parseNumber(fields[last], 5, spaTimeoutMax)
		if !ok {
			return fmt.Errorf("its wished time is %.12q, 0 to %d seconds are the limits", fields[last], spaTimeoutMax)
		}
		spa.Timeout, fields = time.Duration(seconds)*time.Second, fields[:last]
	}
	switch len(fields) {
	case 0:
		return nil
	case 1:
		_, err = decodeField("server authentication", fields[0], spaText)
		return err
	}
	return fmt.Errorf("it has %d fields more than its message type has", len(fields)-1)
}

// parseTarget reads "host,port".
func parseTarget(field string) (SPATarget, error) {
	text, err := decodeField("target to forward to", field, spaText)
	if err != nil {
		return SPATarget{}, err
	}
	host, number, _ := strings.Cut(text, ",")
	port, ok := parsePort(number)
	if !ok || host == "" || len(host) > spaHost || strings.ContainsAny(host, ` /?"'\`) {
		return SPATarget{}, errors.New("its target to forward to is not one of the form host,port")
	}
	return SPATarget{Host: host, Port: port}, nil
}

// parseAccess reads "address,proto/port[,proto/port...]"; the address is dotted IPv4, and 0.0.0.0
// stands for the sender.
func parseAccess(message string) (allow netip.Addr, ports []SPAPort, err error) {
	address, rest, ok := strings.Cut(message, ",")
	if !ok {
		return netip.Addr{}, nil, errors.New("its access request names no port")
	}
	allow, err = netip.ParseAddr(address)
	if err != nil || !allow.Is4() {
		return netip.Addr{}, nil, fmt.Errorf("its address to be let in is %.40q, which is no IPv4 address", address)
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
			return netip.Addr{}, nil, fmt.Errorf("it asks for %.24q: a port is written as tcp/22 or udp/1194, from 1 to 65535", pair)
		}
	}
	return allow, ports, nil
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
func decodeField(name, field string, size int) (string, error) {
	if len(field) > size {
		return "", fmt.Errorf("its %s has %d characters of base64, %d are the limit", name, len(field), size)
	}
	b, err := seal.Unbase64(spaEncoding, field)
	if err != nil || !printable(b) {
		return "", fmt.Errorf("its %s is no printable text in base64", name)
	}
	return string(b), nil
}
