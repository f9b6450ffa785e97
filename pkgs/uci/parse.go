// SPDX-License-Identifier: Apache-2.0

package uci

import (
	"errors"
	"fmt"
	"strings"
)

// Parse reads a whole file. It goes on after an error, so that all of them are listed; File then
// holds what could be understood. Without errors it holds what libuci would load.
func Parse(text string) (*File, []Error) {
	p := parser{
		text:     text,
		section:  none,
		sections: map[string]int{},
		options:  map[optionKey]int{},
		count:    map[string]int{},
	}
	switch nul := strings.IndexByte(text, 0); {
	case len(text) > MaxSize:
		p.fail(0, fmt.Errorf("text has %d bytes, but at most %d are read", len(text), MaxSize))
	case nul >= 0:
		p.fail(1+strings.Count(text[:nul], "\n"), errors.New("NUL byte: this is not a text file"))
	default:
		p.run()
	}
	return &p.file, p.errs
}

// The section that options belong to, where it is not an index of File.Sections.
const (
	none   = -1 // before the first section
	broken = -2 // after a config statement with an error: its options are read and dropped
)

// None of these repeats the text: a word in the wrong place may be a piece of a secret.
var (
	errStatement    = errors.New("invalid statement: a line begins with config, option or list, and a space")
	errArguments    = errors.New("insufficient arguments")
	errTooMany      = errors.New("too many arguments: a value with spaces in it needs quotes")
	errName         = errors.New("invalid character in a name: want letters, digits and _")
	errSemicolon    = errors.New("a ; needs a space before it")
	errUnterminated = errors.New("quote without an end: the value begun here goes on to the end of the file")
)

type optionKey struct {
	section int
	name    string
}

// parser holds the state of reading. Its window text[:end] grows line by line, as libuci's line
// buffer does: whether a statement ends depends on where the window ends.
type parser struct {
	text string
	pos  int // of the next byte
	end  int // of the lines read so far
	line int // the number of the last of them

	file     File
	errs     []Error
	section  int               // of File.Sections, none or broken
	sections map[string]int    // by name; bounded by MaxSize, like the other two
	options  map[optionKey]int // of Section.Options
	count    map[string]int    // sections of each type
}

func (p *parser) run() {
	for p.end < len(p.text) && len(p.errs) < MaxErrors {
		p.nextLine()
		start, end := p.line, p.end
		for p.skipSpace(); p.pos < p.end; {
			at := p.line
			more, err := p.statement()
			if err == nil && more {
				continue
			}
			if errors.Is(err, errUnterminated) {
				// The mistake is most likely in this line, and hid all that follow.
				at, p.line, p.end = start, start, end
			}
			if err != nil {
				p.fail(at, err)
			}
			break
		}
	}
	if len(p.errs) == MaxErrors {
		p.fail(p.line, errors.New("this makes too many errors: the rest is not read"))
	}
}

func (p *parser) fail(line int, err error) {
	p.errs = append(p.errs, Error{Line: line, Reason: err.Error()})
}

// nextLine moves on to the next line. What is left of the present one is dropped.
func (p *parser) nextLine() {
	p.pos = p.end
	if p.end == len(p.text) {
		return
	}
	p.line++
	if n := strings.IndexByte(p.text[p.end:], '\n'); n >= 0 {
		p.end += n + 1
	} else {
		p.end = len(p.text)
	}
}

// cur returns the next byte, or 0 at the end of the window.
func (p *parser) cur() byte {
	if p.pos < p.end {
		return p.text[p.pos]
	}
	return 0
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

func (p *parser) skipSpace() {
	for isSpace(p.cur()) {
		p.pos++
	}
}

// statement reads one statement, and reports whether another may follow in the same line.
func (p *parser) statement() (more bool, err error) {
	line := p.line
	keyword := p.keyword()
	if keyword == "" || keyword[0] == '#' {
		return false, nil
	}
	switch keyword {
	case "p", "package":
		err = p.parsePackage()
	case "c", "config":
		err = p.parseConfig(line)
	case "o", "option":
		err = p.parseOption(line, false)
	case "l", "list":
		err = p.parseOption(line, true)
	default:
		err = errStatement
	}
	return true, err
}

// keyword reads a statement's first word. Only blanks and tabs end it, not even the end of the
// line does: "config" alone in a line is refused by libuci too.
func (p *parser) keyword() string {
	rest := strings.TrimLeft(p.text[p.pos:p.end], " \t")
	n := strings.IndexAny(rest, " \t")
	if n < 0 {
		n = len(rest)
	}
	p.pos = min(p.end-len(rest)+n+1, p.end)
	return rest[:n]
}

func (p *parser) parsePackage() error {
	name, err := p.name(isPackageName)
	if err != nil {
		return err
	}
	if err := p.endStatement(); err != nil {
		return err
	}
	if p.file.Package != "" && p.file.Package != name {
		return fmt.Errorf("second package %q: a file holds one", name)
	}
	p.file.Package = name
	return nil
}

func (p *parser) parseConfig(line int) error {
	p.section = broken
	typ, err := p.name(isType)
	if err != nil {
		return err
	}
	name, err := p.name(isName)
	if err != nil && !errors.Is(err, errArguments) {
		return err
	}
	if err := p.endStatement(); err != nil {
		return err
	}
	if i, ok := p.sections[name]; ok && name != "" {
		if before := &p.file.Sections[i]; before.Type != typ {
			return fmt.Errorf("section %q is of type %q here, but of type %q in line %d", name, typ, before.Type, before.Line)
		}
		p.section = i
		return nil
	}
	p.section = len(p.file.Sections)
	if name != "" {
		p.sections[name] = p.section
	}
	p.file.Sections = append(p.file.Sections, Section{Type: typ, Name: name, Index: p.count[typ], Line: line})
	p.count[typ]++
	return nil
}

func (p *parser) parseOption(line int, list bool) error {
	name, err := p.name(isName)
	if err != nil {
		return err
	}
	text, err := p.word()
	if err != nil {
		return err
	}
	if err := p.endStatement(); err != nil {
		return err
	}
	switch {
	case p.section == none:
		return fmt.Errorf("option %q comes before the first section", name)
	case p.section == broken, text == "" && !list:
		return nil
	}
	options := &p.file.Sections[p.section].Options
	key := optionKey{p.section, name}
	i, ok := p.options[key]
	if !ok {
		i = len(*options)
		p.options[key] = i
		*options = append(*options, Option{Name: name})
	}
	o := &(*options)[i]
	if o.List = list; !list {
		o.Values = nil
	}
	o.Values = append(o.Values, Value{Text: text, Line: line})
	return nil
}

// endStatement refuses another word. An empty one, and one ; are part of the statement.
func (p *parser) endStatement() error {
	extra, err := p.word()
	if err == nil && extra != "" {
		return errTooMany
	}
	return err
}

// name reads a word that must not be empty and has to fulfil a rule.
func (p *parser) name(valid func(string) bool) (string, error) {
	s, err := p.word()
	switch {
	case err != nil:
		return "", err
	case s == "":
		return "", errArguments
	case !valid(s):
		return "", errName
	}
	return s, nil
}

// word reads the next word. It is empty at the end of the line, at a comment, and at a ; which it
// takes.
func (p *parser) word() (string, error) {
	p.skipSpace()
	if p.cur() == ';' {
		p.pos++
		return "", nil
	}
	var b []byte
	plain := true
	for {
		var err error
		switch c := p.cur(); c {
		case '\'', '"':
			plain = false
			b, err = p.quoted(b, c)
		case '\\':
			plain = false
			if p.escape() {
				b = p.take(b)
			}
		case ';':
			return string(b), p.semicolon(plain)
		case '#':
			p.pos = p.end
		case 0:
		default:
			b = p.take(b)
		}
		if err != nil {
			return "", err
		}
		if c := p.cur(); c == 0 || isSpace(c) {
			break
		}
	}
	p.pos = min(p.pos+1, p.end)
	return string(b), nil
}

// semicolon is at a ; that ends a word. After a plain one libuci overwrites it with the word's end
// mark, and so ignores the rest of the line. We take that only if nothing is lost.
func (p *parser) semicolon(plain bool) error {
	if !plain {
		return nil
	}
	rest := strings.TrimSpace(p.text[p.pos+1 : p.end])
	p.pos = p.end
	if rest != "" && rest[0] != '#' {
		return errSemicolon
	}
	return nil
}

func (p *parser) take(b []byte) []byte {
	b = append(b, p.text[p.pos])
	p.pos++
	return b
}

// escape is at a backslash. It is true if the next byte is to be taken as it is, and false if the
// backslash and the end of the line after it are gone.
func (p *parser) escape() bool {
	p.pos++
	if rest := p.text[p.pos:p.end]; rest == "" || rest == "\n" || rest == "\r\n" {
		p.nextLine()
		return false
	}
	return true
}

// quoted reads from one quote to the next of its kind.
func (p *parser) quoted(b []byte, quote byte) ([]byte, error) {
	p.pos++
	for {
		switch c := p.cur(); {
		case c == quote:
			p.pos++
			return b, nil
		case c == 0:
			if p.nextLine(); p.cur() == 0 {
				return nil, errUnterminated
			}
		case c == '\\' && quote == '"':
			if p.escape() {
				b = p.take(b)
			}
		default:
			b = p.take(b)
		}
	}
}

func isType(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < 33 || r > 126 })
}

func isName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return !isNameRune(r) })
}

func isPackageName(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r != '-' && !isNameRune(r) })
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_'
}
