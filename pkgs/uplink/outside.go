// SPDX-License-Identifier: Apache-2.0

package uplink

import (
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// Zones are the zones of a firewall that are switched on.
type Zones []zone

type zone struct {
	name, networks string
	masq           bool
}

// ReadZones reads them from the sections of firewall4's configuration.
func ReadZones(sections []uci.Section) (list Zones) {
	for i := range sections {
		if s := (*section)(&sections[i]); s.Type == "zone" && s.isOn("enabled", "1") {
			list = append(list, zone{s.or("name", ""), s.or("network", ""), s.isOn("masq", "0")})
		}
	}
	return list
}

// Enabled reports whether section main of our configuration is switched on, also of one that is refused.
func Enabled(sections []uci.Section) bool { return mainOf(sections).isOn("enabled", "0") }

func mainOf(sections []uci.Section) *section {
	i := slices.IndexFunc(sections, func(s uci.Section) bool { return s.Type == "latchkey" && s.Name == "main" })
	if i < 0 {
		return new(section)
	}
	return (*section)(&sections[i])
}

// names are those of all zones.
func (z Zones) names() (list words) {
	for i := range z {
		list.add(z[i].name)
	}
	return list
}

// Networks returns the interfaces that knocks come in at, up to config.MaxInterfaces: those that section main names;
// else all networks of the zone wan, whatever they are called; without a zone wan, of those that masquerade.
func (z Zones) Networks(named []string) []string {
	if len(named) > 0 {
		return named
	}
	var list words
	hasWAN := z.names().has("wan")
	for i := range z {
		if z[i].name != "wan" && (hasWAN || !z[i].masq) {
			continue
		}
		for _, name := range strings.Fields(z[i].networks) {
			if len(name) <= config.MaxInterfaceName && len(list) < config.MaxInterfaces {
				list.add(name)
			}
		}
	}
	if list == nil {
		return []string{"wan", "wan6"}
	}
	return list
}

// Outside returns the zones that have one of these networks; if none has, wan.
func (z Zones) Outside(networks []string) []string {
	var list words
	for i := range z {
		if z[i].hasOne(networks) {
			list.add(z[i].name)
		}
	}
	if list == nil {
		return []string{"wan"}
	}
	return list
}

func (z *zone) hasOne(networks words) bool {
	return slices.ContainsFunc(strings.Fields(z.networks), networks.has)
}

// words are a list in which each is once.
type words []string

func (w words) has(word string) bool { return slices.Contains(w, word) }

func (w *words) add(word string) {
	if !w.has(word) {
		*w = append(*w, word)
	}
}

// section is a section of a configuration that is not ours.
type section uci.Section

// or returns an option's values with spaces between, however it was written, or what holds if it has none.
func (s *section) or(option, otherwise string) string {
	text := ""
	for i := range s.Options {
		if s.Options[i].Name != option {
			continue
		}
		for _, v := range s.Options[i].Values {
			text += " " + v.Text
		}
	}
	if text = strings.TrimSpace(text); text != "" {
		return text
	}
	return otherwise
}

// isOn reports whether an option is switched on. As for OpenWrt's scripts, a value that is no boolean is as good as none.
func (s *section) isOn(option, otherwise string) bool {
	on, err := config.ParseBool(s.or(option, otherwise))
	if err != nil {
		on, _ = config.ParseBool(otherwise)
	}
	return on
}
