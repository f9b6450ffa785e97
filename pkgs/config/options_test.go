// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"slices"
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
