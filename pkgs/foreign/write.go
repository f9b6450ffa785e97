// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/command"
	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// translation is what was translated so far.
type translation struct {
	readFile func(string) (string, error)
	base     string          // a configuration that can be used
	basePort uint16          // spa_port in it; 0 = not set
	valid    string          // base, and behind it the sections that were added
	out      strings.Builder // sections and comments
	comments int
	names    map[string]bool       // of sections; bounded by MaxSize and MaxSections
	tags     map[seal.DoorTag]bool // of doors, likewise
	doors    []door
	clients  []client
	spaPort  uint16 // 0 = no fwknop clients
	count    [len(outcomes)]int
}

// outcome is what became of a section.
type outcome int

const (
	translated outcome = iota
	partly
	waiting
	needless
	refused
)

// outcomes are their words.
var outcomes = [...]string{
	"usable as it is",
	"usable in part",
	"switched off until you have looked at it",
	"not needed here",
	"not translated",
}

const emptyMain = "config latchkey 'main'\n"

func newTranslation(o Options) *translation {
	t := &translation{readFile: o.ReadFile, base: emptyMain, names: map[string]bool{"main": true}, tags: map[seal.DoorTag]bool{{}: true}}
	if cfg, _ := config.Parse(o.Base); cfg != nil {
		t.base = strings.TrimSuffix(o.Base, "\n") + "\n"
		t.basePort = cfg.Main.SPAPort
		for _, name := range cfg.DoorNames() {
			t.tags[seal.Tag(name)] = true
		}
		file, _ := uci.Parse(o.Base)
		for i := range file.Sections {
			t.names[file.Sections[i].Name] = true
		}
	}
	t.valid = t.base
	return t
}

// finish puts the parts together.
func (t *translation) finish(from string) (Result, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Translated from %s. Look it through; then option enabled '1' in section main switches it on.\n", from)
	b.WriteString("# A door of the router serves IPv4 and IPv6, one of a host those families of which the host's address is here.\n")
	if slices.ContainsFunc(t.doors, func(d door) bool { return !d.isLocal() }) {
		b.WriteString("# Hosts are taken to be in zone lan: for one in another zone, put that into option dest of its doors.\n")
	}
	b.WriteString(emptyMain)
	if t.spaPort != 0 && t.basePort == 0 {
		fmt.Fprintf(&b, "\toption spa_port '%d'\n", t.spaPort)
	}
	b.WriteString(t.out.String())
	b.WriteString("\n# Sections that were read:\n")
	for i, n := range t.count {
		if n > 0 {
			fmt.Fprintf(&b, "#   %s: %d\n", outcomes[i], n)
		}
	}
	text := b.String()
	for _, whole := range []string{text, t.base + text} {
		if cfg, problems := config.Parse(whole); cfg == nil {
			return Result{}, fmt.Errorf("translation has %d problems: please report what was translated", len(problems.Errors()))
		}
	}
	return Result{Text: text, Usable: t.count[translated] + t.count[partly]}, nil
}

// end counts a section.
func (t *translation) end(o outcome) { t.count[o]++ }

// full reports whether a section is one too many.
func (t *translation) full(n, total int) bool {
	if n == MaxSections {
		t.out.WriteString("\n")
		t.comment("%d more sections are not here: %d are the limit.", total-n, MaxSections)
		t.count[refused] += total - n
	}
	return n >= MaxSections
}

// door is a door that something else opened.
type door struct {
	name     string
	proto    string // "tcp", "udp" or "tcp udp"
	port     uint16
	last     uint16 // of a range; 0 = it is one port
	inner    uint16
	ip4, ip6 string // of the host; both empty = this machine
	wake     string // hardware address; "" = none
	openFor  time.Duration
	maxOpen  time.Duration // 0 = as config has it
}

func newDoor(o command.Opening, openFor, maxOpen time.Duration, wake string) door {
	d := door{proto: o.Proto, port: o.Port, last: o.Last, inner: o.HostPort, openFor: openFor, maxOpen: maxOpen}
	switch {
	case o.Host.Is4():
		d.ip4, d.wake = o.Host.String(), wake
	case o.Host.IsValid():
		d.ip6, d.wake = o.Host.String(), wake
	}
	return d
}

// gather adds a door to a list, or joins it with the one that is its other family of addresses.
func gather(doors []door, want door) []door {
	for i := range doors {
		if want.joins(doors[i]) {
			doors[i].ip4 = max(doors[i].ip4, want.ip4)
			doors[i].ip6 = max(doors[i].ip6, want.ip6)
			return doors
		}
	}
	return append(doors, want)
}

// isLocal reports whether d is of the router itself.
func (d door) isLocal() bool { return d.ip4 == "" && d.ip6 == "" }

// joins reports whether d and o can be one door: the same, or the IPv4 and the IPv6 side of it.
func (d door) joins(o door) bool {
	return d.proto == o.proto && d.port == o.port && d.last == o.last && d.inner == o.inner && d.openFor == o.openFor && d.maxOpen == o.maxOpen &&
		d.isLocal() == o.isLocal() &&
		(d.ip4 == "" || o.ip4 == "" || d.ip4 == o.ip4) && (d.ip6 == "" || o.ip6 == "" || d.ip6 == o.ip6)
}

// named gives doors their names. Doors that are there already are used again.
func (t *translation) named(doors []door) []door {
	for i := range doors {
		for _, o := range t.doors {
			name := o.name
			if o.name = ""; o == doors[i] {
				doors[i].name = name
				break
			}
		}
		if doors[i].name != "" {
			continue
		}
		tag := seal.DoorTag{}
		for t.tags[tag] { // which a message could not tell apart
			doors[i].name = t.name(fmt.Sprintf("%s%d", strings.ReplaceAll(doors[i].proto, " ", "_"), doors[i].port))
			tag = seal.Tag(doors[i].name)
		}
		t.tags[tag] = true
		if a, err := netip.ParseAddr(doors[i].ip4); err == nil && !a.IsPrivate() {
			t.comment("%s is no address of a LAN: option dest must be the zone in which this host is.", a)
		}
	}
	return doors
}

// String is the door's section.
func (d door) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "config door '%s'\n", d.name)
	for _, word := range strings.Fields(d.proto) {
		fmt.Fprintf(&b, "\tlist proto '%s'\n", word)
	}
	option := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "\toption %s %s\n", name, quote(value))
		}
	}
	port := fmt.Sprint(d.port)
	if d.last != 0 {
		port += fmt.Sprintf("-%d", d.last)
	}
	option("port", port)
	if !d.isLocal() {
		option("dest", "lan")
		option("dest_ip", d.ip4)
		option("dest_ip6", d.ip6)
		if d.inner != 0 {
			option("dest_port", fmt.Sprint(d.inner))
		}
		option("wake", d.wake)
	}
	option("open_for", formatTime(d.openFor))
	if d.maxOpen != 0 {
		option("max_open", formatTime(d.maxOpen))
	}
	return b.String()
}

// add writes the doors that are new, and the section of what opens them. If the configuration would be
// refused with them, it writes why, and returns false. It shows no keys.
func (t *translation) add(doors []door, section string) bool {
	var b strings.Builder
	var added []door
	for _, d := range doors {
		if !t.has(d.name) {
			added = append(added, d)
			b.WriteString(d.String() + "\n")
		}
	}
	b.WriteString(section)
	cfg, problems := config.Parse(t.valid + b.String())
	if cfg != nil {
		t.doors = append(t.doors, added...)
		t.valid += b.String()
		t.out.WriteString(b.String())
		return true
	}
	t.comment("Latchkey refuses this:")
	for _, p := range problems.Errors() {
		p.Line = 0
		t.comment("  %s", p)
	}
	return false
}

// has reports whether a door of this name was written.
func (t *translation) has(door string) bool {
	for _, d := range t.doors {
		if d.name == door {
			return true
		}
	}
	return false
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
	if base == "" {
		base = "knock"
	}
	name := base
	for n := 2; t.names[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	t.names[name] = true
	return name
}

// comment writes one line of a comment.
func (t *translation) comment(format string, args ...any) {
	t.comments++
	if t.comments > maxComments {
		return
	}
	if t.comments == maxComments {
		format, args = "There are more comments, which are left out.", nil
	}
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

// within returns the nearest time that the limits allow, and says it if that is another one.
func (t *translation) within(what string, d, least, most time.Duration) time.Duration {
	got := min(max(d, least), most)
	if got != d {
		t.comment("%s was %s; the limits are %s and %s.", what, formatTime(d), formatTime(least), formatTime(most))
	}
	return got
}

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
