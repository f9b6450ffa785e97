// SPDX-License-Identifier: Apache-2.0

package command

import "strings"

// simple is one command of a shell line.
type simple struct {
	text  string // as it is written
	words []string
	group string // the text in parentheses, instead of words
	glue  string // what joins it to the command before: "", ; & && || |
	out   string // a file that it writes to; "" = none, or /dev/null
	odd   string // why it is not understood
}

// reserved are words that begin something else than a command. IEEE 1003.1, "Reserved Words".
const reserved = " ! { } case do done elif else esac fi for if in then until while [[ function select "

// split cuts a line into commands and those into words, as a shell does. odd is why it cannot.
func split(line string) (commands []simple, odd string) {
	s := splitter{line: line}
	for s.pos < len(line) && s.odd == "" {
		s.next()
	}
	switch {
	case s.odd != "":
		return nil, s.odd
	case s.quote != 0:
		return nil, "it has a quote without an end"
	}
	s.endCommand("")
	for _, c := range s.commands {
		if len(c.words) > 0 && among(reserved, c.words[0]) {
			return nil, "it is a shell script: only single commands are translated"
		}
	}
	return s.commands, s.odd
}

type splitter struct {
	line     string
	pos      int
	commands []simple
	odd      string

	now    simple
	begun  int // where the command began, if it has words
	word   []byte
	inWord bool
	quoted bool // some of the word is in quotes, or behind a backslash
	quote  byte
	target byte // a redirection whose file comes next: > or <; else 0
}

// next takes one character, or one operator.
func (s *splitter) next() {
	c := s.line[s.pos]
	s.pos++
	switch {
	case s.quote == '\'' && c != '\'', s.quote == '"' && strings.IndexByte("\"\\$`", c) < 0:
		s.put(c)
	case s.quote != 0 && c == s.quote:
		s.quote = 0
	case c == '\\' && s.at('\n'): // the line goes on
		s.pos++
	case c == '\\' && s.pos < len(s.line):
		if s.quote == '"' && strings.IndexByte("\"\\$`", s.line[s.pos]) < 0 {
			s.put(c)
		}
		s.put(s.line[s.pos])
		s.quoted = true
		s.pos++
	case c == '$' || c == '`' || c == '~' && !s.inWord:
		if c != '$' || s.substitutes() {
			s.now.odd = "it has a shell variable or substitution"
		}
		s.put(c)
	case c == '\'' || c == '"':
		s.begin()
		s.quote, s.inWord, s.quoted = c, true, true
	case c == ' ' || c == '\t' || c == '\r':
		s.endWord()
	case c == '#' && !s.inWord:
		if n := strings.IndexByte(s.line[s.pos:], '\n'); n >= 0 {
			s.pos += n
		} else {
			s.pos = len(s.line)
		}
	case c == '>' || c == '<' || c == '&' && s.at('>'):
		s.redirect(c)
	case c == ';' || c == '\n':
		s.endCommand(string(c))
	case (c == '&' || c == '|') && s.at(c):
		s.pos++
		s.endCommand(string([]byte{c, c}))
	case c == '&' || c == '|':
		s.endCommand(string(c))
	case c == '(' && !s.inWord && s.target == 0 && len(s.now.words) == 0 && s.now.group == "":
		s.parentheses()
	case c == '(' || c == ')':
		s.odd = strayOperator
	default:
		s.put(c)
	}
}

// at reports whether c comes next.
func (s *splitter) at(c byte) bool { return s.pos < len(s.line) && s.line[s.pos] == c }

// substitutes reports whether a $ is more than a character. Outside of quotes, $ and a quote are one thing to some shells.
func (s *splitter) substitutes() bool {
	plain := " \t/"
	if s.quote != 0 {
		plain = " \t/\"'"
	}
	return s.pos < len(s.line) && strings.IndexByte(plain, s.line[s.pos]) < 0
}

func (s *splitter) begin() {
	if len(s.now.words) == 0 && !s.inWord && s.now.group == "" {
		s.begun = s.pos - 1
	}
}

func (s *splitter) put(c byte) {
	s.begin()
	s.word = append(s.word, c)
	s.inWord = true
}

func (s *splitter) endWord() {
	if !s.inWord {
		return
	}
	w := string(s.word)
	s.word, s.inWord, s.quoted = s.word[:0], false, false
	switch {
	case s.target != 0 && w == "":
		s.odd = strayOperator
	case s.target == '<' && w != "/dev/null":
		s.now.odd = "it reads a file"
	case s.target == '>' && w != "/dev/null":
		s.now.out = w
	case s.target == 0:
		s.now.words = append(s.now.words, w)
	}
	s.target = 0
}

const (
	strayOperator  = "it has an operator or parentheses where a shell wants none"
	oddRedirection = "it has a redirection that is not known here"
)

// redirect takes > >> &> >&1 < and what is like them.
func (s *splitter) redirect(c byte) {
	if s.inWord && !s.quoted && strings.Trim(string(s.word), "0123456789") == "" {
		if len(s.word) > 1 {
			s.odd = oddRedirection
		}
		s.word, s.inWord = s.word[:0], false // the number of a file
	}
	s.endWord()
	if c == '<' && s.at('<') {
		s.odd = "it has a text of its own (<<)"
		return
	}
	if s.target != 0 {
		s.odd = strayOperator
	}
	if s.target = '>'; c == '<' {
		s.target = c
	}
	twice := c == '&'
	if c == '&' {
		s.pos++
	}
	if s.at('>') {
		twice = true
		s.pos++
	}
	if s.at('&') { // a copy of another one, such as 2>&1
		s.pos += 2
		if twice || s.pos > len(s.line) || strings.IndexByte("012-", s.line[s.pos-1]) < 0 ||
			s.pos < len(s.line) && strings.IndexByte(" \t\r\n;&|()", s.line[s.pos]) < 0 {
			s.odd = oddRedirection
		}
		s.target = 0
	}
}

// parentheses takes a group of commands. The opening one is behind us.
func (s *splitter) parentheses() {
	s.begun = s.pos - 1
	depth, quote, start := 1, byte(0), s.pos
	for ; s.pos < len(s.line) && depth > 0; s.pos++ {
		switch c := s.line[s.pos]; {
		case quote != 0 && c == quote:
			quote = 0
		case c == '\\' && quote != '\'':
			s.pos++
		case quote != 0:
		case c == '\'' || c == '"':
			quote = c
		case c == '#' && strings.IndexByte(" \t\r\n;&|(", s.line[s.pos-1]) >= 0: // a comment
			for s.pos+1 < len(s.line) && s.line[s.pos+1] != '\n' {
				s.pos++
			}
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
	}
	if depth > 0 || s.pos > len(s.line) {
		s.odd = "it has parentheses without an end"
		return
	}
	s.now.group = s.line[start : s.pos-1]
	if strings.TrimSpace(s.now.group) == "" {
		s.odd = strayOperator
	}
}

// endCommand ends a command in front of an operator, of a new line, or of the end of the text ("").
func (s *splitter) endCommand(glue string) {
	s.endWord()
	isCommand := s.now.group != "" || len(s.now.words) > 0
	switch {
	case s.now.group != "" && len(s.now.words) > 0:
		s.odd = strayOperator
	case s.target != 0,
		!isCommand && (glue != "" && glue != "\n" || s.now.out != "" || s.now.odd != ""),
		!isCommand && glue == "" && s.now.glue != "" && s.now.glue != ";" && s.now.glue != "&":
		s.odd = strayOperator
	case !isCommand && glue == "\n":
		return // behind an operator, the command is in the next line
	}
	if isCommand {
		s.now.text = strings.TrimSpace(s.line[s.begun : s.pos-len(glue)])
		s.commands = append(s.commands, s.now)
	}
	if glue == "\n" {
		glue = ";"
	}
	s.now = simple{glue: glue}
}

// wrappers run the command that is in their arguments. What they stand for is the row of valued.
var wrappers = []choice{
	{1, " sudo doas "}, {2, " env exec "}, {3, " timeout "}, {4, " nice ionice "}, {5, " nohup setsid command busybox "},
	{6, " time stdbuf "}, {'s', " sh bash ash dash "},
}

// valued are the options of wrappers that take a value.
var valued = [...]string{1: "ugpCUhrt", 2: "uCSa", 3: "ks", 4: "ncp", 5: "", 6: "foie"}

// unwrap looks behind sudo, env, timeout and their like. If a shell or parentheses have a script, it
// returns that.
func unwrap(c simple) (words []string, script string, isScript bool) {
	if c.group != "" {
		return nil, c.group, true
	}
	for words = c.words; ; {
		if isAssignment(words[0]) && len(words) > 1 {
			words = words[1:]
			continue
		}
		row := choose(wrappers, base(words[0]))
		switch row {
		case 0:
			return words, "", false
		case 's':
			for i, w := range words[1:] {
				if len(w) > 1 && w[0] == '-' && w[1] != '-' && w[len(w)-1] == 'c' && i+2 < len(words) && c.odd == "" {
					return nil, words[i+2], true
				}
			}
			return words, "", false
		}
		rest := skipOptions(words[1:], valued[row])
		if row == 3 && len(rest) > 0 {
			rest = rest[1:] // the time
		}
		if len(rest) == 0 {
			return words, "", false
		}
		words = rest
	}
}

func skipOptions(words []string, valued string) []string {
	for len(words) > 0 && len(words[0]) > 1 && words[0][0] == '-' {
		w := words[0]
		words = words[1:]
		if w == "--" {
			break
		}
		if len(w) == 2 && strings.IndexByte(valued, w[1]) >= 0 && len(words) > 0 {
			words = words[1:]
		}
	}
	return words
}

// isAssignment reports whether a word is NAME=value.
func isAssignment(w string) bool {
	name, _, ok := strings.Cut(w, "=")
	return ok && name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") == ""
}
