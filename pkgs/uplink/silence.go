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
// answers nobody there; nil where there are none: the section is about others, the option about something else, or the
// section keeps strangers out itself.
func Silence(firewall []uci.Section, named []string, name, option string) []string {
	i := slices.IndexFunc(firewall, func(s uci.Section) bool { return s.Name == name && name != "" })
	if i < 0 {
		return nil
	}
	s := (*section)(&firewall[i])
	outside := ReadZones(firewall).sources(named)
	target := strings.ToUpper(s.or("target", ""))
	isTheirs := outside.has(s.or("src", ""))
	switch s.Type + " " + option {
	case "defaults forward":
		return []string{drop}
	case "zone input", "zone forward":
		if outside.has(s.or("name", "")) {
			return []string{drop}
		}
	case "rule target":
		if isTheirs && target == "REJECT" {
			return []string{drop}
		}
	case "rule enabled":
		if isTheirs && target == "ACCEPT" {
			return []string{"0"}
		}
	case "redirect enabled":
		if isTheirs && (target == "DNAT" || target == "") {
			return []string{"0"}
		}
	case "rule icmp_type": // without its errors IPv6 does not work: what else there is stays
		types := strings.Fields(s.or("icmp_type", ""))
		rest := slices.DeleteFunc(types, func(t string) bool { return isOne(t, pings) })
		if isTheirs && target == "ACCEPT" && len(rest) > 0 {
			return rest
		}
	}
	return nil
}
