// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// Sender stands in a command for the address of whoever knocked, as knockd replaces it.
const Sender = "%IP%"

// Opening is one port that a command opens, or a range of them.
type Opening struct {
	Proto    string     // "tcp", "udp" or "tcp udp"
	Port     uint16     // outside
	Last     uint16     // of a range; 0 = it is one port
	Host     netip.Addr // behind the router; not valid = the router itself
	HostPort uint16     // of Host; 0 = Port, which it is for ranges
}

// Kind is what a command does, roughly.
type Kind uint8

// The kinds of commands.
const (
	Unknown Kind = iota
	Open
	Close
	Wait     // sleep
	Wake     // it wakes a host of the LAN
	Check    // it looks whether something is there, and changes nothing
	Harmless // it has nothing to do with doors: logger, echo
)

// Piece is one command of a line, and all that is known of it.
type Piece struct {
	Text    string // as it is written
	Kind    Kind
	Opens   []Opening     // what it opens, closes, or looks for
	For     time.Duration // how long it is open by what stands in the line itself; of a Wait, how long it lasts
	MAC     string        // of the host that it wakes
	Notes   []string      // how a door differs from it
	Problem string        // why it, or the part that it names, is not translated; "" = it is understood completely

	forward bool // Opens are hosts that it lets packets through to; the port outside is that of a DNAT
	blocks  bool // it adds a rule that lets nothing in
}

// maxDepth bounds how deep shells may stand in shells.
const maxDepth = 4

// Parse reads a command line as a shell does, and returns its commands in order. near reports
// whether knocks come from a network device: a rule for such a device is a rule for knocks.
func Parse(line string, near func(device string) bool) []Piece {
	r := reader{near: near}
	r.line(line, "", 0)
	joinForwards(r.pieces)
	joinDeletions(r.pieces)
	return r.pieces
}

type reader struct {
	near   func(string) bool
	pieces []Piece
}

// line reads the commands of a line. If why is not empty, none of them runs for sure, for that reason.
// It returns the last of them, whose success is that of the line.
func (r *reader) line(text, why string, depth int) Piece {
	commands, odd := split(text)
	if odd == "" && depth > maxDepth {
		odd = "it has too many shells in each other"
	}
	if odd != "" {
		p := Piece{Text: strings.TrimSpace(text), Problem: odd}
		r.pieces = append(r.pieces, p)
		return p
	}
	before := Piece{Kind: Harmless}
	for i, c := range commands {
		words, script, isScript := unwrap(c)
		first := len(r.pieces)
		if isScript {
			reason := why
			if reason == "" {
				reason = condition(c.glue, before, Piece{})
			}
			before = r.line(script, reason, depth+1)
		} else {
			before = r.command(c, words, why, before)
		}
		if i+1 < len(commands) && commands[i+1].glue == "&" {
			r.background(first)
		}
	}
	return before
}

// background looks at commands that run beside those behind them: what they wait for is not waited for
// by those.
func (r *reader) background(first int) {
	beside := r.pieces[first:]
	waits := false
	for i := range beside {
		waits = waits || beside[i].Kind == Wait
	}
	for i := range beside {
		if waits {
			beside[i] = Piece{Text: beside[i].Text, Problem: "it waits in the background, with more commands behind it"}
		}
	}
}

// command reads one command and returns what the next one has to know of it.
func (r *reader) command(c simple, words []string, why string, before Piece) Piece {
	p := r.understand(c, words)
	p.Text = c.text
	reason := why
	if reason == "" {
		reason = condition(c.glue, before, p)
	}
	harmless := p.Kind == Harmless && p.Problem == ""
	if reason != "" && !harmless {
		p = Piece{Text: c.text, Problem: reason}
	}
	r.pieces = append(r.pieces, p)
	if harmless && c.glue == "&&" {
		return before // what follows still depends on that
	}
	return p
}

// condition returns why a command does not run for sure; "" if it does. before is the command in front
// of it, glue what stands between.
func condition(glue string, before, p Piece) string {
	known := before.Kind != Unknown && before.Kind != Check && before.Problem == ""
	same := len(p.Opens) > 0 && equal(p.Opens, before.Opens)
	switch glue {
	case "&&":
		if !known && !(before.Kind == Check && p.Kind == Close) {
			return "it runs only if the command before it succeeds"
		}
	case "||":
		switch {
		case p.Kind == Close:
		case before.Kind == Check && p.Kind == Open && (same || strings.Contains(before.Text, Sender)):
			// It makes sure that the rule is not there twice.
		case before.Kind == Open && p.Kind == Open && same:
		default:
			return "it runs only if the command before it fails"
		}
	case "|":
		if p.Kind != Check {
			return "it reads what the command before it prints"
		}
	}
	return ""
}

// programs are those that are understood.
var programs = []choice{
	{'4', " iptables iptables-nft iptables-legacy "}, {'6', " ip6tables ip6tables-nft ip6tables-legacy "},
	{'n', " nft "}, {'u', " ufw "}, {'f', " firewall-cmd "}, {'i', " ipset "},
	{'k', " knock_helper_ipt.sh knock_add "}, // the script of knockd, and what its example calls it
	{'w', " etherwake ether-wake wakeonlan wol "}, {'s', " sleep "}, {'t', " conntrack "},
	{'?', " [ test grep pgrep "}, {'v', " iptables-save ip6tables-save netfilter-persistent "},
	{'h', " logger echo printf true : date wall modprobe exit "},
}

// understand returns what a command does.
func (r *reader) understand(c simple, words []string) Piece {
	if c.odd != "" {
		return Piece{Problem: c.odd}
	}
	args := words[1:]
	do := choose(programs, base(words[0]))
	switch do {
	case '4', '6':
		return r.iptables(args, do == '6')
	case 'n':
		return r.nft(args)
	case 'u':
		return r.ufw(args)
	case 'f':
		return r.firewalld(args)
	case 'i':
		return ipset(args)
	case 'k':
		return r.helper(args)
	case 'w':
		return wake(args)
	case 's':
		return sleep(args)
	case '?':
		return Piece{Kind: Check}
	}
	if do == 't' && slices.Contains(args, "-D") {
		return Piece{Kind: Close}
	}
	if do == 'v' || do == 'h' && c.out == "" {
		return Piece{Kind: Harmless}
	}
	return Piece{Problem: "it is no firewall command that is known here; a script in /etc/hotplug.d/latchkey can run it when a door opens or closes"}
}

// base is the name of a program without its folder.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// joinForwards leaves out what a chain for hosts lets through where a DNAT of the same line opens it
// already. What is left has no port outside: for IPv4 the one inside is as good a guess as any.
func joinForwards(pieces []Piece) {
	for i := range pieces {
		p := &pieces[i]
		if !p.forward || p.Kind != Open {
			continue
		}
		var left []Opening
		for _, o := range p.Opens {
			if !o.isForwarded(pieces) {
				left = append(left, o)
			}
		}
		if p.Opens = left; left == nil {
			p.Kind = Harmless
		} else if left[0].Host.Is4() {
			p.Notes = append(p.Notes, "The command does not say at which port outside the host is reached. The port inside is taken: put the other one into option port if it is not the same.")
		}
	}
}

// isForwarded reports whether a DNAT leads to what o lets through.
func (o Opening) isForwarded(pieces []Piece) bool {
	for _, p := range pieces {
		for _, d := range p.Opens {
			if p.Kind == Open && !p.forward && o.IsBehind(d) {
				return true
			}
		}
	}
	return false
}

// IsBehind reports whether d, a port forward, leads to what o lets through.
func (o Opening) IsBehind(d Opening) bool {
	port := d.HostPort
	if port == 0 {
		port = d.Port
	}
	return d.Host == o.Host && port == o.Port && d.Last == o.Last && strings.Contains(d.Proto, o.Proto)
}

func equal(a, b []Opening) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// joinDeletions finds out how long something is open if the line itself closes it again.
func joinDeletions(pieces []Piece) {
	for i := range pieces {
		p := &pieces[i]
		if p.Kind != Open || len(p.Opens) == 0 {
			continue
		}
		var waited time.Duration
		for _, later := range pieces[i+1:] {
			if later.Kind == Wait {
				waited += later.For
			}
			closes := later.Kind == Close && (later.blocks || equal(later.Opens, p.Opens) || waited > 0 && later.Opens == nil)
			if closes && waited == 0 {
				*p = Piece{Text: p.Text, Problem: "the same line closes it again at once"}
			}
			if closes {
				p.For = waited
				break
			}
		}
	}
}
