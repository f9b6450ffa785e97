// SPDX-License-Identifier: Apache-2.0

package uci_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// section is what most cases below need around the statement that they are about.
const section = "config door nas\n"

func one(line int, options ...uci.Option) []uci.Section {
	return []uci.Section{{Type: "door", Name: "nas", Line: line, Options: options}}
}

func option(name, text string, line int) uci.Option {
	return uci.Option{Name: name, Values: []uci.Value{{Text: text, Line: line}}}
}

// TestParse holds the grammar. What libuci makes of each text was looked up by running it.
func TestParse(t *testing.T) {
	tests := []struct {
		name, text string
		want       []uci.Section
	}{
		{"empty", "", nil},
		{"comments_and_blank_lines", "\n  # a comment\n\t\r\n#\n", nil},
		{"named_and_anonymous", "config a\nconfig a 'n'\nconfig b\nconfig a ''\n", []uci.Section{
			{Type: "a", Line: 1},
			{Type: "a", Name: "n", Index: 1, Line: 2},
			{Type: "b", Line: 3},
			{Type: "a", Index: 2, Line: 4},
		}},
		{"words_cut_to_a_letter", "c door nas\no x 1\nl y 2\n", one(1, option("x", "1", 2),
			uci.Option{Name: "y", List: true, Values: []uci.Value{{Text: "2", Line: 3}}})},
		{"no_newline_at_the_end", section + "option x 1", one(1, option("x", "1", 2))},
		{"carriage_returns", "config door 'nas'\r\n\toption x 'y z'\r\n", one(1, option("x", "y z", 2))},
		{"last_option_wins_in_place", section + "option x 1\noption z 9\noption x 2\n",
			one(1, option("x", "2", 4), option("z", "9", 3))},
		{"list_takes_an_option_in", section + "option x 1\nlist x 2\n", one(1,
			uci.Option{Name: "x", List: true, Values: []uci.Value{{Text: "1", Line: 2}, {Text: "2", Line: 3}}})},
		{"option_replaces_a_list", section + "list x 1\nlist x 2\noption x 3\n", one(1, option("x", "3", 4))},
		{"empty_option_does_nothing", section + "option x 1\noption x ''\noption y\n", one(1, option("x", "1", 2))},
		{"empty_list_entry_counts", section + "list x ''\n", one(1,
			uci.Option{Name: "x", List: true, Values: []uci.Value{{Text: "", Line: 2}}})},
		{"section_goes_on", section + "option x 1\nconfig b\nconfig door nas\noption y 2\n", []uci.Section{
			{Type: "door", Name: "nas", Line: 1, Options: []uci.Option{option("x", "1", 2), option("y", "2", 5)}},
			{Type: "b", Line: 3},
		}},
		{"pieces_are_joined", section + `option x a'b c'"d e"f` + "\n", one(1, option("x", "ab cd ef", 2))},
		{"backslash_in_double_quotes", section + `option x "\"\\\n\ "` + "\n", one(1, option("x", `"\n `, 2))},
		{"backslash_in_single_quotes", section + `option x '\"\n'` + "\n", one(1, option("x", `\"\n`, 2))},
		{"backslash_in_plain_words", section + `option x \'\#\;\ y` + "\n", one(1, option("x", `'#; y`, 2))},
		{"quotes_over_lines", section + "option x 'a\n b'\"\nc\\\nd\"\noption y 1\n",
			one(1, option("x", "a\n b\ncd", 2), option("y", "1", 6))},
		{"joined_lines", section + "option x a\\\nb\\\r\nc\n", one(1, option("x", "abc", 2))},
		{"comment_in_a_plain_word", section + "option x a#b c\n", one(1, option("x", "a", 2))},
		{"no_comment_in_quotes", section + "option x 'a#b' # c\n", one(1, option("x", "a#b", 2))},
		{"statements_in_one_line", "config door nas ; option x 'a'; option y b ; option z c # d\n",
			one(1, option("x", "a", 1), option("y", "b", 1), option("z", "c", 1))},
		{"semicolon_ends_a_plain_word", section + "option x a; # nothing lost\n", one(1, option("x", "a", 2))},
		{"other_bytes", section + "option x 'é\xff\x01'\n", one(1, option("x", "é\xff\x01", 2))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, errs := uci.Parse(tt.text)
			if diff := cmp.Diff([]uci.Error(nil), errs); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.want, got.Sections); diff != "" {
				t.Errorf("sections (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_package(t *testing.T) {
	f, errs := uci.Parse("package latch-key\nconfig a\npackage latch-key\n")
	if len(errs) != 0 || f.Package != "latch-key" {
		t.Errorf("package %q, errors %v", f.Package, errs)
	}
}

func TestParse_errors(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"unknown_statement", "confg door nas\n", []string{"invalid statement: a line begins with config, option or list, and a space (line 1)"}},
		{"word_alone", section + "option\n", []string{"invalid statement: a line begins with config, option or list, and a space (line 2)"}},
		{"arguments_missing", "config \n", []string{"insufficient arguments (line 1)"}},
		{"arguments_missing_at_the_end", section + "option ", []string{"insufficient arguments (line 2)"}},
		{"empty_name", section + "option '' x\n", []string{"insufficient arguments (line 2)"}},
		{"too_many", section + "option x a b\n", []string{"too many arguments: a value with spaces in it needs quotes (line 2)"}},
		{"too_many_in_the_next_line", section + "option x \\\n 'b'\n", []string{"too many arguments: a value with spaces in it needs quotes (line 2)"}},
		{"bad_section_name", "config door my-nas\n", []string{"invalid character in a name: want letters, digits and _ (line 1)"}},
		{"bad_option_name", section + "option a.b 1\n", []string{"invalid character in a name: want letters, digits and _ (line 2)"}},
		{"bad_type", "config 'a b'\n", []string{"invalid character in a name: want letters, digits and _ (line 1)"}},
		{"before_the_first_section", "option x 1\n", []string{`option "x" comes before the first section (line 1)`}},
		{"two_types", section + "config client nas\n", []string{`section "nas" is of type "client" here, but of type "door" in line 1 (line 2)`}},
		{"rest_of_line_lost", section + "option x 1;option y 2\n", []string{"a ; needs a space before it (line 2)"}},
		{"semicolon_after_quotes_and_nothing", section + "option x '1';\n", []string{"invalid statement: a line begins with config, option or list, and a space (line 2)"}},
		{"two_packages", "package a\npackage b\n", []string{`second package "b": a file holds one (line 2)`}},
		{"nul", "config a\n\noption x '\x00'\n", []string{"NUL byte: this is not a text file (line 3)"}},
		{"all_are_listed", "confg a\noption x 1 2\nconfig b\noption y z z\noption - 1\n", []string{
			"invalid statement: a line begins with config, option or list, and a space (line 1)",
			"too many arguments: a value with spaces in it needs quotes (line 2)",
			"too many arguments: a value with spaces in it needs quotes (line 4)",
			"invalid character in a name: want letters, digits and _ (line 5)",
		}},
		{"options_of_a_broken_section_are_not", "config a b c\noption x 1\noption y 2 3\n", []string{
			"too many arguments: a value with spaces in it needs quotes (line 1)",
			"too many arguments: a value with spaces in it needs quotes (line 3)",
		}},
		// The quote that is missing in line 2 makes every later one open where it should close:
		// libuci complains about the last line.
		{"quote_without_end", section + "option x 'one\noption y 'two'\noption z 'three'\noption z a b\n", []string{
			"quote without an end: the value begun here goes on to the end of the file (line 2)",
			"too many arguments: a value with spaces in it needs quotes (line 5)",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, errs := uci.Parse(tt.text)
			var got []string
			for _, e := range errs {
				got = append(got, e.Error())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("errors (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_goes_on_after_an_error(t *testing.T) {
	f, errs := uci.Parse("config door nas\noption x 1 2\noption y 3\nconfig door a-b\noption z 4\nconfig door c\n")
	want := []uci.Section{
		{Type: "door", Name: "nas", Line: 1, Options: []uci.Option{option("y", "3", 3)}},
		{Type: "door", Name: "c", Line: 6, Index: 1},
	}
	if diff := cmp.Diff(want, f.Sections); diff != "" || len(errs) != 2 {
		t.Errorf("errors %v, sections (-want +got):\n%s", errs, diff)
	}
}

func TestParse_bounds(t *testing.T) {
	t.Run("size", func(t *testing.T) {
		text := "#" + strings.Repeat("x", uci.MaxSize-1)
		if _, errs := uci.Parse(text); len(errs) != 0 {
			t.Errorf("%d bytes: %v", len(text), errs)
		}
		want := fmt.Sprintf("text has %d bytes, but at most %d are read", uci.MaxSize+1, uci.MaxSize)
		if _, errs := uci.Parse(text + "x"); len(errs) != 1 || errs[0].Error() != want {
			t.Errorf("got %v, want %s", errs, want)
		}
	})
	t.Run("errors", func(t *testing.T) {
		_, errs := uci.Parse(strings.Repeat("x\n", 10*uci.MaxErrors))
		if len(errs) != uci.MaxErrors+1 || !strings.Contains(errs[uci.MaxErrors].Reason, "too many errors") {
			t.Errorf("%d errors, the last is %v", len(errs), errs[len(errs)-1])
		}
	})
}

// seed adds texts to a fuzz target.
func seed(f *testing.F) {
	for _, seed := range []string{
		section + "\toption x 'a b'\n\tlist y \"c\\\"d\"\n",
		"package a\nconfig b ; option c 'd'; list e f;\n",
		section + "option x 'a\nb'\\\nc#d\n",
		"config a\r\n\toption b \\\r\nc\n",
		"c a b\no x \"'\no y '\"\n",
	} {
		f.Add(seed)
	}
}

func FuzzParse(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, text string) {
		file, errs := uci.Parse(text)
		lines := 1 + strings.Count(text, "\n")
		last := 0
		for _, e := range errs {
			if e.Line < 0 || e.Line > lines || e.Reason == "" {
				t.Errorf("error %+v in a text of %d lines", e, lines)
			}
		}
		for _, s := range file.Sections {
			if s.Line <= last && !strings.Contains(text, ";") || s.Line > lines || s.Type == "" {
				t.Errorf("section %+v after line %d of %d", s, last, lines)
			}
			last = s.Line
			for _, o := range s.Options {
				if o.Name == "" || len(o.Values) == 0 || !o.List && (len(o.Values) != 1 || o.Values[0].Text == "") {
					t.Errorf("option %+v", o)
				}
			}
		}
		if len(errs) == 0 {
			roundTrip(t, file)
		}
	})
}

// roundTrip writes a file with nothing but single quotes, and reads that.
func roundTrip(t *testing.T, file *uci.File) {
	t.Helper()
	quote := func(s string) string { return "'" + escape(s) + "'" }
	var b strings.Builder
	for _, s := range file.Sections {
		fmt.Fprintf(&b, "config %s %s\n", quote(s.Type), quote(s.Name))
		for _, o := range s.Options {
			word := map[bool]string{false: "option", true: "list"}[o.List]
			for _, v := range o.Values {
				fmt.Fprintf(&b, "%s %s %s\n", word, o.Name, quote(v.Text))
			}
		}
	}
	again, errs := uci.Parse(b.String())
	noLines := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Line" }, cmp.Ignore())
	if diff := cmp.Diff(file.Sections, again.Sections, noLines); diff != "" || len(errs) != 0 {
		t.Errorf("errors %v, difference after writing:\n%s", errs, diff)
	}
}
