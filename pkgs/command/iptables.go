// SPDX-License-Identifier: Apache-2.0

package command

import "strings"

// iptablesOptions are the options of iptables(8) that are understood, and what they do: see option.
var iptablesOptions = []choice{
	{'A', " -A --append "}, {'I', " -I --insert "}, {'D', " -D --delete "}, {'C', " -C --check "},
	{'L', " -L --list -S --list-rules "}, {'F', " -F --flush "}, {'P', " -P --policy "},
	{'t', " -t --table "}, {'p', " -p --protocol --proto "}, {'s', " -s --source --src "}, {'d', " -d --destination --dst "},
	{'i', " -i --in-interface "}, {'j', " -j --jump "}, {'m', " -m --match "},
	{'o', " --dport --destination-port "}, {'O', " --dports --destination-ports "}, {'n', " --state "}, {'N', " --ctstate "},
	{'c', " --comment "}, {'w', " -w --wait -W --wait-interval "}, {'v', " -v --verbose -n --numeric "},
	{'4', " -4 --ipv4 "}, {'6', " -6 --ipv6 "}, {'y', " --syn "}, {'!', " ! "},
	{'g', " --to --to-dest --to-destination "}, {'r', " --to-ports --to-port "}, {'x', " --reject-with "},
	{'S', " --sport --source-port --sports --source-ports "},
}

// iptables reads the arguments of iptables(8) or, with v6, of ip6tables(8).
func (r *reader) iptables(words []string, v6 bool) Piece {
	t := iptablesRule{rule: rule{near: r.near, family: '4'}, table: "filter"}
	if v6 {
		t.family = '6'
	}
	a := arguments{words: words}
	for len(a.words) > 0 {
		t.option(&a)
	}
	if a.short {
		t.fail(cutShort)
	}
	if t.op == 'L' {
		return Piece{Kind: Check}
	}
	if t.byNumber {
		return Piece{Kind: Close}
	}
	t.complete()
	switch t.op {
	case 'D':
		return t.removed()
	case 'C':
		return Piece{Kind: Check, Opens: t.piece().Opens}
	}
	return t.piece()
}

type iptablesRule struct {
	rule
	table    string
	op       byte // A, D, C, or L for what only looks; 0 = none
	byNumber bool // it deletes the rule of a number
	jump     string
	modules  string // that were loaded so far, with a space in front of and behind each
	seen     string // options that were there, by what they do
}

// option takes one option with its value.
func (t *iptablesRule) option(a *arguments) {
	before := len(a.words)
	name := a.option(true)
	do := choose(iptablesOptions, name)
	if len(a.words) == before && among(" p s d i j ", string(do)) {
		t.failFor("iptables wants a space behind %s", name) // it takes the whole word for the value
	}
	if strings.IndexByte("psdijoOnNgtc", do) >= 0 && strings.IndexByte(t.seen, do) >= 0 {
		t.failFor("it has %s twice", name)
	}
	t.seen += string(do)
	switch do {
	case '!':
		t.fail("it says what must not be (!), which a door cannot")
	case 'A', 'I', 'D', 'C':
		t.command(do, a)
	case 'L':
		t.op, a.words = 'L', nil
	case 'F':
		t.fail("it empties a chain: that is no door")
	case 'P':
		t.fail("it changes what holds for all packets without a rule: that is no door")
	case 't':
		t.table = a.next()
	case 'p':
		t.protocol(a.next())
		t.modules += " " + t.proto + " "
	case 's':
		t.from(a.next())
	case 'd':
		t.to(a.next())
	case 'i':
		t.device(a.next())
	case 'j':
		t.jump = a.next()
	case 'm':
		t.modules += " " + a.next() + " "
	case 'o':
		if !among(t.modules, "tcp") && !among(t.modules, "udp") {
			t.fail(noProtocol)
		}
		if t.port(a.next()); strings.Contains(t.ports, ",") {
			t.fail("--dport has a list, which iptables refuses")
		}
	case 'O':
		t.port(a.next())
		t.needs("multiport")
	case 'n':
		t.states(a.next())
		t.needs("state")
	case 'N':
		t.states(a.next())
		t.needs("conntrack")
	case 'c':
		a.next()
		t.needs("comment")
	case 'w':
		if isNumber(a.peek()) {
			a.next()
		}
	case 'v':
	case '4', '6':
		if do != t.family {
			t.fail("iptables skips a rule of the other family")
		}
	case 'y': // a new connection, which is all that a door is asked about
		t.needs("tcp")
	case 'g':
		if t.dnat = a.next(); t.jump != "DNAT" {
			t.fail(noDNAT)
		}
	case 'r':
		t.fail(redirects)
	case 'x':
		a.next()
	case 'S':
		t.fail(fromPort)
	default:
		t.failFor("its option %s is not known here", name)
	}
}

// needs looks whether a module was loaded: iptables knows its options only behind that.
func (t *iptablesRule) needs(module string) {
	if !among(t.modules, module) {
		t.failFor("iptables refuses it without -m %s", module)
	}
}

// What iptables refuses.
const (
	noProtocol = "iptables refuses a port without -p tcp or -p udp"
	noDNAT     = "DNAT and its destination belong together"
)

// redirects is what there is to say of a redirection.
const redirects = "it leads to another port of the router, which has no counterpart: let the service use the port outside, " +
	"or give it a door with the router's own address in the LAN as dest_ip"

// command takes an operation and what belongs to it.
func (t *iptablesRule) command(do byte, a *arguments) {
	if t.op != 0 {
		t.fail("it has two operations")
	}
	t.chain = a.next()
	if isNumber(a.peek()) && (do == 'I' || do == 'D') {
		t.byNumber = do == 'D'
		a.next()
	}
	if t.op = do; do == 'I' {
		t.op = 'A'
	}
}

// complete looks at the options together.
func (t *iptablesRule) complete() {
	t.place = placeOf(t.chain)
	dnat := t.jump == "DNAT"
	t.accepts = t.jump == "ACCEPT"
	t.blocks = among(" DROP REJECT ", t.jump)
	switch {
	case t.op == 0:
		t.fail("it adds no rule")
	case !t.accepts && !t.blocks && !dnat:
		t.failFor("what its target %s does is not known here", t.jump)
	case dnat != (t.dnat != ""):
		t.fail(noDNAT)
	case dnat != (t.table == "nat") || !among(" nat filter ", t.table):
		t.failFor("in table %s that opens nothing", t.table)
	case t.ports != "" && t.proto == "":
		t.fail(noProtocol)
	}
	for _, m := range strings.Fields(t.modules) {
		if m != t.proto && !among(" multiport state conntrack comment ", m) {
			t.failFor("a door has no condition like -m %s", m)
		}
	}
}
