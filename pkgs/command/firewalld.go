// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strings"
	"time"
)

// firewalldOptions are the options of firewall-cmd(1) that are understood, without --add- or --remove-.
var firewalldOptions = []choice{
	{'q', " --quiet -q --direct "}, {'l', " --reload "}, {'P', " --permanent "}, {'T', " --timeout "}, {'z', " --zone "},
	{'p', " port "}, {'f', " forward-port "}, {'s', " service "}, {'r', " rich-rule "}, {'d', " rule "}, {'D', " passthrough --passthrough "},
}

// firewalld reads the arguments of firewall-cmd(1).
func (r *reader) firewalld(words []string) Piece {
	var (
		total   Piece
		timeout string
		lasts   bool // --permanent: it holds after a reload
	)
	for a := (arguments{words: words}); len(a.words) > 0; {
		f := rule{near: r.near, place: toRouter, firewd: true, accepts: true}
		name := a.option(false)
		what, removes := strings.CutPrefix(name, "--remove-")
		if !removes {
			what = strings.TrimPrefix(name, "--add-")
		}
		var p Piece
		do := choose(firewalldOptions, what)
		switch do {
		case 'q':
			continue
		case 'l':
			return Piece{Kind: Harmless}
		case 'P':
			lasts = true
			continue
		case 'T':
			timeout = a.next()
			continue
		case 'z':
			if z := a.next(); !among(" public external dmz drop block ", z) {
				return Piece{Problem: "zone " + z + " is not one for the Internet: a door has the zone in its option src for that"}
			}
			continue
		case 'p':
			port, proto, _ := strings.Cut(a.next(), "/")
			f.port(port)
			f.protocol(proto)
		case 's':
			if f.port(a.next()); isNumber(f.ports[:min(len(f.ports), 1)]) {
				f.failFor("service %s is not known here", f.ports)
			}
		case 'f':
			// port=2222:proto=tcp:toport=22:toaddr=192.168.1.22, where an address may have colons too.
			parts, address, _ := strings.Cut(a.next(), ":toaddr=")
			if address != "" {
				address = " toaddr=" + address
			}
			parts = "forward-port " + strings.ReplaceAll(parts, ":", " ") + address
			f.rich(&arguments{words: tokens(strings.ReplaceAll(parts, "=", " = "), "")})
		case 'r':
			f.rich(&arguments{words: tokens(strings.ReplaceAll(a.next(), "=", " = "), `"'`)})
		case 'd', 'D':
			p = r.direct(do == 'd', removes, &a)
			a.words = nil
		default:
			if strings.HasPrefix(name, "--list") || strings.HasPrefix(name, "--query") || strings.HasPrefix(name, "--get") {
				return Piece{Kind: Check}
			}
			return Piece{Problem: "its option " + name + " is not known here"}
		}
		switch {
		case do == 'd' || do == 'D':
		case removes:
			p = f.removed()
		default:
			p = f.piece()
		}
		total.Opens = append(total.Opens, p.Opens...)
		total.Notes = append(total.Notes, p.Notes...)
		total.Kind = max(total.Kind, p.Kind)
		if total.Problem == "" {
			total.Problem = p.Problem
		}
	}
	if len(total.Opens) == 0 && total.Kind != Close && total.Problem == "" {
		total.Problem = "it adds no rule"
	}
	if total.Kind == Open && len(total.Opens) > 0 {
		total.lasting(timeout, lasts)
	}
	return total
}

// lasting says how long it is open.
func (p *Piece) lasting(timeout string, permanent bool) {
	if permanent {
		p.Notes = append(p.Notes, "--permanent: firewalld opens it at its next reload, and after each restart. A door opens at once, and closes by itself.")
	}
	if timeout == "" {
		return
	}
	if isNumber(timeout) {
		timeout += "s"
	}
	d, err := time.ParseDuration(timeout)
	if err != nil || d < 0 {
		*p = Piece{Problem: "timeout " + timeout + " is not known here"}
		return
	}
	p.For = d
}

// direct reads a rule in the words of iptables.
func (r *reader) direct(priority, removes bool, a *arguments) Piece {
	family := a.next()
	words := a.words
	if priority { // TABLE CHAIN PRIORITY ARGUMENTS
		if len(words) < 3 {
			return Piece{Problem: "it adds no rule"}
		}
		op := "-A"
		if removes {
			op = "-D"
		}
		words = append([]string{"-t", words[0], op, words[1]}, words[3:]...)
	}
	if family != "ipv4" && family != "ipv6" {
		return Piece{Problem: "it adds no rule"}
	}
	return r.iptables(words, family == "ipv6")
}

// richWords are the parts of a rule of firewalld.richlanguage(5), and their attributes as PART_NAME.
var richWords = []choice{
	{'-', " rule source destination port service forward-port log audit rule_priority log_prefix log_level reject_type "},
	{'a', " accept "}, {'b', " drop reject "}, {'!', " NOT not "}, {'l', " limit "},
	{'f', " rule_family "}, {'s', " source_address "}, {'d', " destination_address "},
	{'p', " port_port forward-port_port service_name "}, {'t', " port_protocol forward-port_protocol forward-port_proto "},
	{'P', " forward-port_to-port forward-port_toport "}, {'A', " forward-port_to-addr forward-port_toaddr "},
}

// rich reads such a rule.
func (r *rule) rich(a *arguments) {
	r.accepts = false
	var part, toPort, toAddr string
	for len(a.words) > 0 && r.problem == "" {
		word, value := a.next(), ""
		if a.take(" = ") {
			word, value = part+"_"+word, a.next()
		} else {
			part = word
		}
		switch choose(richWords, word) {
		case '-':
		case 'a':
			r.accepts = true
		case 'b':
			r.blocks = true
		case '!':
			r.fail("it says what must not be (NOT), which a door cannot")
		case 'l':
			r.fail("it limits how often, which a door does not")
		case 'f':
			if r.family = '4'; value == "ipv6" {
				r.family = '6'
			}
		case 's':
			r.from(value)
		case 'd':
			r.to(value)
		case 'p':
			r.port(value)
		case 't':
			r.protocol(value)
		case 'P':
			toPort = value
		case 'A':
			toAddr = value
		default:
			r.failFor("the word %s is not known here", word)
		}
	}
	if toPort != "" && toAddr == "" {
		r.fail(redirects)
	}
	if r.dnat = toAddr; toAddr != "" {
		if r.place = beforeRouting; toPort != "" {
			r.dnat = bracketed(toAddr) + ":" + toPort
		}
	}
}

func bracketed(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}
