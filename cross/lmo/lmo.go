// SPDX-License-Identifier: Apache-2.0

// Package lmo turns gettext's .po files into the .lmo files that LuCI reads
// translations from.
//
// The result is byte for byte that of LuCI's own po2lmo, with one difference:
// a text that LuCI could never find or would show wrong is an error here.
package lmo

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxPlurals is how many plural forms po2lmo has room for.
const maxPlurals = 10

// message is one entry of a .po file.
type message struct {
	line    int // where it begins
	context string
	id      string
	plural  bool // has msgid_plural
	forms   int  // number of the highest msgstr[n], plus one
	str     [maxPlurals]string
	escape  string // an escape that stays as it is, such as \n
}

// entry is a row of the index at the end of an .lmo file.
type entry struct {
	key    uint32 // hash of the text to be translated; 0 for the rule of plurals
	forms  uint32
	offset uint32
	length uint32
}

// Compile reads a .po file and returns the .lmo file; nil if nothing is
// translated. The errors name the line.
func Compile(po io.Reader) ([]byte, error) {
	messages, err := parse(po)
	if err != nil {
		return nil, err
	}
	var (
		out   bytes.Buffer
		index []entry
	)
	add := func(key, forms uint32, text string) {
		index = append(index, entry{key, forms, uint32(out.Len()), uint32(len(text))})
		out.WriteString(text)
		out.Write(make([]byte, -len(text)&3)) // all parts begin at a multiple of 4
	}
	for _, m := range messages {
		if m.id == "" {
			if rule, ok := pluralRule(m.str[0]); ok {
				add(0, 0, rule)
			}
			continue
		}
		if m.str[0] == "" {
			continue // not translated yet
		}
		if err := m.check(); err != nil {
			return nil, err
		}
		for n, text := range m.str[:m.forms] {
			key := m.key(n)
			if text != "" && hash(key) != hash(text) {
				add(hash(key), uint32(m.forms), text)
			}
		}
	}
	if out.Len() == 0 {
		return nil, nil
	}

	offset := uint32(out.Len())
	slices.SortStableFunc(index, func(a, b entry) int { return cmp.Compare(a.key, b.key) })
	for _, e := range index {
		for _, v := range []uint32{e.key, e.forms, e.offset, e.length} {
			out.Write(binary.BigEndian.AppendUint32(nil, v))
		}
	}
	out.Write(binary.BigEndian.AppendUint32(nil, offset))
	return out.Bytes(), nil
}

// key is what LuCI hashes to look a text up.
func (m *message) key(form int) string {
	key := m.id
	if m.context != "" {
		key = m.context + "\x01" + key
	}
	if m.plural {
		key += "\x02" + strconv.Itoa(form)
	}
	return key
}

// check refuses what po2lmo takes and LuCI then does not find: the look-up
// squeezes white space, and escapes are stored as they are written.
func (m *message) check() error {
	if strings.Join(strings.Fields(m.id), " ") != m.id {
		return fmt.Errorf("line %d: msgid %q: LuCI squeezes white space before it looks for a text", m.line, m.id)
	}
	if m.escape != "" {
		return fmt.Errorf("line %d: LuCI shows the escape %s as it is written", m.line, m.escape)
	}
	return nil
}

// pluralRule finds the value of Plural-Forms in a .po file's header, whose
// lines end with a still escaped line feed.
func pluralRule(header string) (string, bool) {
	const name = "plural-forms: "
	for line := range strings.SplitSeq(header, `\n`) {
		if len(line) >= len(name) && strings.EqualFold(line[:len(name)], name) {
			return line[len(name):], true
		}
	}
	return "", false
}

// parse splits a .po file into its messages. Comments, and with them old
// messages ("#~"), are left out.
func parse(po io.Reader) ([]message, error) {
	var (
		messages []message
		m        *message
		field    *string // what a line of only text continues
	)
	next := func(line int) {
		messages = append(messages, message{line: line})
		m = &messages[len(messages)-1]
	}
	lines := bufio.NewScanner(po)
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		keyword, quoted, _ := strings.Cut(line, `"`)
		keyword = strings.TrimSpace(keyword)
		// A context comes before its msgid, so either may begin a message.
		if keyword == "msgctxt" || keyword == "msgid" && (m == nil || field != &m.context) {
			next(n)
		}
		if m == nil {
			return nil, fmt.Errorf("line %d: expected msgid, not %q", n, line)
		}
		switch {
		case keyword == "msgctxt":
			field = &m.context
		case keyword == "msgid":
			field = &m.id
		case keyword == "msgid_plural":
			m.plural = true
			field = new(string) // the number 0 of msgstr stands for it
		case keyword == "msgstr":
			m.forms = max(m.forms, 1)
			field = &m.str[0]
		case strings.HasPrefix(keyword, "msgstr[") && strings.HasSuffix(keyword, "]"):
			form, err := strconv.Atoi(keyword[len("msgstr[") : len(keyword)-1])
			if err != nil || form < 0 || form >= maxPlurals {
				return nil, fmt.Errorf("line %d: %q: plural forms are 0 to %d", n, keyword, maxPlurals-1)
			}
			m.forms = max(m.forms, form+1)
			field = &m.str[form]
		case keyword != "":
			return nil, fmt.Errorf("line %d: unknown keyword %q", n, keyword)
		}
		text, escape, err := unquote(quoted)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		m.escape = cmp.Or(m.escape, escape)
		*field += text
	}
	return messages, lines.Err()
}

// unquote returns the text up to the closing quote. As in po2lmo, only \" and
// \\ stand for something else; the last other escape is returned too.
func unquote(s string) (text, escape string, err error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), escape, nil
		case s[i] == '\\' && i+1 < len(s):
			i++
			if s[i] != '"' && s[i] != '\\' {
				escape = s[i-1 : i+1]
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", fmt.Errorf("text %q has no closing quote", s)
}

// hash is Paul Hsieh's SuperFastHash, seeded with the length, as LuCI uses it.
// The last odd byte counts as a signed one.
func hash(s string) uint32 {
	if s == "" {
		return 0
	}
	h := uint32(len(s))
	for ; len(s) >= 4; s = s[4:] {
		h += uint32(s[0]) | uint32(s[1])<<8
		h = h<<16 ^ (uint32(s[2])|uint32(s[3])<<8)<<11 ^ h
		h += h >> 11
	}
	switch len(s) {
	case 3:
		h += uint32(s[0]) | uint32(s[1])<<8
		h ^= h << 16
		h ^= uint32(int32(int8(s[2])) << 18)
		h += h >> 11
	case 2:
		h += uint32(s[0]) | uint32(s[1])<<8
		h ^= h << 11
		h += h >> 17
	case 1:
		h += uint32(int8(s[0]))
		h ^= h << 10
		h += h >> 1
	}
	h ^= h << 3
	h += h >> 5
	h ^= h << 4
	h += h >> 17
	h ^= h << 25
	h += h >> 6
	return h
}
