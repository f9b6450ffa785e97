// SPDX-License-Identifier: Apache-2.0

package knockdconf

import (
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
)

// target is what a command opens.
type target struct {
	proto string // "tcp", "udp" or "tcp udp"
	port  uint16 // outside
	host  string // behind DNAT; "" = this machine
	inner uint16 // the host's port
}

// effect is what is known of a command.
type effect struct {
	opens  []target
	closes bool // it takes away what another one opened
	all    bool // it opens for everybody, not only for the sender of the knock
}

// understand looks for the usual commands that open a port. A command that it does not know has
// no effect.
func understand(command string) effect {
	var e effect
	for _, words := range split(command) {
		one := understandOne(words)
		e.opens = append(e.opens, one.opens...)
		e.closes = e.closes || one.closes
		e.all = e.all || len(one.opens) > 0 && !strings.Contains(strings.Join(words, " "), "%IP%")
	}
	return e
}

func understandOne(words []string) effect {
	if len(words) > 1 && path.Base(words[0]) == "sudo" {
		words = words[1:]
	}
	switch path.Base(words[0]) {
	case "iptables", "ip6tables", "iptables-nft", "ip6tables-nft", "iptables-legacy", "ip6tables-legacy":
		return iptables(words[1:])
	case "nft":
		return nft(words[1:])
	case "ufw":
		return ufw(words[1:])
	case "knock_add", "knock_helper_ipt.sh":
		return helper(words[1:])
	}
	return effect{}
}

// split cuts a command line into commands and those into words, as a shell does for the quotes
// and separators that such lines have. Substitutions are not looked into.
func split(command string) [][]string {
	var (
		commands [][]string
		words    []string
		word     strings.Builder
		inWord   bool
		quote    byte
	)
	endWord := func() {
		if inWord {
			words = append(words, word.String())
			word.Reset()
			inWord = false
		}
	}
	endCommand := func() {
		endWord()
		if words != nil {
			commands = append(commands, words)
			words = nil
		}
	}
	for i := 0; i < len(command); i++ {
		c := command[i]
		switch {
		case c == quote && quote != 0:
			quote = 0
		case quote == '\'':
			word.WriteByte(c)
		case c == '\\' && i+1 < len(command):
			i++
			word.WriteByte(command[i])
			inWord = true
		case quote == '"':
			word.WriteByte(c)
		case c == '\'' || c == '"':
			quote, inWord = c, true
		case c == ' ' || c == '\t':
			endWord()
		case strings.IndexByte(";&|", c) >= 0:
			endCommand()
		default:
			word.WriteByte(c)
			inWord = true
		}
	}
	endCommand()
	return commands
}

// options makes "--name value" of "--name=value".
func options(words []string) []string {
	var out []string
	for _, w := range words {
		if name, value, ok := strings.Cut(w, "="); ok && strings.HasPrefix(w, "--") {
			out = append(out, name, value)
		} else {
			out = append(out, w)
		}
	}
	return out
}

// after returns the word behind the first of the names, or "".
func after(words []string, names ...string) string {
	for i, w := range words[:max(len(words)-1, 0)] {
		if slices.Contains(names, w) {
			return words[i+1]
		}
	}
	return ""
}

func hasAny(words []string, names ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(names, w) })
}

// iptables reads the arguments of iptables(8).
func iptables(words []string) effect {
	words = options(words)
	if hasAny(words, "-D", "--delete") {
		return effect{closes: true}
	}
	if !hasAny(words, "-A", "--append", "-I", "--insert") {
		return effect{}
	}
	proto := after(words, "-p", "--protocol", "--proto")
	if proto == "" {
		proto = "tcp" // as in the first example of knockd(1)
	}
	if proto != "tcp" && proto != "udp" {
		return effect{}
	}
	ports := after(words, "--dport", "--destination-port", "--dports", "--destination-ports")
	switch after(words, "-j", "--jump") {
	case "ACCEPT":
		chain := lower(after(words, "-A", "--append", "-I", "--insert"))
		if strings.HasPrefix(chain, "forward") || strings.HasPrefix(chain, "output") {
			return effect{} // goes with a DNAT, which tells the outside port, or lets answers out
		}
		return effect{opens: targets(proto, ports, "")}
	case "DNAT":
		return effect{opens: targets(proto, ports, after(words, "--to-destination", "--to"))}
	}
	return effect{}
}

// nft reads "add rule" and "insert rule" of nft(8).
func nft(words []string) effect {
	words = strings.Fields(strings.Join(words, " "))
	if len(words) > 1 && words[0] == "delete" {
		return effect{closes: true}
	}
	if len(words) < 2 || words[0] != "add" && words[0] != "insert" || words[1] != "rule" {
		return effect{}
	}
	for _, proto := range []string{"tcp", "udp"} {
		for i := 0; i+2 < len(words); i++ {
			if words[i] != proto || words[i+1] != "dport" {
				continue
			}
			switch {
			case hasAny(words, "accept"):
				return effect{opens: targets(proto, words[i+2], "")}
			case hasAny(words, "dnat"):
				return effect{opens: targets(proto, words[i+2], after(words, "to"))}
			}
		}
	}
	return effect{}
}

// ufw reads the full syntax of ufw(8): allow [proto tcp] from ADDRESS to any port 22 [proto tcp].
func ufw(words []string) effect {
	if hasAny(words, "delete") {
		return effect{closes: true}
	}
	if !hasAny(words, "allow") {
		return effect{}
	}
	proto := after(words, "proto")
	switch proto {
	case "tcp", "udp":
	case "":
		proto = "tcp udp"
	default:
		return effect{}
	}
	return effect{opens: targets(proto, after(words, "port"), "")}
}

// helper reads the arguments of the script that comes with knockd (knock_helper_ipt.sh, which
// its example configuration calls knock_add).
func helper(words []string) effect {
	if hasAny(words, "-x", "--delete") {
		return effect{closes: true}
	}
	proto := after(words, "-p", "--proto")
	if proto == "" {
		proto = "tcp"
	}
	if proto != "tcp" && proto != "udp" {
		return effect{}
	}
	return effect{opens: targets(proto, after(words, "-d", "--dstport"), "")}
}

// targets makes one target for each port of a list. A range of ports has no counterpart: then
// there is none at all.
func targets(proto, ports, dnat string) []target {
	host, inner := "", uint16(0)
	if dnat != "" {
		if host, inner = hostPort(dnat); host == "" {
			return nil
		}
	}
	var list []target
	for word := range strings.SplitSeq(ports, ",") {
		n, err := strconv.ParseUint(word, 10, 16)
		if err != nil || n == 0 {
			return nil
		}
		list = append(list, target{proto: proto, port: uint16(n), host: host, inner: inner})
	}
	return list
}

// hostPort reads the address, and perhaps the port, of a DNAT.
func hostPort(s string) (string, uint16) {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.Addr().String(), a.Port()
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return a.String(), 0
	}
	return "", 0
}
