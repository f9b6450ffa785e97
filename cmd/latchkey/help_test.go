// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"flag"
	"io"
	"strings"
	"testing"
)

// optionsOf returns the options of a command, as the command itself declares them.
func optionsOf(t *testing.T, c command) (options []*flag.Flag) {
	t.Helper()
	asked, ok := c.run(env{nil, io.Discard, io.Discard, io.Discard}, []string{"--help"}).(helpWanted)
	if !ok {
		t.Fatalf("latchkey %s --help explains nothing", c.name)
	}
	asked.VisitAll(func(f *flag.Flag) { options = append(options, f) })
	return options
}

func TestHelpExplainsEveryCommandAndOption(t *testing.T) {
	for _, c := range commands() {
		var out bytes.Buffer
		if code := latchkey([]string{"help", c.name}, env{nil, &out, io.Discard, &out}); code != exitOK {
			t.Errorf("latchkey help %s returned %d", c.name, code)
		}
		for _, line := range c.lines() {
			if !strings.Contains(out.String(), line) {
				t.Errorf("latchkey help %s does not show %q", c.name, line)
			}
		}
		for _, o := range optionsOf(t, c) {
			if o.Usage == "" || !strings.Contains(out.String(), "-"+o.Name+" ") {
				t.Errorf("latchkey help %s does not explain --%s:\n%s", c.name, o.Name, &out)
			}
		}
	}
}

// A form names an option that there is, and the completions know all of them.
func TestFormsAndCompletionsAgreeWithOptions(t *testing.T) {
	for _, c := range commands() {
		options := optionsOf(t, c)
		for _, word := range strings.FieldsFunc(strings.Join(c.args, " "), func(r rune) bool { return strings.ContainsRune(" []|", r) }) {
			if name, ok := strings.CutPrefix(word, "-"); ok && name != "" && !hasOption(options, strings.TrimPrefix(name, "-")) {
				t.Errorf("latchkey %s has no option %s, but a form with it", c.name, word)
			}
		}
		for _, shell := range []string{"bash", "zsh", "fish"} {
			script, err := completions.ReadFile("completion/" + shell)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range options {
				if !completes(shell, string(script), c.name, o.Name) {
					t.Errorf("the completion of %s has no -%s of latchkey %s", shell, o.Name, c.name)
				}
			}
		}
	}
}

func hasOption(options []*flag.Flag, name string) bool {
	for _, o := range options {
		if o.Name == name {
			return true
		}
	}
	return false
}

// completes reports whether a line of a script that is about a command has an option.
func completes(shell, script, command, option string) bool {
	for line := range strings.Lines(script) {
		switch {
		case shell != "fish":
			if strings.HasPrefix(strings.TrimSpace(line), command+") ") && strings.Contains(strings.NewReplacer(`"`, " ", ")", " ").Replace(line), "-"+option+" ") {
				return true
			}
		case strings.Contains(line, "__fish_seen_subcommand_from"):
			_, about, _ := strings.Cut(line, "__fish_seen_subcommand_from")
			about, rest, _ := strings.Cut(about, `"`)
			named := strings.Contains(rest+" ", "--long-option "+option+" ") || strings.Contains(rest, "--short-option "+option+" ")
			if named && strings.Contains(about+" ", " "+command+" ") {
				return true
			}
		}
	}
	return false
}
