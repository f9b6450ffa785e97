// SPDX-License-Identifier: Apache-2.0

package command

import "strings"

// ufw reads the commands of ufw(8), in the short and in the full syntax.
func (r *reader) ufw(words []string) Piece {
	u := rule{near: r.near, place: toRouter}
	a := arguments{words: words}
	del := false
	for {
		switch {
		case a.take(" --force rule prepend "):
		case a.take(" --dry-run "):
			u.fail("with --dry-run it changes nothing")
		case a.take(" route "):
			u.place = toHosts
			u.chain = "FORWARD"
		case a.take(" insert "):
			a.next()
		case a.take(" delete "):
			if del = true; isNumber(a.peek()) {
				return Piece{Kind: Close}
			}
		default:
			u.ufwRule(&a)
			if del {
				return u.removed()
			}
			return u.piece()
		}
	}
}

// ufwRule reads from the action on.
func (r *rule) ufwRule(a *arguments) {
	action := a.next()
	r.accepts = among(" allow limit ", action)
	r.blocks = among(" deny reject ", action)
	if !r.accepts && !r.blocks {
		r.fail("it adds no rule")
	}
	if action == "limit" {
		r.note("limit refuses who connects too often. A door does not count connections.")
	}
	a.take(" in ")
	if a.take(" on ") {
		r.device(a.next())
	}
	a.take(" log log-all ")
	if !among(" from to proto comment out ", a.peek()) {
		r.ufwPort(a.next())
	}
	end := "" // which end of a connection a port belongs to
	for len(a.words) > 0 && r.problem == "" {
		word := a.next()
		value := a.next()
		switch {
		case word == "proto":
			r.protocol(value)
		case word == "from":
			end = word
			r.from(value)
		case word == "to":
			end = word
			r.to(value)
		case among(" port app ", word) && end == "to":
			r.ufwPort(value)
		case word == "port" && end == "from":
			r.fail(fromPort)
		case word == "out":
			r.fail("it is for what goes out")
		case word == "comment":
		default:
			r.failFor("the word %s is not known here", word+" "+value)
		}
	}
	if strings.ContainsAny(r.ports, ",:") && r.proto == "" {
		r.fail("ufw refuses several ports without proto tcp or proto udp")
	}
}

// ufwPort takes 22, 22/tcp, 5000:5010/udp, 80,443/tcp, the name of a service or of a profile.
func (r *rule) ufwPort(s string) {
	ports, proto, ok := strings.Cut(s, "/")
	if ok {
		r.protocol(proto)
	}
	if ports == "OpenSSH" { // the profile of Debian's package
		ports = "22"
		r.protocol("tcp")
	}
	r.port(ports)
}
