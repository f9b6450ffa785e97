// SPDX-License-Identifier: Apache-2.0

package apktest

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// Tree is a value with what it holds: members by their names, or those of a
// list, or a text as apk shows it.
type Tree struct {
	Name    string
	Text    string
	Members []Tree

	form form
	at   int // where the value is in the database
}

// Get returns the member of that name; an empty one if there is none.
func (t Tree) Get(name string) Tree {
	for _, m := range t.Members {
		if m.Name == name {
			return m
		}
	}
	return Tree{}
}

// tree reads a value of a database. What it refers to must be before it, as
// the writer had to know it: hence no value is within itself.
func tree(db []byte, word uint32, s shape) (Tree, error) {
	t := Tree{Name: s.name, form: s.form, at: int(word & 0x0fffffff)}
	switch s.form {
	case number, octal:
		n, err := integer(db, word)
		base := 10
		if s.form == octal {
			base = 8
			t.Text = "0"
		}
		t.Text += strconv.FormatUint(n, base)
		return t, err
	case text, lines, hexadecimal:
		b, err := blob(db, word)
		t.Text = string(b)
		if s.form == hexadecimal {
			t.Text = hex.EncodeToString(b)
		}
		return t, err
	}

	if kind := word >> 28; kind != 0xe && kind != 0xd {
		return t, fmt.Errorf("%q is of type %d, not an object", s.name, kind)
	}
	count, err := within(db, t.at, 4)
	if err != nil {
		return t, err
	}
	n := int(binary.LittleEndian.Uint32(count))
	if t.at%4 != 0 || n < 2 {
		return t, fmt.Errorf("%q is at %d and has %d words", s.name, t.at, n)
	}
	words, err := within(db, t.at, 4*n)
	if err != nil {
		return t, err
	}
	for i := 1; i < n; i++ {
		w := binary.LittleEndian.Uint32(words[4*i:])
		member := shape{name: "?"}
		switch {
		case s.form == list:
			member = *s.item
		case i <= len(s.fields):
			member = s.fields[i-1]
		}
		switch {
		case w == 0 && s.form != dependency:
			continue
		case w == 0:
			t.Members = append(t.Members, Tree{})
			continue
		case member.name == "?":
			return t, fmt.Errorf("%q has a field %d", s.name, i)
		case w>>28 >= 2 && int(w&0x0fffffff) >= t.at:
			return t, fmt.Errorf("%q refers to what is behind it", member.name)
		}
		m, err := tree(db, w, member)
		if err != nil {
			return t, err
		}
		t.Members = append(t.Members, m)
	}
	if s.form == dependency {
		t.Text = relation(t.Members)
	}
	return t, nil
}

// relation returns a dependency as apk shows it.
func relation(members []Tree) string {
	out := members[0].Text
	if len(members) == 1 {
		return out
	}
	match := 1
	if len(members) > 2 {
		match, _ = strconv.Atoi(members[2].Text)
	}
	return out + map[int]string{1: "=", 2: "<", 3: "<=", 4: ">", 5: ">="}[match] + members[1].Text
}

func integer(db []byte, word uint32) (uint64, error) {
	size := map[uint32]int{2: 4, 3: 8}[word>>28]
	if word>>28 == 1 {
		return uint64(word & 0x0fffffff), nil
	}
	b, err := within(db, int(word&0x0fffffff), size)
	if err != nil || size == 0 {
		return 0, fmt.Errorf("word %#x is no number: %w", word, err)
	}
	var n [8]byte
	copy(n[:], b)
	return binary.LittleEndian.Uint64(n[:]), nil
}

func blob(db []byte, word uint32) ([]byte, error) {
	size := map[uint32]int{8: 1, 9: 2, 10: 4}[word>>28]
	at := int(word & 0x0fffffff)
	b, err := within(db, at, size)
	if err != nil || size == 0 || at%size != 0 {
		return nil, fmt.Errorf("word %#x is no text: %w", word, err)
	}
	var n [4]byte
	copy(n[:], b)
	return within(db, at+size, int(binary.LittleEndian.Uint32(n[:])))
}

func within(db []byte, at, n int) ([]byte, error) {
	if at < 8 || n < 0 || at+n > len(db) {
		return nil, fmt.Errorf("%d bytes at %d are not in a database of %d", n, at, len(db))
	}
	return db[at : at+n], nil
}

// dump writes a value's members as "apk adbdump" does.
func (t Tree) dump(out *strings.Builder, indent string) {
	for _, m := range t.Members {
		first := indent
		if t.form == list {
			first = strings.TrimSuffix(indent, "  ") + "- "
		} else {
			fmt.Fprintf(out, "%s%s:", first, m.Name)
			first = " "
		}
		switch m.form {
		case object:
			var inner strings.Builder
			m.dump(&inner, indent+"  ")
			if t.form == list {
				inner.Reset()
				m.dump(&inner, indent)
				out.WriteString(first + strings.TrimPrefix(inner.String(), indent))
				continue
			}
			out.WriteString("\n" + inner.String())
		case list:
			fmt.Fprintf(out, " # %d items\n", len(m.Members))
			m.dump(out, indent+"    ")
		default:
			out.WriteString(first + quoted(m.Text, m.form, indent+"  ") + "\n")
		}
	}
}

// quoted returns a text as "apk adbdump" writes it into YAML. Of its rules
// there are those that our packages meet.
func quoted(s string, f form, indent string) string {
	if f == lines || f != hexadecimal && len(s) >= 80 || strings.ContainsAny(s, "\r\n'") || strings.Contains(s, " #") {
		return "|\n" + indent + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n"+indent)
	}
	if strings.Contains(s, ": ") || strings.Contains(s, "#") {
		return "'" + s + "'"
	}
	return s
}
