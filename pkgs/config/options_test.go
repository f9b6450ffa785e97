// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// tables are all options by section type.
func tables() map[string][]string {
	return map[string][]string{
		"latchkey": optionNames(new(Main).options()),
		"door":     optionNames(new(doorSection).options()),
		"client":   optionNames(new(clientSection).options()),
		"sequence": optionNames(new(Sequence).options()),
		"ports":    optionNames(new(portsSection).options()),
	}
}

func TestOptions(t *testing.T) {
	t.Run("each_section_type_has_a_table", func(t *testing.T) {
		for _, s := range sectionTypes {
			if len(tables()[s.name]) == 0 {
				t.Errorf("%s has none", s.name)
			}
		}
	})
	t.Run("the_full_example_has_every_option", func(t *testing.T) {
		b, err := os.ReadFile("../../testdata/config/full")
		if err != nil {
			t.Fatal(err)
		}
		file, errs := uci.Parse(string(b))
		if len(errs) > 0 {
			t.Fatal(errs)
		}
		for typ, names := range tables() {
			for _, name := range names {
				if !slices.ContainsFunc(file.Sections, func(s uci.Section) bool { return s.Type == typ && has(&s, name) }) {
					t.Errorf("testdata/config/full has no %s of a section '%s'", name, typ)
				}
			}
		}
	})
}

// What the plugin of rpcd found is for where the owner wrote nothing.
func TestFound(t *testing.T) {
	for name, tt := range map[string]struct{ text, hosts, name string }{
		"nothing_is_written":     {"list found_host 'a.example'\nlist found_host '192.0.2.1'\nlist found_host '2001:db8::1'\noption found_name 'attic'", "a.example 192.0.2.1 2001:db8::1", "attic"},
		"a_name_is_written":      {"option host 'home.example'\nlist found_host 'a.example'\nlist found_host '192.0.2.1'\noption name 'home'\noption found_name 'attic'", "home.example 192.0.2.1", "home"},
		"an_address_is_written":  {"option host '203.0.113.7'\nlist found_host 'a.example'\nlist found_host '192.0.2.1'", "203.0.113.7 a.example", ""},
		"both_are_written":       {"list host '203.0.113.7'\nlist host 'home.example'\nlist found_host 'a.example'\nlist found_host '192.0.2.1'", "203.0.113.7 home.example", ""},
		"the_first_name":         {"list found_host 'a.example'\nlist found_host 'b.example'", "a.example", ""},
		"what_is_no_host":        {"list found_host 'https://x/'\nlist found_host 'an account'\nlist found_host '1.2.3'\nlist found_host 'b.example'", "b.example", ""},
		"an_address_twice":       {"list found_host '192.0.2.1'\nlist found_host '192.0.2.1'", "192.0.2.1", ""},
		"many_names":             {"list found_host '" + strings.Join(strings.Fields("a.example b.example c.example d.example e.example f.example g.example h.example i.example ::1 ::1 ::2"), "'\nlist found_host '") + "'", "a.example ::1 ::2", ""},
		"addresses_many_times":   {"list found_host '" + strings.Join(strings.Fields("::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::2"), "'\nlist found_host '") + "'", "::1 ::2", ""},
		"more_than_a_link_takes": {"option host 'a.example'\nlist found_host '" + strings.Join(strings.Fields("::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8 ::9 ::10"), "'\nlist found_host '") + "'", "a.example ::1 ::2 ::3 ::4 ::5 ::6 ::7 ::8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			c, problems := Parse("config latchkey 'main'\n" + tt.text + "\n")
			if c == nil {
				t.Fatal(problems)
			}
			if got := strings.Join(c.Main.Hosts, " "); got != tt.hosts || c.Main.Name != tt.name {
				t.Errorf("hosts %q, name %q", got, c.Main.Name)
			}
		})
	}
}
