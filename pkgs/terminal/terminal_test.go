// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchkey/latchkey/pkgs/terminal"
)

func TestWriter_escapes_what_steers_a_terminal(t *testing.T) {
	for text, want := range map[string]string{
		"NAS – SSH 门 נס 😀 <b> '\"\\\n\tx\n": "NAS – SSH 门 נס 😀 <b> '\"\\\n\tx\n",
		"\x1b]0;title\a\x1b[2J\r":           `\u001b]0;title\u0007\u001b[2J\u000d`,
		"\u009b31m\x9b31m\xff":              `\u009b31m\x9b31m\xff`,
		"a\u202eb\u2066c\u200bd\u2028e":     `a\u202eb\u2066c\u200bd\u2028e`,
		"\U000e0041":                        `\udb40\udc41`,
	} {
		var out bytes.Buffer
		if n, err := io.WriteString(terminal.Writer(&out), text); n != len(text) || err != nil {
			t.Errorf("%q: %d bytes, %v", text, n, err)
		}
		if out.String() != want {
			t.Errorf("%q becomes\n%q, want\n%q", text, out.String(), want)
		}
	}
}

func TestWriter_keeps_the_meaning_of_JSON(t *testing.T) {
	const text = "\u009b\u202e\U000e0041\x7f門\u2028"
	var out bytes.Buffer
	if _, err := io.WriteString(terminal.Writer(&out), `"`+text+`"`); err != nil {
		t.Fatal(err)
	}
	var got string
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got != text {
		t.Errorf("%s is read as %q: %v", out.Bytes(), got, err)
	}
}

func TestWriter_tells_of_a_failure(t *testing.T) {
	r, w := io.Pipe()
	r.CloseWithError(errors.New("gone"))
	if n, err := io.WriteString(terminal.Writer(w), "text"); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

// FuzzWriter escapes anything, and has encoding/json read what was escaped.
func FuzzWriter(f *testing.F) {
	f.Add("\x1b[31mred \u202e\u2028 \x9b \U0001f600\U000e0001 \ufeff")
	f.Fuzz(func(t *testing.T, text string) {
		var out strings.Builder
		if n, err := terminal.Writer(&out).Write([]byte(text)); n != len(text) || err != nil {
			t.Fatalf("%q: %d, %v", text, n, err)
		}
		if strings.ContainsFunc(out.String(), func(r rune) bool { return r != '\n' && r != '\t' && !strconv.IsPrint(r) }) {
			t.Errorf("%q comes out as %q", text, out.String())
		}
		if strings.ContainsAny(text, "\"\\\n\t") || !utf8.ValidString(text) {
			return
		}
		var read string
		if err := json.Unmarshal([]byte(`"`+out.String()+`"`), &read); err != nil || read != text {
			t.Errorf("%q comes out as %q, which means %q to JSON (%v)", text, out.String(), read, err)
		}
	})
}
