// SPDX-License-Identifier: Apache-2.0

package uci_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// stricter are the errors of ours that OpenWrt's uci does not have: what it drops without a word.
var stricter = regexp.MustCompile(`^(a ; needs a space|second package|NUL byte)`)

// FuzzUCI compares with OpenWrt's own uci, which Debian lacks: LATCHKEY_UCI is its path.
func FuzzUCI(f *testing.F) {
	program := os.Getenv("LATCHKEY_UCI")
	if program == "" {
		f.Skip("SKIP: no uci of OpenWrt here (hint: LATCHKEY_UCI=/sbin/uci)")
	}
	seed(f)
	folder := f.TempDir()
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(filepath.Join(folder, "x"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		file, errs := uci.Parse(text)
		out, err := exec.Command(program, "-c", folder, "export", "x").Output()
		switch {
		case err != nil && len(errs) == 0:
			t.Errorf("%q: only we take it: %v", text, err)
		case err == nil && len(errs) > 0 && !stricter.MatchString(errs[0].Error()):
			t.Errorf("%q: only uci takes it; ours: %v", text, errs)
		case err == nil && len(errs) == 0:
			if diff := cmp.Diff(string(out), export(file)); diff != "" {
				t.Errorf("%q (-uci +ours):\n%s", text, diff)
			}
		}
	})
}

// export writes a file as uci export does.
func export(file *uci.File) string {
	var b strings.Builder
	fmt.Fprintf(&b, "package x\n")
	for _, s := range file.Sections {
		fmt.Fprintf(&b, "\nconfig %s", escape(s.Type))
		if s.Name != "" {
			fmt.Fprintf(&b, " '%s'", s.Name)
		}
		b.WriteByte('\n')
		for _, o := range s.Options {
			word := map[bool]string{false: "option", true: "list"}[o.List]
			for _, v := range o.Values {
				fmt.Fprintf(&b, "\t%s %s '%s'\n", word, o.Name, escape(v.Text))
			}
		}
	}
	return b.String() + "\n"
}

func escape(s string) string { return strings.ReplaceAll(s, "'", `'\''`) }
