// SPDX-License-Identifier: Apache-2.0

package terminal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

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
