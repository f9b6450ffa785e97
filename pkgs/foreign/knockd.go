// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// What holds in knockd where a directive is not there, in seconds (knockd(1), SEQ_TIMEOUT and
// CMD_TIMEOUT in its source).
const (
	defaultSeqTimeout = 25
	defaultCmdTimeout = 10
	defaultInterface  = "eth0"
)

// knockdWords are the directives of a knock.
const knockdWords = " sequence one_time_sequences tcpflags target seq_timeout cmd_timeout start_command start_command_6 " +
	"stop_command stop_command_6 usesyslog "

// knockdName returns knockd's own name of a directive, which some have two of; "" if it is none.
func knockdName(name string) string {
	switch name = lower(name); name {
	case "command", "command_6":
		name = "start_" + name
	case "timeout":
		name = "seq_timeout"
	}
	if !among(knockdWords, name) {
		return ""
	}
	return name
}

// isKnockd reports whether a name is a directive of knockd.
func isKnockd(name string) bool {
	return knockdName(name) != "" || among(" interface logfile pidfile ", lower(name))
}

// knockdConf reads knockd.conf as knockd does: sections in brackets, directives in any case, comments
// only on lines of their own.
func (t *translation) knockdConf(text string) {
	var list []section
	line := 0
	for _, raw := range strings.Split(text, "\n") {
		line++
		s := strings.TrimSpace(raw)
		if s == "" || s[0] == '#' {
			continue
		}
		if s[0] == '[' && s[len(s)-1] == ']' {
			list = append(list, section{name: s[1 : len(s)-1], line: line})
			continue
		}
		if len(list) == 0 {
			t.comment("Line %d is in no section, for which knockd refuses the file.", line)
			continue
		}
		now := &list[len(list)-1]
		if key, value, ok := strings.Cut(s, "="); ok {
			now.list = append(now.list, directive{lower(strings.TrimSpace(key)), strings.TrimSpace(value), line})
		} else {
			now.odd = append(now.odd, oddLine(s, line))
		}
	}
	t.knockd(list)
}

// oddLine says what a line without a value is. Its text may be anything, also a key.
func oddLine(s string, line int) string {
	if lower(s) == "usesyslog" {
		return s
	}
	return fmt.Sprintf("line %d, which is no directive", line)
}

// knockdUCI reads the UCI file from which some packages for OpenWrt make a knockd.conf.
func (t *translation) knockdUCI(text string) {
	list := t.uciSections(text, lower)
	for i := range list {
		if !list[i].isKnock() {
			list[i].name = "options"
		}
	}
	t.knockd(list)
}

// isKnock reports whether a section of knockd has something to knock.
func (s *section) isKnock() bool {
	_, steps := s.get("sequence")
	_, once := s.get("one_time_sequences")
	return steps || once
}

// knockd translates the sections of either file.
func (t *translation) knockd(list []section) {
	device := ""
	for i := range list {
		if lower(list[i].name) == "options" && !list[i].isKnock() {
			list[i].name = "options"
			t.knockdOptions(&list[i], &device)
		}
	}
	if device == "" {
		device = defaultInterface
	}
	near := func(name string) bool {
		return name == device || strings.HasPrefix(name, "ppp") || strings.HasPrefix(name, "wan")
	}
	list = slices.DeleteFunc(list, func(s section) bool { return s.name == "options" && !s.isKnock() })
	for i := range list {
		if t.full(i, len(list)) {
			return
		}
		t.event(newEvent(&list[i]), near)
	}
}

// knockdOptions looks at what holds for all knocks.
func (t *translation) knockdOptions(s *section, device *string) {
	t.out.WriteString("\n")
	t.comment("[options]")
	for _, d := range s.list {
		if d.name == "interface" {
			*device, _, _ = strings.Cut(d.value, " ")
			t.takenFrom(d, "device", *device)
			continue
		}
		t.comment("  %s   (no counterpart)", d.shown())
	}
	for _, line := range s.odd {
		t.comment("  %s   (no counterpart)", line)
	}
}

// takenFrom returns how knocks are taken from an interface or a device that d names.
func (t *translation) takenFrom(d directive, option, name string) {
	t.comment("  %s = %s   (knocks are taken from wan and wan6 here; on other systems than OpenWrt, and for another one, write into section main:)", d.name, d.value)
	t.comment("	list %s %s", option, quote(name))
}

// event is one knock of knockd, and what it does.
type event struct {
	name       string
	line       int
	sequence   string // as written: 7000,8000:udp
	onceFile   string
	seqTimeout int      // seconds
	flags      []string // of TCP, such as "syn" and "!ack"
	start      []string // the commands for IPv4 and IPv6
	stop       []string
	cmdTimeout int // seconds
	target     string
	notes      []string // how its values were read
	shown      []string // its commands, and what has no counterpart
}

func newEvent(s *section) *event {
	e := &event{name: strings.TrimSpace(s.name), line: s.line, seqTimeout: defaultSeqTimeout, cmdTimeout: defaultCmdTimeout}
	last := map[string]int{} // where the directive stands that counts; bounded by MaxSize
	for i, d := range s.list {
		name := knockdName(d.name)
		if name == "" {
			e.show("%s   (no counterpart)", d.shown())
			continue
		}
		if _, twice := last[name]; twice && name != "usesyslog" {
			e.note("%s is there twice: the last one counts, as in knockd.", name)
			e.show("(%s = %s)", name, s.list[last[name]].value)
		}
		last[name] = i
	}
	for i, d := range s.list {
		if name := knockdName(d.name); name != "" && last[name] == i {
			e.directive(name, d.value)
		}
	}
	for _, line := range s.odd {
		e.show("%s   (no counterpart)", line)
	}
	return e
}

func (e *event) note(format string, args ...any) {
	e.notes = append(e.notes, fmt.Sprintf(format, args...))
}

func (e *event) show(format string, args ...any) {
	e.shown = append(e.shown, fmt.Sprintf(format, args...))
}

// directive takes one directive by knockd's name of it.
func (e *event) directive(name, value string) {
	switch name {
	case "sequence":
		e.sequence = value
	case "one_time_sequences":
		e.onceFile = value
	case "seq_timeout":
		e.seqTimeout = e.seconds(name, value)
	case "cmd_timeout":
		e.cmdTimeout = e.seconds(name, value)
	case "tcpflags":
		flags, _, _ := strings.Cut(value, "#")
		e.flags = strings.Split(lower(strings.Join(strings.Fields(flags), "")), ",")
	case "target":
		e.target = value
		e.show("target = %s", value)
	case "start_command", "start_command_6":
		if value != "" {
			e.start = append(e.start, value)
		}
		e.show("%s = %s", name, value)
	case "stop_command", "stop_command_6":
		if value != "" {
			e.stop = append(e.stop, value)
		}
		e.show("%s = %s", name, value)
	}
}

// seconds reads a number as knockd does, whatever is behind it.
func (e *event) seconds(name, value string) int {
	n, rest := atoi(value)
	switch rest {
	case "", "s", "sec", "seconds":
	default:
		if rest[0] != '#' && rest[0] != ';' {
			e.note("%s = %s is read as %d seconds, as knockd does.", name, value, n)
		}
	}
	return n
}

// atoi is that of C, up to a year of seconds: the number that s begins with, and the rest.
func atoi(s string) (n int, rest string) {
	const most = 365 * 24 * 3600
	s = strings.TrimSpace(s)
	digits := strings.TrimLeft(s, "+-")
	rest = strings.TrimLeft(digits, "0123456789")
	digits = digits[:len(digits)-len(rest)]
	if len(s)-len(digits)-len(rest) > 1 || digits == "" {
		return 0, s
	}
	v, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || v > most {
		v = most
	}
	if n = int(v); s[0] == '-' {
		n = -n
	}
	return n, strings.TrimSpace(rest)
}

// steps translates a sequence such as 7000,8000:udp. Flags apply to the steps of TCP.
func (e *event) steps(sequence string) ([]string, error) {
	flags := ""
	// A step without flags is a SYN already, and nothing but a SYN opens a connection.
	if len(e.flags) > 0 && !(len(e.flags) == 1 && e.flags[0] == "syn") {
		flags = ":" + strings.Join(e.flags, ",")
	}
	sequence, _, _ = strings.Cut(sequence, "#")
	var steps []string
	for _, word := range strings.Split(sequence, ",") {
		port, proto, hasProto := strings.Cut(word, ":")
		proto = lower(strings.TrimSpace(proto))
		n, rest := atoi(port)
		switch {
		case n < 1 || n > 65535:
			return nil, fmt.Errorf("%q is no port", strings.TrimSpace(port))
		case strings.ContainsAny(rest, "0123456789/"):
			return nil, fmt.Errorf("knockd reads only the %d of %q: ports have commas between, and a protocol is written %d:udp", n, strings.TrimSpace(port), n)
		case !hasProto, proto == "tcp":
			steps = append(steps, fmt.Sprintf("%d/tcp%s", n, flags))
		case proto == "udp":
			steps = append(steps, fmt.Sprintf("%d/udp", n))
		default:
			return nil, fmt.Errorf("%q is no protocol of a knock", proto)
		}
	}
	return steps, nil
}
