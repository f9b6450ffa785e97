// SPDX-License-Identifier: Apache-2.0

package uplink

import (
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Taken are the ports that receive what comes from outside. They are as many as the configurations that it was read
// from have words, of which package uci has the limit.
type Taken []taken

type taken struct {
	tcp, udp bool
	ports    wire.PortRange
}

// ReadTaken returns the ports of doors, of steps with the trip wires beside them, and of other knocks;
// and from the sections of the configurations firewall, network, dropbear and uhttpd those of what the firewall
// forwards and lets in, of tunnels, SSH and the web interface.
func ReadTaken(c *config.Config, sections []uci.Section) (t Taken) {
	t.addOurs(c)
	zones := ReadZones(sections)
	outside := append(words(zones.Outside(zones.Networks(c.Main.Interfaces))), "*")
	for i := range sections {
		s := (*section)(&sections[i])
		switch s.Type {
		case "redirect": // without a port it takes all that comes
			t.addFirewall(s, outside, "DNAT", s.or("target", "DNAT"), s.or("src_dport", "1-65535"))
		case "rule":
			t.addFirewall(s, outside, "ACCEPT", s.or("target", ""), s.or("dest_port", ""))
		case "dropbear":
			if s.isOn("enable", "1") {
				t.add("tcp", s.or("Port", "22"))
			}
		case "uhttpd":
			for _, at := range strings.Fields(s.or("listen_http", "") + " " + s.or("listen_https", "")) {
				t.add("tcp", at[strings.LastIndexByte(at, ':')+1:])
			}
		case "interface":
			if off := s.or("disabled", ""); off != "1" && off != "true" { // as netifd reads it
				t.add("udp", s.or("listen_port", ""))
			}
		}
	}
	return t
}

func (t *Taken) addOurs(c *config.Config) {
	for i := range c.Doors {
		for _, o := range c.Doors[i].Openings {
			if c.Doors[i].Enabled {
				t.add(o.Proto.String(), o.Outside.String())
			}
		}
	}
	for i := range c.Sequences {
		for _, q := range c.Sequences[i].All() {
			for _, s := range q.Steps {
				if c.Sequences[i].Enabled {
					t.addRange(s.Proto.String(), int(s.Port)-1, int(s.Port)+1)
				}
			}
		}
	}
	for _, k := range c.Receivers() {
		for _, r := range k.Ports {
			t.add(k.Proto.String(), r.String())
		}
	}
}

// addFirewall adds the ports of a section of firewall4 about what comes from some zones, if its target is one that lets
// them in.
func (t *Taken) addFirewall(s *section, outside words, accepts, target, ports string) {
	if !s.isOn("enabled", "1") || strings.ToUpper(target) != accepts || !outside.has(s.or("src", "")) {
		return
	}
	for _, proto := range strings.Fields(s.or("proto", "tcpudp")) {
		t.add(strings.ToLower(strings.TrimPrefix(proto, "!")), ports) // firewall4 looks at no ! there
	}
}

// isOne reports whether a word is one of some with spaces between.
func isOne(word, words string) bool { return strings.Contains(" "+words+" ", " "+word+" ") }

// add adds ports as firewall4 writes them, "80 8000-8010", "8000:8010" and "!22", of a protocol that it
// knows by name and by number.
func (t *Taken) add(proto, ports string) {
	for _, word := range strings.Fields(ports) {
		text, not := strings.CutPrefix(word, "!")
		first, last, isRange := strings.Cut(strings.ReplaceAll(text, ":", "-"), "-")
		if !isRange {
			last = first
		}
		a, err := strconv.ParseUint(first, 10, 16)
		b, err2 := strconv.ParseUint(last, 10, 16)
		switch {
		case err != nil || err2 != nil:
		case not:
			t.addRange(proto, 1, int(a)-1)
			t.addRange(proto, int(b)+1, 65535)
		default:
			t.addRange(proto, int(a), int(b))
		}
	}
}

// addRange adds ports from first to last, as far as there are such.
func (t *Taken) addRange(proto string, first, last int) {
	r := taken{isOne(proto, "tcp 6 tcpudp all any *"), isOne(proto, "udp 17 tcpudp all any *"),
		wire.PortRange{First: uint16(max(first, 1)), Last: uint16(min(last, 65535))}}
	if last >= first && last > 0 && first <= 65535 {
		*t = append(*t, r)
	}
}

// AddSockets adds what listens on the router, from files of /proc/net whose lines begin with tcp or udp: of TCP what
// listens, of UDP what is not connected, and not to this machine alone.
func (t *Taken) AddSockets(text string) {
	for line := range strings.Lines(text) {
		word := append(strings.Fields(line), "", "", "", "", "")
		address, port, _ := strings.Cut(word[2], ":")
		n, err := strconv.ParseUint(port, 16, 16)
		if err == nil && isOne(word[4], listening) && strings.HasSuffix(word[3], ":0000") && !isOne(address, loopback) {
			t.addRange(word[0], int(n), int(n))
		}
	}
}

// In the files of /proc/net: the states TCP_LISTEN and TCP_CLOSE (net/tcp_states.h), and the addresses of this machine
// itself, words of 32 bits in the order of bytes of one or the other machine.
const (
	listening = "0A 07"
	loopback  = "0100007F 7F000001 00000000000000000000000001000000 00000000000000000000000000000001"
)
