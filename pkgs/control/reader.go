// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// reader reads the words of JSON text (RFC 8259) from the place at on.
type reader struct {
	b    []byte
	at   int
	word []byte // what text returned
}

// want is the error that something else stands here.
func (r *reader) want(what string) error {
	if r.at >= len(r.b) {
		return errors.New("JSON ends too early")
	}
	return fmt.Errorf("JSON has %q at byte %d, want %s", r.b[r.at], r.at, what)
}

// next skips white space and returns the byte behind it, or 0 at the end.
func (r *reader) next() byte {
	for ; r.at < len(r.b); r.at++ {
		if c := r.b[r.at]; c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// take skips white space and then c, if that is there.
func (r *reader) take(c byte) bool {
	if r.next() != c {
		return false
	}
	r.at++
	return true
}

// skip skips s, if that is there.
func (r *reader) skip(s string) bool {
	if !bytes.HasPrefix(r.b[r.at:], []byte(s)) {
		return false
	}
	r.at += len(s)
	return true
}

// text reads a string. What is no UTF-8 becomes U+FFFD. It lasts until the next one is read.
func (r *reader) text() ([]byte, error) {
	r.take('"')
	r.word = r.word[:0]
	for r.at < len(r.b) {
		switch c := r.b[r.at]; {
		case c == '"':
			r.at++
			if !utf8.Valid(r.word) {
				r.word = bytes.ToValidUTF8(r.word, []byte(string(utf8.RuneError)))
			}
			return r.word, nil
		case c == '\\':
			r.at++
			u, err := r.escape()
			if err != nil {
				return nil, err
			}
			r.word = utf8.AppendRune(r.word, u)
		case c < ' ':
			return nil, r.want("no control character")
		default:
			r.at++
			r.word = append(r.word, c)
		}
	}
	return nil, r.want("'\"'")
}

// escape reads what is behind a backslash.
func (r *reader) escape() (rune, error) {
	if r.at < len(r.b) {
		if i := strings.IndexByte(`"\/bfnrt`, r.b[r.at]); i >= 0 {
			r.at++
			return rune("\"\\/\b\f\n\r\t"[i]), nil
		}
	}
	u, ok := r.hex()
	if !ok {
		return 0, r.want("an escape")
	}
	if utf16.IsSurrogate(u) {
		alone := r.at
		if r.skip(`\`) {
			low, _ := r.hex()
			u = utf16.DecodeRune(u, low)
		}
		if u == utf8.RuneError {
			r.at = alone
		}
	}
	return u, nil // half a pair is written as U+FFFD
}

// hex reads uXXXX.
func (r *reader) hex() (rune, bool) {
	end := r.at + len("uXXXX")
	if end > len(r.b) || r.b[r.at] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(r.b[r.at+1:end]), 16, 16)
	if err != nil {
		return 0, false
	}
	r.at = end
	return rune(n), true
}

// number reads a number and returns its text.
func (r *reader) number() (string, error) {
	begin := r.at
	r.skip("-")
	ok := r.skip("0") || r.digits()
	if ok && r.skip(".") {
		ok = r.digits()
	}
	if ok && (r.skip("e") || r.skip("E")) {
		_ = r.skip("+") || r.skip("-")
		ok = r.digits()
	}
	if !ok {
		return "", r.want("a value")
	}
	return string(r.b[begin:r.at]), nil
}

// digits skips decimal digits, of which there must be one.
func (r *reader) digits() bool {
	begin := r.at
	for r.at < len(r.b) && '0' <= r.b[r.at] && r.b[r.at] <= '9' {
		r.at++
	}
	return r.at > begin
}
