// SPDX-License-Identifier: Apache-2.0

package manual

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/release"
)

const root = "../.."

func pages(t *testing.T) map[string][]byte {
	t.Helper()
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Pages(t.Context(), root, rel)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// render returns a page as a person reads it, and fails the test if mandoc has
// anything to say of its form.
func render(t *testing.T, name string, text []byte) string {
	t.Helper()
	if _, err := exec.LookPath("mandoc"); err != nil {
		t.Skip("SKIP: mandoc is not installed")
	}
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mandoc", "-Tlint", "-Wstyle", file).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := exec.Command("mandoc", "-Tutf8", "-Owidth=200", file).Output()
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`.\x08`).ReplaceAllString(string(out), "")
}

// Every command and option of a program is in its page, and nothing else is.
func TestPagesOfProgramsAgreeWithTheirHelp(t *testing.T) {
	all := pages(t)
	for file, name := range map[string]string{"latchkey.1": "latchkey", "latchkeyd.8": "latchkeyd"} {
		t.Run(file, func(t *testing.T) {
			text := render(t, file, all[file])
			p, err := helpOf(t.Context(), root, name)
			if err != nil {
				t.Fatal(err)
			}
			var options []string
			for _, c := range p.commands {
				if !strings.Contains(text, "\n   "+c.name+"\n") {
					t.Errorf("the page has no command %s", c.name)
				}
				for _, o := range c.options {
					options = append(options, o.name)
					if !strings.Contains(text, strings.TrimSpace(o.name+" "+o.value)) {
						t.Errorf("the page does not explain %s of %s", o.name, c.name)
					}
				}
			}
			if len(options) < 10 {
				t.Errorf("%d options were found, there are more", len(options))
			}
			for _, word := range regexp.MustCompile(`(^|[ \[|(])(--[a-z][a-z-]*)`).FindAllStringSubmatch(text, -1) {
				if !slices.Contains(options, word[2]) {
					t.Errorf("the page names %s, which the program does not have", word[2])
				}
			}
		})
	}
}

// In latchkey(5) a value is in the letters that the daemon takes, and nothing refers to another document.
func TestPageOfConfigurationSaysWhatTheDaemonTakes(t *testing.T) {
	text := render(t, "latchkey.5", pages(t)["latchkey.5"])
	for _, wrong := range []string{"Debug", "Tcp", "Ordered:", "see below"} {
		if strings.Contains(text, wrong) {
			t.Errorf("the page has %q", wrong)
		}
	}
}
