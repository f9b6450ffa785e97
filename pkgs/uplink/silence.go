// SPDX-License-Identifier: Apache-2.0

package uplink

import (
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// drop is what the firewall does without a word.
const drop = "DROP"

// pings are the words of firewall4 for what lets pings through.
const pings = "echo-request any 8 128"

// Silence returns the values with which an option of a section of the firewall's lets in nobody from outside, and
// answers nobody there; nil where there are none: the section is about others, too, or lets in none but those whom it
// names, the option is about something else, or the section keeps strangers out itself.
func Silence(firewall []uci.Section, name, option string) []string {
	i := slices.IndexFunc(firewall, func(s uci.Section) bool { return s.Name == name && name != "" })
	if i < 0 {
		return nil
	}
	s := (*section)(&firewall[i])
	strangers := strangers(firewall)
	target := strings.ToUpper(s.or("target", ""))
	isTheirs := strangers.has(s.or("src", ""))
	isForAll := s.or("src_ip", "")+s.or("src_mac", "")+s.or("ipset", "") == ""
	switch s.Type + " " + option {
	case "defaults forward": // with ACCEPT zones inside may reach each other by it
		if strings.ToUpper(s.or("forward", "")) == "REJECT" {
			return []string{drop}
		}
	case "zone input", "zone forward":
		if strangers.has(s.or("name", "")) {
			return []string{drop}
		}
	case "rule target":
		if isTheirs && target == "REJECT" {
			return []string{drop}
		}
	case "rule enabled":
		if isTheirs && isForAll && target == "ACCEPT" {
			return []string{"0"}
		}
	case "redirect enabled":
		if isTheirs && isForAll && (target == "DNAT" || target == "") {
			return []string{"0"}
		}
	case "rule icmp_type": // without its errors IPv6 does not work: what else there is stays
		types := strings.Fields(s.or("icmp_type", ""))
		rest := slices.DeleteFunc(types, func(t string) bool { return isOne(t, pings) })
		if isTheirs && isForAll && target == "ACCEPT" && len(rest) > 0 {
			return rest
		}
	}
	return nil
}

// strangers returns the zones in which the router's owner is not: those that face the Internet, but neither that of
// lan nor one that is let out into another of them. Only the firewall's own configuration says so: an account of LuCI's
// may write ours, and could name lan as an interface that knocks come in at, to shut the owner out.
func strangers(firewall []uci.Section) words {
	zones := ReadZones(firewall)
	isOfLAN := func(name string) bool {
		return slices.ContainsFunc(zones, func(z zone) bool {
			return z.name == name && (name == "lan" || z.hasOne(words{"lan"}))
		})
	}
	outside := words(slices.DeleteFunc(zones.Outside(zones.Networks(nil)), isOfLAN))
	isLetOut := func(name string) bool {
		return slices.ContainsFunc(firewall, func(s uci.Section) bool {
			return (*section)(&s).letsOut(name, outside)
		})
	}
	return slices.DeleteFunc(slices.Clone(outside), isLetOut)
}

// letsOut reports whether a section lets a zone out into another one of those outside. A rule has to name that one: stock
// ones about ICMPv6 lead from wan to everywhere.
func (s *section) letsOut(zone string, outside words) bool {
	src, dest := s.or("src", ""), s.or("dest", "")
	isForwarding := s.Type == "forwarding"
	isRule := s.Type == "rule" && strings.ToUpper(s.or("target", "")) == "ACCEPT"
	return (isForwarding || isRule) && s.isOn("enabled", "1") && (src == zone || src == "*") &&
		(isForwarding && dest == "*" || dest != zone && outside.has(dest))
}
