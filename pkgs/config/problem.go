// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// Problem is one thing that is wrong or, as a warning, doubtful in a configuration. String tells it
// to the owner, Public to everybody else: logs, events and status are read by accounts that must
// not learn the steps of a sequence.
type Problem struct {
	Line    int    // from 1; 0 = the text as a whole
	Section string // its type, or @type[n] if it has no name; "" = the text breaks UCI's grammar
	Name    string // of the section
	Option  string // "" = the section as a whole
	Value   string // if not empty, the option's value is wrong; never that of a secret
	Reason  string // why the value is wrong; without a value, all there is to say
	Outline string // what Public says instead of value and reason; "" = there is no secret in them
	Warning bool   // the configuration can be used in spite of it
	Advice  bool   // a warning for who asks (check), of which nothing need be said otherwise: all works
}

// String words the problem as firewall4 does, which owners of OpenWrt routers know:
//
//	section 'door' (nas) option 'port' specifies invalid value '70000': ports end at 65535 (line 12)
//	section '@client[1]' option 'key' is mandatory but not set (line 20)
//
// It may hold steps of sequences, and what was written in place of a key's option.
func (p Problem) String() string { return p.words(p.Value, p.Reason) }

// Public words the problem without anything secret; where that is left out, by its place alone:
//
//	section 'sequence' (home) option 'step' is refused, latchkeyd check says why (line 31)
func (p Problem) Public() string {
	if p.Outline != "" {
		return p.words("", p.Outline)
	}
	return p.words(p.Value, p.Reason)
}

func (p Problem) words(value, reason string) string {
	var b strings.Builder
	if p.Section != "" {
		fmt.Fprintf(&b, "section '%s' ", printable(p.Section))
		if p.Name != "" {
			fmt.Fprintf(&b, "(%s) ", printable(p.Name))
		}
	}
	if value != "" {
		fmt.Fprintf(&b, "option '%s' specifies invalid value '%s': ", printable(p.Option), printable(value))
	}
	b.WriteString(reason)
	if p.Line > 0 {
		fmt.Fprintf(&b, " (line %d)", p.Line)
	}
	return b.String()
}

// Problems is a list of problems in the order of their lines.
type Problems []Problem

// Error lists the problems, one a line, in their public form: errors end in logs.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Public()
	}
	return strings.Join(lines, "\n")
}

// Errors returns the problems for which a configuration is refused.
func (p Problems) Errors() Problems {
	var errs Problems
	for i := range p {
		if !p[i].Warning {
			errs = append(errs, p[i])
		}
	}
	return errs
}

// printable makes a user's text fit for a line of a log: short, and without control characters.
func printable(s string) string {
	const most = 64 // characters
	if r := []rune(s[:min(len(s), 4*most)]); len(r) > most || len(s) > 4*most {
		s = string(r[:most]) + "..."
	}
	if q := strconv.Quote(s); len(q) != len(s)+2 {
		return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
	}
	return s
}

// add keeps a problem. Errors are found before warnings, so it is these that are left out first.
func (r *reader) add(p Problem) {
	if len(r.problems) < MaxProblems {
		r.problems = append(r.problems, p)
	} else {
		r.more++
	}
}

// fail reports that a value of an option is wrong. The value is shown, so it must not be a secret.
func (r *reader) fail(s *uci.Section, option string, v uci.Value, format string, args ...any) {
	p := about(s, v.Line, fmt.Sprintf(format, args...))
	p.Option, p.Value = option, v.Text
	r.add(p)
}

// refuse reports an error that no single value tells. With an option, the reason is what to say
// about it: "is mandatory but not set".
func (r *reader) refuse(s *uci.Section, option, format string, args ...any) {
	r.add(aboutOption(s, option, fmt.Sprintf(format, args...)))
}

// refuseAt is refuse for one of the lines of an option.
func (r *reader) refuseAt(s *uci.Section, option string, line int, reason string) {
	p := aboutOption(s, option, reason)
	p.Line = line
	r.add(p)
}

// warn adds a warning, in the same form as refuse.
func (r *reader) warn(s *uci.Section, option, format string, args ...any) {
	r.addWarning(aboutOption(s, option, fmt.Sprintf(format, args...)))
}

// addWarning keeps a problem as a warning. In a section with errors it does not: they come first, and the
// warning may be a consequence.
func (r *reader) addWarning(p Problem) {
	p.Warning = true
	isError := func(o Problem) bool { return !o.Warning && o.Section == p.Section && o.Name == p.Name }
	if !slices.ContainsFunc(r.problems, isError) {
		r.add(p)
	}
}

func aboutOption(s *uci.Section, option, reason string) Problem {
	if option == "" {
		return about(s, s.Line, reason)
	}
	line := s.Line
	if i := slices.IndexFunc(s.Options, func(o uci.Option) bool { return o.Name == option }); i >= 0 {
		line = s.Options[i].Values[0].Line
	}
	p := about(s, line, "option '"+option+"' "+reason)
	p.Option = option
	return p
}

func about(s *uci.Section, line int, reason string) Problem {
	p := Problem{Line: line, Section: s.Type, Name: s.Name, Reason: reason}
	if s.Name == "" {
		p.Section = fmt.Sprintf("@%s[%d]", s.Type, s.Index)
	}
	return p
}
