// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/uci"
)

// Parse reads a whole configuration. It lists everything that is wrong or doubtful, in the order
// of the lines. If only warnings are among that, it returns the configuration, else nil.
func Parse(text string) (*Config, Problems) { return Check(text, time.Time{}) }

// Check is Parse that also warns of what depends on the time: clients whose time is over.
func Check(text string, now time.Time) (*Config, Problems) {
	file, errs := uci.Parse(text)
	r := reader{count: map[string]int{}, last: map[string]*uci.Section{}, now: now}
	for _, e := range errs {
		r.add(Problem{Line: e.Line, Reason: e.Reason})
	}
	for i := range file.Sections {
		r.section(&file.Sections[i])
	}
	if r.count["latchkey"] == 0 && len(errs) == 0 {
		r.add(Problem{Section: "latchkey", Name: "main", Reason: "is mandatory but not there"})
	}
	r.check()
	if len(errs) == 0 {
		r.advise()
	}
	r.conceal()
	sort.SliceStable(r.problems, func(i, j int) bool { return r.problems[i].Line < r.problems[j].Line })
	if r.more > 0 {
		r.problems = append(r.problems, Problem{Reason: fmt.Sprintf("%d more problems are not listed", r.more), Warning: true})
	}
	if len(r.problems.Errors()) > 0 {
		return nil, r.problems
	}
	return r.config(), r.problems
}

// reader collects sections and problems. What was not read completely is kept too: that a section
// has a problem must not lead to problems of others that name it.
type reader struct {
	main      place[Main]
	doors     []place[doorSection]
	clients   []place[clientSection]
	sequences []place[Sequence]
	ports     place[portsSection]
	count     map[string]int          // sections of each known type
	last      map[string]*uci.Section // of each known type
	problems  Problems
	now       time.Time
	more      int // problems beyond MaxProblems
}

// place is a section that was read.
type place[T any] struct {
	v  T
	at *uci.Section // nil = there is none
}

// sectionTypes are the types of sections, and how many there may be of each.
var sectionTypes = []struct {
	name string
	most int
}{
	{"latchkey", 1},
	{"door", MaxDoors},
	{"client", MaxClients},
	{"sequence", MaxSequences},
	{"ports", 1},
}

func (r *reader) section(s *uci.Section) {
	if !r.admitSection(s) {
		return
	}
	switch s.Type {
	case "latchkey":
		r.main = place[Main]{newMain(), s}
		r.read(s, r.main.v.options())
		r.finishMain(&r.main)
	case "door":
		p := place[doorSection]{newDoor(s.Name), s}
		r.read(s, p.v.options())
		r.finishDoor(&p)
		r.doors = append(r.doors, p)
	case "client":
		p := place[clientSection]{newClient(s.Name), s}
		r.read(s, p.v.options())
		r.finishClient(&p)
		r.clients = append(r.clients, p)
	case "sequence":
		p := place[Sequence]{newSequence(s.Name), s}
		r.read(s, p.v.options())
		r.finishSequence(&p)
		r.sequences = append(r.sequences, p)
	case "ports":
		r.ports = place[portsSection]{portsSection{layout: layoutOrdered}, s}
		r.read(s, r.ports.v.options())
		r.finishPorts(&r.ports)
	}
}

// admitSection reports whether s is worth reading.
func (r *reader) admitSection(s *uci.Section) bool {
	var names []string
	for _, t := range sectionTypes {
		names = append(names, t.name)
		if t.name != s.Type {
			continue
		}
		r.count[t.name]++
		r.last[t.name] = s
		if n := r.count[t.name]; n > t.most {
			if n == t.most+1 {
				r.refuse(s, "", "is one too many: there can be %d of this type", t.most)
			}
			return false
		}
		r.checkName(s)
		return true
	}
	r.refuse(s, "", "is of an unknown type: known are %s", strings.Join(names, ", "))
	return false
}

func (r *reader) checkName(s *uci.Section) {
	switch {
	case s.Type == "ports":
		// There is one at the most, and nothing refers to it.
	case s.Type == "latchkey" && s.Name != "main":
		r.refuse(s, "", "must have the name 'main'")
	case s.Name == "":
		r.refuse(s, "", "has no name: begin it with config %s 'NAME'", s.Type)
	case len(s.Name) > MaxName:
		r.refuse(s, "", "has a name of %d characters: %d are the limit", len(s.Name), MaxName)
	}
}

// read sets what the options of s say.
func (r *reader) read(s *uci.Section, options []option) {
	for i := range s.Options {
		given := &s.Options[i]
		n := slices.IndexFunc(options, func(o option) bool { return o.name == given.Name })
		if n < 0 {
			r.refuseUnknown(s, given, optionNames(options))
			continue
		}
		r.readOption(s, options[n], given)
	}
	for _, o := range options {
		if (o.kind == must || o.kind == mustWords) && !has(s, o.name) {
			r.refuse(s, o.name, "is mandatory but not set")
		}
	}
}

func (r *reader) refuseUnknown(s *uci.Section, given *uci.Option, known []string) {
	p := about(s, given.Values[0].Line, fmt.Sprintf("specifies unknown option '%s': known are %s",
		printable(given.Name), strings.Join(known, ", ")))
	p.Option = given.Name
	if s.Type == "client" || s.Type == "sequence" {
		p.Outline = "specifies an unknown option, latchkeyd check says which" // its name may be a key in the wrong place
	}
	r.add(p)
}

func optionNames(options []option) []string {
	names := make([]string, len(options))
	for i, o := range options {
		names[i] = o.name
	}
	return names
}

func (r *reader) readOption(s *uci.Section, o option, given *uci.Option) {
	if given.List && !o.kind.isWords() && o.kind != texts {
		r.refuse(s, o.name, "must not be a list")
		return
	}
	for _, value := range given.Values {
		entries := []string{value.Text}
		if o.kind.isWords() {
			entries = strings.Fields(value.Text)
		}
		if len(entries) == 0 || entries[0] == "" {
			r.refuseAt(s, o.name, value.Line, "must not have empty entries")
		}
		for _, entry := range entries {
			if err := o.set(entry); err != nil && entry != "" {
				r.fail(s, o.name, uci.Value{Text: entry, Line: value.Line}, "%v", err)
			}
		}
	}
}

// receivers lists where knocks arrive, of what was read.
func (r *reader) receivers() Receivers { return receivers(&r.main.v, r.ordered()) }

// ordered returns what section 'ports' says, nil if there is none.
func (r *reader) ordered() *knock.Ordered {
	if r.ports.at == nil {
		return nil
	}
	return &r.ports.v.Ordered
}

// config puts together what was read.
func (r *reader) config() *Config {
	c := &Config{Main: r.main.v, Ports: r.ordered()}
	for i := range r.doors {
		c.Doors = append(c.Doors, r.doors[i].v.Door)
	}
	for i := range r.clients {
		c.Clients = append(c.Clients, r.clients[i].v.Client)
	}
	for i := range r.sequences {
		c.Sequences = append(c.Sequences, r.sequences[i].v)
	}
	return c
}
