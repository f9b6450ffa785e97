// SPDX-License-Identifier: Apache-2.0

package knockdconf

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxSize is the longest knockd.conf that is read, in bytes.
const MaxSize = 64 << 10

// What holds in knockd where a directive is not there (knockd(1), SEQ_TIMEOUT and CMD_TIMEOUT in
// its source).
const (
	defaultSeqTimeout = 25 * time.Second
	defaultCmdTimeout = 10 * time.Second
)

// event is one section of knockd.conf: a knock, and what it does.
type event struct {
	name       string
	line       int
	sequence   string // as written: 7000,8000:udp
	onceFile   string
	seqTimeout time.Duration
	flags      []string // of TCP, such as "syn" and "!ack"
	start      []string // the commands for IPv4 and IPv6
	stops      bool     // there is a command for closing
	cmdTimeout time.Duration
	shown      []string // directives to show: commands, and what has no counterpart
}

// file is what a knockd.conf says.
type file struct {
	options []string // of section [options], only shown
	events  []*event
}

// parse reads the grammar of knockd.conf as knockd does: sections in brackets, directives in any
// case, comments only on lines of their own.
func parse(text string) (*file, error) {
	if len(text) > MaxSize {
		return nil, fmt.Errorf("text has %d bytes, but at most %d are read", len(text), MaxSize)
	}
	var (
		f     file
		errs  []error
		now   *event
		begun bool // a section has begun
	)
	line := 0
	for raw := range strings.Lines(text) {
		line++
		s := strings.TrimSpace(raw)
		switch {
		case s == "" || s[0] == '#':
		case s[0] == '[' && s[len(s)-1] == ']':
			begun, now = true, nil
			if name := strings.TrimSpace(s[1 : len(s)-1]); name != "options" {
				now = &event{name: name, line: line, seqTimeout: defaultSeqTimeout, cmdTimeout: defaultCmdTimeout}
				f.events = append(f.events, now)
			}
		case !begun:
			errs = append(errs, fmt.Errorf("line %d: a directive comes before the first section", line))
		case now == nil:
			f.options = append(f.options, s)
		default:
			if err := now.directive(s); err != nil {
				errs = append(errs, fmt.Errorf("line %d: %w", line, err))
			}
		}
	}
	if len(errs) == 0 && len(f.events) == 0 {
		errs = append(errs, errors.New("no section with a knock in it: this is no knockd.conf"))
	}
	return &f, errors.Join(errs...)
}

// directive takes one line of an event.
func (e *event) directive(s string) (err error) {
	key, value, ok := strings.Cut(s, "=")
	key = lower(strings.TrimSpace(key))
	value = strings.TrimSpace(value)
	if !ok {
		return fmt.Errorf("%q has no value", key)
	}
	switch key {
	case "sequence":
		e.sequence = value
	case "one_time_sequences":
		e.onceFile = value
	case "seq_timeout", "timeout":
		e.seqTimeout, err = seconds(value)
	case "cmd_timeout":
		e.cmdTimeout, err = seconds(value)
	case "tcpflags":
		e.flags = strings.Split(lower(strings.ReplaceAll(value, " ", "")), ",")
	case "start_command", "command", "start_command_6", "command_6":
		e.start = append(e.start, value)
		e.shown = append(e.shown, s)
	case "stop_command", "stop_command_6":
		e.stops = e.stops || value != ""
		e.shown = append(e.shown, s)
	default: // target, and what forks of knockd added
		e.shown = append(e.shown, s+"   (no counterpart)")
	}
	return err
}

// seconds reads a number of seconds of up to a year.
func seconds(s string) (time.Duration, error) {
	const most = 365 * 24 * 3600
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n > most {
		return 0, fmt.Errorf("%q is no number of seconds from 0 to %d", s, most)
	}
	return time.Duration(n) * time.Second, nil
}

// steps translates a sequence such as 7000,8000:udp. Flags apply to the steps of TCP.
func (e *event) steps(sequence string) ([]string, error) {
	flags := ""
	// A step without flags is a SYN already, and nothing but a SYN opens a connection.
	if len(e.flags) > 0 && !(len(e.flags) == 1 && e.flags[0] == "syn") {
		flags = ":" + strings.Join(e.flags, ",")
	}
	var steps []string
	for word := range strings.SplitSeq(sequence, ",") {
		port, proto, ok := strings.Cut(word, ":")
		proto = lower(strings.TrimSpace(proto))
		n, err := strconv.ParseUint(strings.TrimSpace(port), 10, 16)
		if err != nil || n == 0 {
			return nil, fmt.Errorf("%q is no port", strings.TrimSpace(port))
		}
		switch {
		case !ok, proto == "tcp":
			steps = append(steps, fmt.Sprintf("%d/tcp%s", n, flags))
		case proto == "udp":
			steps = append(steps, fmt.Sprintf("%d/udp", n))
		default:
			return nil, fmt.Errorf("%q is no protocol of a knock", proto)
		}
	}
	return steps, nil
}

// lower is strings.ToLower for ASCII, which the words of knockd and iptables are, without the tables
// of Unicode.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}
