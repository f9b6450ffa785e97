// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"time"
)

// nft reads the commands of nft(8).
func (r *reader) nft(words []string) Piece {
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		if among(" -f --file -i --interactive -I --includepath -D --define -c --check ", words[0]) {
			return Piece{Problem: "what nft does then is not in the command"}
		}
		words = words[1:]
	}
	a := arguments{words: tokens(strings.Join(words, " "), `"`)}
	op := a.next()
	if op == "list" {
		return Piece{Kind: Check}
	}
	if op == "flush" {
		return Piece{Problem: "it empties something: that is no door"}
	}
	object := "rule" // which may be left out
	if among(" rule element chain set table map ", a.peek()) {
		object = a.next()
	}
	switch {
	case among(" delete destroy ", op):
		return Piece{Kind: Close}
	case object == "element":
		return nftElement(&a)
	case !among(" add insert ", op) || object != "rule":
		return Piece{Problem: "it adds no rule"}
	}
	n := nftRule{rule: rule{near: r.near}}
	n.where(&a)
	for len(a.words) > 0 && n.problem == "" {
		n.statement(&a)
	}
	if a.short {
		n.fail(cutShort)
	}
	if n.anyPort && n.proto == "" {
		n.proto = "tcp udp"
	}
	return n.piece()
}

// nftElement reads what is behind "add element".
func nftElement(a *arguments) Piece {
	a.take(" inet ip ip6 ")
	table, set := a.next(), a.next()
	for len(a.words) > 0 {
		if a.next() == "timeout" {
			return toSet("set "+set+" of table "+table, a.next())
		}
	}
	return toSet("set "+set+" of table "+table, "")
}

// toSet is the piece for a command that adds the sender to a set.
func toSet(set, timeout string) Piece {
	text := "it adds the sender to " + set
	if timeout != "" {
		text += " for " + timeout
	}
	return Piece{Problem: text + ": which ports that opens is in other rules. Write a door for each of them" + hint(timeout)}
}

func hint(timeout string) string {
	if d, err := time.ParseDuration(timeout); err == nil && d >= time.Second {
		return ", with option open_for '" + timeout + "'"
	}
	return ""
}

// tokens cuts the language of nft or of firewalld's rich rules into words. What stands in one of quotes
// is a word, without them; braces and commas are words.
func tokens(text, quotes string) []string {
	var list []string
	for text != "" {
		n := strings.IndexAny(text, " \t{},;"+quotes)
		switch {
		case n < 0:
			return append(list, text)
		case n > 0:
			list, text = append(list, text[:n]), text[n:]
		case strings.IndexByte(quotes, text[0]) >= 0:
			quoted, rest, _ := strings.Cut(text[1:], text[:1])
			list, text = append(list, quoted), rest
		case text[0] == ' ' || text[0] == '\t':
			text = text[1:]
		default:
			list, text = append(list, text[:1]), text[1:]
		}
	}
	return list
}

type nftRule struct {
	rule
	anyPort bool // it looks at ports of whatever protocol
}

// where reads the table and the chain.
func (n *nftRule) where(a *arguments) {
	family := "ip"
	if among(" inet ip ip6 bridge netdev arp ", a.peek()) {
		family = a.next()
	}
	table := a.next()
	n.chain = a.next()
	if n.place = placeOf(n.chain); n.place == elsewhere {
		n.place = placeOf(upper(n.chain))
	}
	if family != "inet" {
		n.keep(family)
	}
	if among(" mangle raw ", table) || table == "nat" && n.place != beforeRouting {
		n.failFor("in table %s that opens nothing", table)
	}
	if a.take(" handle position index ") {
		a.next()
	}
}

func upper(s string) string {
	return strings.Map(func(r rune) rune {
		if 'a' <= r && r <= 'z' {
			r -= 'a' - 'A'
		}
		return r
	}, s)
}

// nftWords are the expressions and statements that are understood: those of two words, and of one.
var nftWords, nftWord = []choice{
	{'s', " ip_saddr ip6_saddr "}, {'d', " ip_daddr ip6_daddr "}, {'p', " tcp_dport udp_dport th_dport "},
	{'4', " ip_protocol ip6_nexthdr "}, {'l', " meta_l4proto "}, {'f', " meta_nfproto "}, {'i', " meta_iifname meta_iif "},
	{'c', " ct_state "}, {'r', " limit_rate "}, {'S', " tcp_sport udp_sport th_sport "},
}, []choice{
	{'i', " iifname iif "}, {'n', " counter "}, {'g', " log "}, {'m', " comment "},
	{'a', " accept "}, {'b', " drop "}, {'B', " reject "}, {'t', " dnat "}, {'R', " redirect "},
}

// statement takes one expression or statement of a rule.
func (n *nftRule) statement(a *arguments) {
	word := a.next()
	do := choose(nftWords, word+"_"+a.peek())
	if do != 0 {
		a.next()
	} else {
		do = choose(nftWord, word)
	}
	if (n.accepts || n.blocks || n.dnat != "") && do != 'm' {
		n.fail("it goes on behind its verdict")
	}
	switch do {
	case 's':
		n.keep(word)
		n.from(n.value(a))
	case 'd':
		n.keep(word)
		n.to(n.value(a))
	case 'p':
		n.protos(word)
		n.port(n.value(a))
	case '4':
		n.keep(word)
		n.protos(n.value(a))
	case 'l':
		n.protos(n.value(a))
	case 'f':
		n.keep("ip" + strings.TrimSuffix(strings.TrimPrefix(n.value(a), "ipv"), "4"))
	case 'c':
		n.states(n.value(a))
	case 'r':
		n.fail("it limits how often, which a door does not")
	case 'S':
		n.fail(fromPort)
	case 'i':
		for _, device := range strings.Split(n.value(a), ",") {
			n.device(device)
		}
	case 'n':
		n.skip(a, " packets bytes ")
	case 'g':
		n.skip(a, " prefix level flags group ")
	case 'm':
		a.next()
	case 'a':
		n.accepts = true
	case 'b':
		n.blocks = true
	case 'B':
		n.blocks, a.words = true, nil
	case 't':
		if among(" ip ip6 ", a.peek()) {
			n.keep(a.next())
		}
		a.take(" to ")
		n.dnat = a.next()
	case 'R':
		n.fail(redirects)
	default:
		n.failFor("the word %s is not known here", word)
	}
}

// skip takes names with a value each.
func (n *nftRule) skip(a *arguments, names string) {
	for a.take(names) {
		a.next()
	}
}

// keep limits the rule to a family: ip or ip6.
func (n *nftRule) keep(family string) {
	f := byte('4')
	if family == "ip6" {
		f = '6'
	} else if family != "ip" {
		n.failFor("for family %s it opens nothing by itself", family)
	}
	if n.family != 0 && n.family != f {
		n.fail("it is for both families at once, which no packet is of")
	}
	n.family = f
}

// protos takes one protocol, or several.
func (n *nftRule) protos(list string) {
	switch {
	case list == "th":
		n.anyPort = true
	case (list == "tcp,udp" || list == "udp,tcp") && n.proto == "":
		n.proto = "tcp udp"
	default:
		n.protocol(list)
	}
}

// badSet is why nft refuses braces.
const badSet = "it has a set that nft refuses"

// value takes one value, or a set of them with commas between.
func (n *nftRule) value(a *arguments) string {
	a.take(" == eq ")
	if among(" != ne not ", a.peek()) {
		n.fail("it says what must not be (!=), which a door cannot")
	}
	if a.peek() == "." {
		n.fail("it looks for addresses and ports together (.), not for one port")
	}
	if w := a.peek(); among(" vmap & ", w) || strings.HasPrefix(w, "@") || strings.HasPrefix(w, "$") {
		n.failFor("%s stands for something that is not in the command", w)
	}
	v := a.next()
	if v != "{" {
		for a.take(" , ") { // ct state new,established
			v += "," + a.next()
		}
		return v
	}
	for v = ""; !a.take(" } "); v += "," {
		if w := a.next(); w == "," || a.short {
			n.fail(badSet)
			break
		} else {
			v += w
		}
		if !a.take(" , ") && a.peek() != "}" {
			n.fail(badSet)
			break
		}
	}
	if v == "" {
		n.fail(badSet)
	}
	return strings.TrimSuffix(v, ",")
}
