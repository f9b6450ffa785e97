// SPDX-License-Identifier: Apache-2.0

// Package terminal escapes characters by which a text of others could control the terminal that shows it.
//
// It is not meant for other programs.
package terminal

import (
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Writer returns a writer that passes text on to w with all that is no printable character escaped
// (\u001b, \u202e; bytes that are no UTF-8 as \x9b), but for ends of lines and tabs. What it escapes
// means the same in a string of JSON.
//
// Each call of Write must hold whole characters, as fmt's functions do.
func Writer(w io.Writer) io.Writer { return writer{w} }

type writer struct{ to io.Writer }

func (w writer) Write(text []byte) (int, error) {
	if _, err := w.to.Write(escape(text)); err != nil {
		return 0, err
	}
	return len(text), nil
}

func escape(text []byte) []byte {
	out := make([]byte, 0, len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && size == 1:
			out = fmt.Appendf(out, `\x%02x`, text[0])
		case r == '\n', r == '\t', strconv.IsPrint(r):
			out = append(out, text[:size]...)
		case r > 0xffff: // JSON has these as two halves (RFC 8259, section 7)
			r -= 0x10000
			out = fmt.Appendf(out, `\u%04x\u%04x`, 0xd800+r>>10, 0xdc00+r&0x3ff)
		default:
			out = fmt.Appendf(out, `\u%04x`, r)
		}
		text = text[size:]
	}
	return out
}
