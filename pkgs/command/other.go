// SPDX-License-Identifier: Apache-2.0

package command

import (
	"strconv"
	"strings"
	"time"
)

// ipset reads the commands of ipset(8).
func ipset(words []string) Piece {
	a := arguments{words: words}
	for a.take(" -q -quiet -! -exist ") {
	}
	switch op := a.next(); strings.TrimLeft(op, "-") {
	case "test", "T", "list", "L":
		return Piece{Kind: Check}
	case "del", "D":
		return Piece{Kind: Close}
	case "add", "A":
		set := a.next()
		a.next()
		timeout := ""
		if a.take(" timeout ") {
			if timeout = a.next(); isNumber(timeout) {
				timeout += "s"
			}
		}
		return toSet("the set "+set, timeout)
	}
	return Piece{Problem: "it adds nothing to a set"}
}

// helperOptions are the options of knock_helper_ipt.sh.
var helperOptions = []choice{
	{'A', " -a --append -i --insert "}, {'D', " -x --delete "}, {'f', " -f --srcaddr "}, {'d', " -d --dstport "},
	{'p', " -p --proto "}, {'c', " -c --chain "}, {'m', " -m --comment -v --verbose "}, {'t', " -t --test "},
}

// helper reads the arguments of that script. Words that are no options it ignores itself.
func (r *reader) helper(words []string) Piece {
	h := rule{near: r.near, family: '4', chain: "INPUT", proto: "tcp", accepts: true}
	op := byte(0)
	for a := (arguments{words: words}); len(a.words) > 0; {
		name := a.option(true)
		do := choose(helperOptions, name)
		switch do {
		case 'A', 'D':
			op = do
		case 'f':
			h.from(a.next())
		case 'd':
			h.port(a.next())
		case 'p':
			h.proto = ""
			h.protocol(a.next())
		case 'c':
			h.chain = a.next()
		case 'm':
		case 't':
			h.fail("with -t it changes nothing")
		default:
			if strings.HasPrefix(name, "-") {
				h.failFor("its option %s is not known here", name)
			}
		}
	}
	h.place = placeOf(h.chain)
	switch {
	case op == 'D':
		return h.removed()
	case op == 0:
		h.fail("it adds no rule")
	case !h.sender:
		h.fail("it needs the address of the sender")
	}
	return h.piece()
}

// wake reads the arguments of etherwake(8), wakeonlan(1) and wol(1): options, and one hardware address.
func wake(words []string) Piece {
	var found []string
	for _, w := range words {
		if isHardwareAddress(w) {
			found = append(found, lower(strings.ReplaceAll(w, "-", ":")))
		}
	}
	if len(found) != 1 {
		return Piece{Problem: "it does not wake one host by its hardware address"}
	}
	return Piece{Kind: Wake, MAC: found[0]}
}

// isHardwareAddress takes 00:11:22:33:44:55, also with dashes.
func isHardwareAddress(w string) bool {
	for i, c := range lower(w) {
		separates := c == ':' || c == '-'
		if separates != (i%3 == 2) || !separates && !strings.ContainsRune("0123456789abcdef", c) {
			return false
		}
	}
	return len(w) == len("00:11:22:33:44:55")
}

// sleep reads sleep(1): a number of seconds, or with a unit behind it. Parts of a second do not count.
func sleep(words []string) Piece {
	const units = "smhd"
	var total time.Duration
	for _, w := range words {
		digits := strings.TrimRight(w, units)
		unit := time.Second
		switch w[len(digits):] {
		case "m":
			unit = time.Minute
		case "h":
			unit = time.Hour
		case "d":
			unit = 24 * time.Hour
		}
		digits, _, _ = strings.Cut(digits, ".")
		n, err := strconv.ParseUint(digits, 10, 16)
		if err != nil {
			return Piece{Problem: "how long it sleeps is not known here"}
		}
		total += time.Duration(n) * unit
	}
	return Piece{Kind: Wait, For: total}
}
