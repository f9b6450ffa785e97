// SPDX-License-Identifier: Apache-2.0

package knockdconf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
)

// openUntold is how long a door is open if knockd left it open until another knock closed it.
const openUntold = 10 * time.Minute

const head = `# Translated from knockd.conf. Look it through, then set enabled to 1 here.
config latchkey 'main'
	option enabled '0'
`

// Translate returns a knockd.conf as a configuration of Latchkey that config.Parse takes. What
// that would refuse, and what has no counterpart, is in it as a comment with the reason.
//
// readFile reads the files of one-time sequences that knockd.conf names; without it (nil) they
// become comments too.
func Translate(text string, readFile func(path string) (string, error)) (string, error) {
	f, err := parse(text)
	if err != nil {
		return "", err
	}
	t := translation{readFile: readFile, names: map[string]bool{"main": true}}
	t.out.WriteString(head)
	if len(f.options) > 0 {
		t.out.WriteString("\n")
		t.comment("[options]")
	}
	for _, line := range f.options {
		t.comment("  %s   (no counterpart)", line)
	}
	for _, e := range f.events {
		t.event(e)
	}
	out := t.out.String()
	if cfg, problems := config.Parse(out); cfg == nil {
		return "", fmt.Errorf("translation has problems:\n%w", problems.Errors())
	}
	return out, nil
}

// translation is what was translated so far.
type translation struct {
	readFile func(string) (string, error)
	out      strings.Builder
	names    map[string]bool // of sections; bounded by MaxSize
	doors    []door
}

// door is a door that commands made.
type door struct {
	name     string
	proto    string
	port     uint16
	inner    uint16
	ip4, ip6 string // of the host; both empty = this machine
	openFor  time.Duration
}

func (t *translation) event(e *event) {
	t.out.WriteString("\n")
	t.comment("[%s] in line %d", e.name, e.line)
	for _, line := range e.shown {
		t.comment("  %s", line)
	}
	var done effect
	for _, command := range e.start {
		one := understand(command)
		done.opens = append(done.opens, one.opens...)
		done.closes = done.closes || one.closes
		done.all = done.all || one.all
	}
	if done.closes && len(done.opens) == 0 {
		t.comment("This knock closes a port. It is not needed: doors close by themselves.")
		return
	}
	if done.all {
		t.comment("knockd opened this for everybody. A door opens only for the sender of the knock.")
	}
	sequence, ok := t.sequence(e)
	if !ok {
		return
	}
	if len(done.opens) == 0 {
		t.comment("What the command does is not known here. Write a door, name it, and enable this.")
		t.add(nil, sequence+"\toption enabled '0'\n")
		return
	}
	doors := t.open(e, done.opens)
	for _, d := range doors {
		sequence += "\tlist door " + quote(d.name) + "\n"
	}
	t.add(doors, sequence)
}

// add writes the doors that are new, and the section of a sequence. If that has problems, it
// becomes a comment.
func (t *translation) add(doors []door, sequence string) {
	var b strings.Builder
	var added []door
	for _, d := range doors {
		if !slices.ContainsFunc(t.doors, func(o door) bool { return o.name == d.name }) {
			added = append(added, d)
			b.WriteString(d.String())
		}
	}
	b.WriteString(sequence)
	cfg, problems := config.Parse(t.out.String() + b.String())
	if cfg != nil {
		t.doors = append(t.doors, added...)
		t.out.WriteString(b.String())
		return
	}
	t.comment("Latchkey refuses this:")
	for _, p := range problems.Errors() {
		p.Line = 0
		t.comment("  %s", p)
	}
	for line := range strings.Lines(b.String()) {
		t.comment("%s", strings.TrimSuffix(line, "\n"))
	}
}

// sequence writes the section of an event's knock. It is false if there is none.
func (t *translation) sequence(e *event) (string, bool) {
	var b strings.Builder
	name := t.name(e.name)
	fmt.Fprintf(&b, "config sequence %s\n", quote(name))
	entries, err := t.once(e)
	if err != nil {
		t.comment("Its one-time sequences are not here: %v", err)
		return "", false
	}
	for _, entry := range entries {
		fmt.Fprintf(&b, "\tlist once %s\n", quote(entry))
	}
	if e.onceFile == "" {
		steps, err := e.steps(e.sequence)
		if err != nil {
			t.comment("It has no sequence that could be used: %v", err)
			return "", false
		}
		for _, s := range steps {
			fmt.Fprintf(&b, "\tlist step %s\n", quote(s))
		}
	}
	within := min(max(e.seqTimeout, config.MinWithin), config.MaxWithin)
	if within != e.seqTimeout {
		t.comment("seq_timeout was %s; the limits are %s and %s.", formatTime(e.seqTimeout), formatTime(config.MinWithin), formatTime(config.MaxWithin))
	}
	fmt.Fprintf(&b, "\toption within '%s'\n", formatTime(within))
	return b.String(), true
}

// once reads the list of one-time sequences. Used ones, which knockd marks with #, and what is no
// sequence are left out, as knockd does.
func (t *translation) once(e *event) ([]string, error) {
	if e.onceFile == "" {
		return nil, nil
	}
	if t.readFile == nil {
		return nil, fmt.Errorf("they are in %s", e.onceFile)
	}
	text, err := t.readFile(e.onceFile)
	if err != nil {
		return nil, err
	}
	var entries []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		steps, err := e.steps(line)
		entry := strings.Join(steps, " ")
		if err != nil || slices.Contains(entries, entry) {
			continue
		}
		if len(entries) == config.MaxOnce {
			t.comment("%s has more than %d sequences: the rest is not here.", e.onceFile, config.MaxOnce)
			break
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s has no unused one", e.onceFile)
	}
	return entries, nil
}

// open returns the doors for what an event opens. Doors that are there already are used again.
func (t *translation) open(e *event, targets []target) []door {
	openFor := min(max(e.cmdTimeout, config.MinOpenFor), config.MaxOpenFor)
	switch {
	case !e.stops:
		openFor = openUntold
		t.comment("knockd left this open. A door closes by itself, this one after %s; open connections live on.", formatTime(openFor))
	case openFor != e.cmdTimeout:
		t.comment("cmd_timeout was %s; the limits are %s and %s.", formatTime(e.cmdTimeout), formatTime(config.MinOpenFor), formatTime(config.MaxOpenFor))
	}
	var doors []door
	for _, x := range targets {
		want := door{proto: x.proto, port: x.port, inner: x.inner, openFor: openFor}
		if a, err := netip.ParseAddr(x.host); err == nil && a.Is4() {
			want.ip4 = x.host
		} else if err == nil {
			want.ip6 = x.host
		}
		if i := slices.IndexFunc(doors, want.joins); i >= 0 {
			doors[i].ip4 = max(doors[i].ip4, want.ip4)
			doors[i].ip6 = max(doors[i].ip6, want.ip6)
			continue
		}
		doors = append(doors, want)
	}
	for i := range doors {
		same := func(o door) bool { o.name = ""; return o == doors[i] }
		if n := slices.IndexFunc(t.doors, same); n >= 0 {
			doors[i] = t.doors[n]
		} else {
			doors[i].name = t.name(fmt.Sprintf("%s%d", strings.ReplaceAll(doors[i].proto, " ", "_"), doors[i].port))
		}
	}
	return doors
}

// joins tells whether d and o can be one door: the same, or the IPv4 and the IPv6 side of it.
func (d door) joins(o door) bool {
	local := d.ip4 == "" && d.ip6 == ""
	return d.proto == o.proto && d.port == o.port && d.inner == o.inner && d.openFor == o.openFor &&
		local == (o.ip4 == "" && o.ip6 == "") &&
		(d.ip4 == "" || o.ip4 == "" || d.ip4 == o.ip4) && (d.ip6 == "" || o.ip6 == "" || d.ip6 == o.ip6)
}

// String is the door's section.
func (d door) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config door %s\n", quote(d.name))
	for word := range strings.FieldsSeq(d.proto) {
		fmt.Fprintf(&b, "\tlist proto '%s'\n", word)
	}
	fmt.Fprintf(&b, "\toption port '%d'\n", d.port)
	if d.ip4 != "" || d.ip6 != "" {
		b.WriteString("\toption dest 'lan'\n")
	}
	if d.ip4 != "" {
		fmt.Fprintf(&b, "\toption dest_ip %s\n", quote(d.ip4))
	}
	if d.ip6 != "" {
		fmt.Fprintf(&b, "\toption dest_ip6 %s\n", quote(d.ip6))
	}
	if d.inner != 0 && (d.ip4 != "" || d.ip6 != "") {
		fmt.Fprintf(&b, "\toption dest_port '%d'\n", d.inner)
	}
	fmt.Fprintf(&b, "\toption open_for '%s'\n\n", formatTime(d.openFor))
	return b.String()
}

// name makes a section name that was not used before. UCI has one space of names for all types.
func (t *translation) name(wish string) string {
	plain := func(r rune) rune {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' {
			return r
		}
		return '_'
	}
	const suffix = 6 // room for _65536; there cannot be more sections
	base := strings.Map(plain, wish)
	base = base[:min(len(base), config.MaxName-suffix)]
	name := base
	for n := 2; t.names[name] || name == ""; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	t.names[name] = true
	return name
}

// comment writes one line of a comment.
func (t *translation) comment(format string, args ...any) {
	printable := func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '?'
		}
		return r
	}
	t.out.WriteString(strings.TrimRight("# "+strings.Map(printable, fmt.Sprintf(format, args...)), " ") + "\n")
}

// quote writes a value as UCI text.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// formatTime writes a time of whole seconds in the largest unit that fits.
func formatTime(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%ds", d/time.Second)
}
