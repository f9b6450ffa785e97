// SPDX-License-Identifier: Apache-2.0

package command

import (
	"net/netip"
	"strconv"
	"strings"
)

// rule is what the firewall commands have in common: one rule, in words of any of them.
type rule struct {
	chain   string // as written; "" = the command has none, and place says where it is
	place   place
	family  byte // '4', '6', or 0 for both
	sender  bool // it is for the sender of the knock only
	host    netip.Addr
	proto   string // "", "tcp", "udp" or "tcp udp"
	ports   string // as written, with commas; "" = all
	firewd  bool   // names of ports are those of firewalld
	accepts bool
	blocks  bool
	dnat    string // to where
	notes   []string
	problem string // the first reason for which it is not understood
	near    func(string) bool
}

// place is where a rule stands on the way of a packet.
type place uint8

const (
	elsewhere place = iota
	toRouter
	toHosts
	beforeRouting
	outward
)

// chains are the names of chains that firewalls of themselves have, or OpenWrt's, ufw's, firewalld's
// and Docker's. The zone is wan or firewalld's public: those of others are not for knocks.
var chains = []choice{
	{byte(toRouter), " INPUT input_rule input_wan_rule zone_wan_input input_wan ufw-user-input ufw6-user-input ufw-before-input IN_public_allow "},
	{byte(toHosts), " FORWARD forwarding_rule forwarding_wan_rule zone_wan_forward forward_wan ufw-user-forward ufw6-user-forward DOCKER-USER DOCKER "},
	{byte(beforeRouting), " PREROUTING prerouting_rule prerouting_wan_rule zone_wan_prerouting prerouting_wan dstnat dstnat_wan "},
	{byte(outward), " OUTPUT output_rule output_wan_rule zone_wan_output output_wan POSTROUTING postrouting_rule srcnat srcnat_wan "},
}

func placeOf(chain string) place { return place(choose(chains, chain)) }

// choice is a row of a table: words, with a space in front of and behind each, and what they stand for.
type choice struct {
	is    byte
	words string
}

// choose returns what a word stands for, 0 if it is in no row.
func choose(table []choice, word string) byte {
	for i := range table {
		if among(table[i].words, word) {
			return table[i].is
		}
	}
	return 0
}

// among reports whether a word is one of a row of words with spaces around each.
func among(words, word string) bool {
	return word != "" && strings.IndexByte(word, ' ') < 0 && strings.Contains(words, " "+word+" ")
}

// fail keeps the first reason for which a rule is not understood.
func (r *rule) fail(reason string) {
	if r.problem == "" {
		r.problem = reason
	}
}

// failFor is fail with a word of the command in the place of %s.
func (r *rule) failFor(reason, word string) { r.fail(strings.Replace(reason, "%s", word, 1)) }

func (r *rule) note(text string) {
	r.notes = append(r.notes, text)
}

// fromPort is what there is to say of a port that a packet must come from.
const fromPort = "it is for packets from a certain port of the sender, at which a door does not look"

// everybody are the ways to say that an address does not matter.
const everybody = " any 0.0.0.0/0 ::/0 0/0 "

// oneHost takes the length of a whole address away.
func oneHost(s string) string { return strings.TrimSuffix(strings.TrimSuffix(s, "/32"), "/128") }

// from takes the address that a packet must come from.
func (r *rule) from(s string) {
	switch {
	case oneHost(s) == Sender:
		r.sender = true
	case among(everybody, s):
	case strings.Contains(s, Sender):
		r.failFor("%s is more than the sender of the knock", s)
	default:
		r.failFor("it is for the address %s, whoever knocked", s)
	}
}

// to takes the address that a packet must go to.
func (r *rule) to(s string) {
	a, err := netip.ParseAddr(oneHost(s))
	switch {
	case among(everybody, s):
	case err != nil:
		r.failFor("%s is not the address of one host", s)
	case r.host.IsValid():
		r.fail("it has two destinations")
	default:
		r.host = a
	}
}

func (r *rule) protocol(s string) {
	before := r.proto
	switch lower(s) {
	case "tcp", "6":
		r.proto = "tcp"
	case "udp", "17":
		r.proto = "udp"
	case "all", "0", "any":
	default:
		r.failFor("a door has tcp or udp, not %s", s)
	}
	if before != "" && before != r.proto && before != "tcp udp" {
		r.fail("it is for two protocols at once, which no packet has")
	}
}

// port takes ports that a packet must go to, with commas between.
func (r *rule) port(list string) {
	if r.ports != "" {
		r.fail("it names its ports twice")
	}
	if r.ports = list; list == "" {
		r.fail("it has no port where one belongs")
	}
}

// device takes a device that a packet must have come in on.
func (r *rule) device(name string) {
	if !r.near(name) {
		r.failFor("it is for packets from %s, which is not known as where knocks come from: a door has the zone in its option src for that", name)
	}
}

// states takes the states of connections that a packet may belong to.
func (r *rule) states(list string) {
	if !strings.Contains(","+lower(list)+",", ",new,") {
		r.fail("it lets nothing new in, only packets of connections that are there")
	}
}

// piece is what the rule comes to when it is added.
func (r *rule) piece() Piece {
	if r.problem == "" && r.blocks {
		return Piece{Kind: Close, blocks: true}
	}
	p := Piece{Kind: Open}
	r.check()
	if r.problem == "" {
		p.Opens, p.Problem = r.openings()
		p.forward = r.place == toHosts && r.dnat == ""
	}
	if r.problem != "" {
		return Piece{Problem: r.problem}
	}
	if !r.sender {
		r.note("It opens this for everybody. A door opens only for the sender of the knock.")
	}
	p.Notes = r.notes
	return p
}

// removed is what it comes to when the rule is taken away again.
func (r *rule) removed() Piece {
	if r.blocks {
		return Piece{Problem: "it takes away a rule that blocks: what that opens depends on the other rules"}
	}
	if r.problem != "" {
		return Piece{Kind: Close}
	}
	return Piece{Kind: Close, Opens: r.piece().Opens}
}

// check returns what keeps the rule as a whole from being a door.
func (r *rule) check() {
	forwards := r.dnat != ""
	switch {
	case !r.accepts && !forwards:
		r.fail("it does not accept anything")
	case r.place == elsewhere:
		r.failFor("chain %s is not known here: its packets may be for this router, or for hosts behind it", r.chain)
	case r.place == outward:
		r.failFor("chain %s is for what leaves the router, and lets nobody in", r.chain)
	case forwards != (r.place == beforeRouting):
		r.failFor("in chain %s that opens nothing", r.chain)
	case r.place == toHosts && !r.host.IsValid():
		r.failFor("chain %s is for hosts behind this router, and the command does not name one", r.chain)
	case r.place != toHosts && r.host.IsValid():
		r.failFor("it is for the destination %s only: a door of the router is at all its addresses", r.host.String())
	case r.ports == "" && r.proto == "":
		r.fail("it opens every port: which ones shall be doors?")
	case r.ports == "":
		r.failFor("it opens every port of %s: which ones shall be doors?", r.proto)
	case r.host.IsValid() && (r.family == '4' && !r.host.Is4() || r.family == '6' && r.host.Is4()):
		r.fail("its host is of the other family of addresses")
	}
}

// openings makes an opening for each port of a list. What it leaves out is in the problem.
func (r *rule) openings() (list []Opening, problem string) {
	host, inner := r.host, uint16(0)
	if r.dnat != "" {
		if host, inner = hostPort(r.dnat); !host.IsValid() {
			r.failFor("%s is not the address of one host, with one port or none", r.dnat)
			return nil, ""
		}
		if r.family == '4' && !host.Is4() || r.family == '6' && host.Is4() {
			r.fail("its host is of the other family of addresses")
		}
	}
	for _, word := range strings.Split(r.ports, ",") {
		word = strings.TrimSpace(word)
		proto := r.proto
		if proto == "" {
			proto = "tcp udp"
		}
		port, protos := service(word, r.firewd)
		last := uint16(0)
		switch {
		case port != 0 && r.proto != "" && !strings.Contains(protos, r.proto[:1]):
			r.failFor("%s is not the name of a port of this protocol", word)
		case port != 0 && r.proto == "":
			proto = strings.TrimSpace(strings.Replace(strings.Replace(protos, "t", "tcp ", 1), "u", "udp", 1))
		case port == 0:
			if port, last = portRange(word); port == 0 {
				r.failFor("%s is no port that is known here", word)
			}
		}
		if last == port {
			last = 0
		}
		if last != 0 && inner != 0 {
			problem = "of ports " + word + ": they all lead to one port, where those of a door lead to as many"
			continue
		}
		list = append(list, Opening{Proto: proto, Port: port, Last: last, Host: host, HostPort: inner})
	}
	return list, problem
}

// portRange reads a port, or the first and the last of several with - or, as iptables and ufw have it, :
// between them. Without a first one that is 0, and without a last one 65535, as in iptables. It returns 0 if
// it is neither.
func portRange(s string) (first, last uint16) {
	low, high, ranged := strings.Cut(strings.Replace(s, ":", "-", 1), "-")
	if ranged && low == "" && high != "" {
		low = "0"
	}
	if ranged && high == "" && low != "" {
		high = "65535"
	}
	a, err := strconv.ParseUint(low, 10, 16)
	if err != nil {
		return 0, 0
	}
	if !ranged {
		return uint16(a), uint16(a)
	}
	b, err := strconv.ParseUint(high, 10, 16)
	if a = max(a, 1); err != nil || b < a {
		return 0, 0
	}
	return uint16(a), uint16(b)
}

// hostPort reads the address, and perhaps the port, of a DNAT.
func hostPort(s string) (netip.Addr, uint16) {
	if a, err := netip.ParseAddrPort(s); err == nil && a.Port() != 0 {
		return a.Addr(), a.Port()
	}
	a, _ := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	return a, 0
}

// lower is strings.ToLower for ASCII, without the tables of Unicode.
func lower(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	}, s)
}

// arguments are the words of a command, taken one by one.
type arguments struct {
	words []string
	short bool // one was taken that is not there
}

// next returns the next word, "" at the end.
func (a *arguments) next() string {
	if len(a.words) == 0 {
		a.short = true
		return ""
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

// cutShort is why a command is refused that ends too early.
const cutShort = "it ends where a value should be"

// peek returns what next will.
func (a *arguments) peek() string {
	if len(a.words) == 0 {
		return ""
	}
	return a.words[0]
}

// take skips the next word if it is among these.
func (a *arguments) take(words string) bool {
	ok := among(words, a.peek())
	if ok {
		a.next()
	}
	return ok
}

// option splits the next word where it has its value in it: --name=value, and -nvalue where short
// options may be written so.
func (a *arguments) option(short bool) string {
	w := a.next()
	if name, value, ok := strings.Cut(w, "="); ok && strings.HasPrefix(w, "--") {
		a.words = append([]string{value}, a.words...)
		return name
	}
	if short && len(w) > 2 && w[0] == '-' && w[1] != '-' {
		a.words = append([]string{w[2:]}, a.words...)
		return w[:2]
	}
	return w
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
