// SPDX-License-Identifier: Apache-2.0

// Package sealtest reads the vectors of testdata/vectors, whose format its README describes.
//
// It checks only that a file is well formed; what it says is for the tests that use it.
//
// It is not meant for other programs.
package sealtest

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// Vector is one file: a router, what it saw before, one message, and what must come of it.
type Vector struct {
	Name   string // of the file, without its extension
	About  string
	Expect string // a failure word, or "ok"

	Now     time.Time // when the message arrives
	Synced  bool      // the router's clock is synchronised
	Doors   []Door
	Clients []Client
	Earlier []Arrival // messages that were received before, in this run
	From    netip.Addr
	Message []byte

	// What is also known of the outcome; each may be missing.
	By     string        // the client whose key fits
	Body   string        // what the message says, as bytes in hex
	Opens  []Grant       // all of them
	Closes []Grant       // all of them; For is 0
	Ahead  time.Duration // the sender's clock, of a stale message

	// How carriers carry the message; each may be missing.
	Username string // of carrier stun
	Slots    Slots
	Ordered  []Ordered
}

// Door is a door of the router.
type Door struct {
	Name             string
	OpenFor, MaxOpen time.Duration
	Disabled         bool
}

// Client is a client of the router.
type Client struct {
	Name     string
	Key      seal.Key
	Doors    []string
	Expires  time.Time // zero = never
	Disabled bool
	Past     seal.Past // stored before the router started
}

// Arrival is a message and where it came from.
type Arrival struct {
	At      time.Time
	From    netip.Addr
	Message []byte
	Refused bool // for another reason than that it is a copy
	Synced  bool // the router's clock was synchronised then
}

// Grant is one address's use of a door.
type Grant struct {
	Door    string
	Address netip.Addr
	For     time.Duration
}

// Slots is the message in 24 slots of ports.
type Slots struct {
	Base  uint16
	Ports []uint16
}

// Ordered is the message as digits.
type Ordered struct {
	Groups                [][2]uint16 // first and last port
	Header, Footer, Ports []uint16
}

// Load reads all vectors of a directory.
func Load(dir fs.FS) ([]Vector, error) {
	names, err := fs.Glob(dir, "*.txt")
	if err != nil {
		return nil, err
	}
	var all []Vector
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		v, err := parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		v.Name = strings.TrimSuffix(name, ".txt")
		all = append(all, v)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no vectors")
	}
	return all, nil
}

func parse(text string) (Vector, error) {
	var v Vector
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, value, found := strings.Cut(line, ": ")
		if !found {
			return v, fmt.Errorf("line %q has no key", line)
		}
		l := words{all: strings.Fields(value)}
		v.set(key, value, &l)
		if l.err != nil {
			return v, fmt.Errorf("line %q: %w", line, l.err)
		}
	}
	if v.Expect == "" || v.Now.IsZero() || !v.From.IsValid() || v.Message == nil {
		return v, fmt.Errorf("one of expect, now, from and message is missing")
	}
	return v, nil
}

// set takes one line. A key that is not known is an error: a vector that is half understood
// proves nothing.
func (v *Vector) set(key, value string, l *words) {
	switch key {
	case "about":
		v.About = value
	case "expect":
		v.Expect = l.next()
	case "now":
		v.Now = time.UnixMilli(l.number()).UTC()
	case "clock":
		v.Synced = l.oneOf("synchronised", "free") == "synchronised"
	case "door":
		v.Doors = append(v.Doors, Door{Name: l.next(), OpenFor: l.seconds(), MaxOpen: l.seconds()})
	case "client":
		v.Clients = append(v.Clients, Client{Name: l.next(), Key: l.key(), Doors: strings.Split(l.next(), ",")})
	case "expires", "floor", "received", "disabled":
		v.change(key, l)
	case "earlier", "earlier-free", "refused", "refused-free":
		word, free := strings.CutSuffix(key, "-free")
		v.Earlier = append(v.Earlier, Arrival{
			At: v.Now.Add(time.Duration(l.number()) * time.Millisecond), From: l.address(), Message: l.bytes(),
			Refused: word == "refused", Synced: v.Synced && !free,
		})
	case "from":
		v.From = l.address()
	case "message":
		v.Message = l.bytes()
	case "by":
		v.By = l.next()
	case "body":
		v.Body = l.next()
	case "opens":
		v.Opens = append(v.Opens, Grant{Door: l.next(), Address: l.address(), For: l.seconds()})
	case "closes":
		v.Closes = append(v.Closes, Grant{Door: l.next(), Address: l.address()})
	case "ahead":
		v.Ahead = time.Duration(l.number()) * time.Millisecond
	case "username":
		v.Username = l.next()
	case "slots":
		v.Slots = Slots{Base: uint16(l.number()), Ports: l.ports()}
	case "ordered":
		v.Ordered = append(v.Ordered, Ordered{Groups: l.groups(), Header: l.ports(), Footer: l.ports(), Ports: l.ports()})
	default:
		l.fail("unknown key")
	}
}

// change is for the lines that say more about a client or door of an earlier line.
func (v *Vector) change(key string, l *words) {
	name := l.next()
	for i := range v.Clients {
		c := &v.Clients[i]
		if c.Name != name {
			continue
		}
		switch key {
		case "expires":
			c.Expires = time.UnixMilli(l.number()).UTC()
		case "floor":
			c.Past.Floor = uint64(l.number())
		case "received":
			span := seal.Span{First: uint64(l.number()), Last: uint64(l.number())}
			span.Accepted = l.oneOf("accepted", "refused") == "accepted"
			c.Past.Spans = append(c.Past.Spans, span)
		case "disabled":
			c.Disabled = true
		}
		return
	}
	for i := range v.Doors {
		if v.Doors[i].Name == name && key == "disabled" {
			v.Doors[i].Disabled = true
			return
		}
	}
	l.fail("no such client or door")
}

// words reads the words of a line one by one and keeps the first error.
type words struct {
	all []string
	err error
}

func (w *words) fail(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format, args...)
	}
}

func (w *words) next() string {
	if len(w.all) == 0 {
		w.fail("a word is missing")
		return ""
	}
	word := w.all[0]
	w.all = w.all[1:]
	return word
}

func (w *words) check(err error) {
	if err != nil {
		w.fail("%w", err)
	}
}

func (w *words) oneOf(allowed ...string) string {
	word := w.next()
	for _, a := range allowed {
		if word == a {
			return word
		}
	}
	w.fail("%q is none of %v", word, allowed)
	return ""
}

func (w *words) number() int64 {
	n, err := strconv.ParseInt(w.next(), 10, 64)
	w.check(err)
	return n
}

func (w *words) seconds() time.Duration { return time.Duration(w.number()) * time.Second }

func (w *words) key() seal.Key {
	k, err := seal.ParseKey(w.next())
	w.check(err)
	return k
}

func (w *words) address() netip.Addr {
	a, err := netip.ParseAddr(w.next())
	w.check(err)
	return a
}

func (w *words) bytes() []byte {
	b, err := hex.DecodeString(w.next())
	w.check(err)
	return b
}

// ports reads a list with commas; "-" is an empty one.
func (w *words) ports() (ports []uint16) {
	list := w.next()
	if list == "-" {
		return nil
	}
	for text := range strings.SplitSeq(list, ",") {
		port, err := strconv.ParseUint(text, 10, 16)
		w.check(err)
		ports = append(ports, uint16(port))
	}
	return ports
}

func (w *words) groups() (groups [][2]uint16) {
	for text := range strings.SplitSeq(w.next(), ",") {
		first, last, _ := strings.Cut(text, "-")
		f, err := strconv.ParseUint(first, 10, 16)
		w.check(err)
		l, err := strconv.ParseUint(last, 10, 16)
		w.check(err)
		groups = append(groups, [2]uint16{uint16(f), uint16(l)})
	}
	return groups
}
