// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// Bounds on what is read and written.
const (
	// MaxSize is the longest text that is read, in bytes; also that of each file that it includes.
	MaxSize = 64 << 10
	// MaxSections is how many sections are translated: as many as a configuration may hold.
	MaxSections = config.MaxSequences
	// maxComments is how many lines of comments are written.
	maxComments = 4000
)

// Options are what a translation may use besides the text.
type Options struct {
	// ReadFile reads the files that the text names; without it they are only named in comments.
	ReadFile func(path string) (string, error)
	// Base is a configuration of Latchkey that the result can be appended to: names and keys that
	// are taken in it are not used again. One that cannot be used counts as none.
	Base string
}

// Result is a translation.
type Result struct {
	// Text is a configuration that config.Parse takes, by itself and behind Options.Base. It does not
	// say whether Latchkey is enabled, so that it changes nothing about that when it is appended.
	Text string
	// Usable counts the knocks and clients in it that can be used as they are.
	Usable int
}

// format is a kind of file.
type format struct {
	name string
	read func(t *translation, text string)
}

// Translate finds out by its content what text is, and translates it. It is an error if text is
// nothing that is known here.
func Translate(text string, o Options) (Result, error) {
	text = strings.TrimPrefix(text, "\ufeff") // a byte order mark, which Windows' editors write
	switch {
	case len(text) > MaxSize:
		return Result{}, fmt.Errorf("text has %d bytes, but at most %d are read", len(text), MaxSize)
	case strings.IndexByte(text, 0) >= 0:
		return Result{}, errors.New("text has a NUL byte: this is no text file")
	}
	f, err := formatOf(text)
	if err != nil {
		return Result{}, err
	}
	t := newTranslation(o)
	f.read(t, text)
	return t.finish(f.name)
}

var errUnknown = errors.New("this is none of knockd.conf, access.conf of fwknopd, .fwknoprc of fwknop, and the UCI files of knockd and fwknopd")

// formatOf looks at the first words of lines until it is clear what they belong to.
func formatOf(text string) (format, error) {
	brackets := false
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		word, _, _ := strings.Cut(strings.ReplaceAll(line, "\t", " "), " ")
		key, _, equals := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == '#' || line[0] == ';':
		case word == "config" || word == "package":
			return uciFormat(text)
		case line[0] == '[' && line[len(line)-1] == ']':
			brackets = true
		case equals && isKnockd(strings.TrimSpace(key)) || brackets && lower(word) == "usesyslog":
			return format{"knockd.conf", (*translation).knockdConf}, nil
		case brackets && isFwknop(word):
			return format{".fwknoprc", (*translation).fwknopRC}, nil
		case isFwknop(word):
			return format{"access.conf", (*translation).accessConf}, nil
		}
	}
	if brackets {
		return format{"knockd.conf", (*translation).knockdConf}, nil
	}
	return format{}, errUnknown
}

// uciFormat tells the UCI files apart.
func uciFormat(text string) (format, error) {
	file, _ := uci.Parse(text)
	for i := range file.Sections {
		s := &file.Sections[i]
		for _, o := range s.Options {
			switch {
			case among(" sequence one_time_sequences ", lower(o.Name)):
				return format{"the UCI file of knockd", (*translation).knockdUCI}, nil
			case s.Type == "access" && isFwknop(o.Name):
				return format{"the UCI file of fwknopd", (*translation).fwknopUCI}, nil
			}
		}
		if s.Type == "latchkey" || s.Type == "door" {
			return format{}, errors.New("this is a configuration of Latchkey already")
		}
	}
	return format{}, errUnknown
}

// section is a part of any of these files: names and values in their order.
type section struct {
	kind string // its type in UCI
	name string
	line int // 0 = not known
	list []directive
	odd  []string // lines that are none
	port uint16   // to which a client of fwknop sends; 0 = not known
}

type directive struct {
	name, value string
	line        int
}

// get returns the last value of a name, as the programs do, and whether it is there.
func (s *section) get(name string) (value string, ok bool) {
	for _, d := range s.list {
		if d.name == name {
			value, ok = d.value, true
		}
	}
	return value, ok
}

// counts reports whether no line behind line i has the same name.
func (s *section) counts(i int) bool {
	return !slices.ContainsFunc(s.list[i+1:], func(d directive) bool { return d.name == s.list[i].name })
}

// uciSections reads UCI text, with names as norm makes them.
func (t *translation) uciSections(text string, norm func(string) string) []section {
	file, errs := uci.Parse(text)
	for _, e := range errs {
		t.comment("Line %d could not be read: %s", e.Line, e.Reason)
	}
	var list []section
	for i := range file.Sections {
		s := &file.Sections[i]
		x := section{kind: s.Type, name: s.Name, line: s.Line}
		for _, o := range s.Options {
			for _, v := range o.Values {
				x.list = append(x.list, directive{norm(o.Name), v.Text, v.Line})
			}
		}
		list = append(list, x)
	}
	return list
}

// among reports whether a word is one of a row of words with spaces around each.
func among(words, word string) bool {
	return word != "" && strings.IndexByte(word, ' ') < 0 && strings.Contains(words, " "+word+" ")
}

// lower and upper are those of strings for ASCII, without the tables of Unicode.
func lower(s string) string { return mapASCII(s, 'A', 'Z', 'a'-'A') }
func upper(s string) string { return mapASCII(s, 'a', 'z', 'A'-'a') }

func mapASCII(s string, first, last, shift rune) string {
	return strings.Map(func(r rune) rune {
		if first <= r && r <= last {
			r += shift
		}
		return r
	}, s)
}
