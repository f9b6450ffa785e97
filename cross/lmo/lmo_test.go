// SPDX-License-Identifier: Apache-2.0

package lmo_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/lmo"
)

// TestCompile compares with what LuCI's own po2lmo made of the same file.
func TestCompile(t *testing.T) {
	po, err := os.Open("testdata/example.po")
	if err != nil {
		t.Fatal(err)
	}
	defer po.Close()
	want, err := os.ReadFile("testdata/example.lmo")
	if err != nil {
		t.Fatal(err)
	}
	got, err := lmo.Compile(po)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func TestCompile_nothing_translated(t *testing.T) {
	got, err := lmo.Compile(strings.NewReader("msgid \"Door\"\nmsgstr \"\"\n"))
	if got != nil || err != nil {
		t.Errorf("Compile() = %q, %v; want nothing", got, err)
	}
}

func TestCompile_refuses(t *testing.T) {
	for name, c := range map[string]struct{ po, want string }{
		"text before a message":    {"msgstr \"x\"\n", "line 1: expected msgid"},
		"unknown keyword":          {"msgid \"a\"\nmsgtext \"b\"\n", `line 2: unknown keyword "msgtext"`},
		"open quote":               {"msgid \"a\n", "line 1: text"},
		"too many forms":           {"msgid \"a\"\nmsgstr[10] \"b\"\n", "plural forms are 0 to 9"},
		"white space at the end":   {"\nmsgid \"a \"\nmsgstr \"b\"\n", `line 2: msgid "a "`},
		"escape that LuCI shows":   {"msgid \"a\"\nmsgstr \"b\\nc\"\n", `line 1: LuCI shows the escape \n`},
		"escape that nobody finds": {"msgid \"a\\tb\"\nmsgstr \"c\"\n", `line 1: LuCI shows the escape \t`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := lmo.Compile(strings.NewReader(c.po))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		"msgid \"a\"\nmsgstr \"b\"\n",
		"msgctxt \"c\"\nmsgid \"a\"\nmsgid_plural \"as\"\nmsgstr[0] \"b\"\nmsgstr[1] \"bs\"\n",
		"msgid \"\"\nmsgstr \"\"\n\"Plural-Forms: nplurals=1; plural=0;\\n\"\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, po string) {
		out, err := lmo.Compile(strings.NewReader(po))
		if err == nil && len(out)%4 != 0 {
			t.Errorf("%d bytes, not a multiple of 4", len(out))
		}
	})
}
