// SPDX-License-Identifier: Apache-2.0

package foreign

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/command"
	"github.com/latchkey/latchkey/pkgs/config"
)

// openForDefault is how long a door is open if the other program left it open until something closed it.
const openForDefault = 10 * time.Minute

// effects is what the commands of an event come to.
type effects struct {
	opens    []command.Piece
	closes   []command.Piece
	wake     string
	problems []command.Piece
}

func read(lines []string, near func(string) bool) effects {
	var e effects
	for _, line := range lines {
		for _, p := range command.Parse(line, near) {
			if p.Kind == command.Open && len(p.Opens) > 0 {
				e.opens = append(e.opens, p)
			}
			if p.Problem != "" {
				e.problems = append(e.problems, p)
			}
			if p.Kind == command.Close {
				e.closes = append(e.closes, p)
			}
			if p.MAC != "" {
				e.wake = p.MAC
			}
		}
	}
	return e
}

// closesAll reports whether everything that is in opens is closed. What a command closes is not always known.
func (e *effects) closesAll(opens []command.Opening) bool {
	for _, o := range opens {
		closed := false
		for _, p := range e.closes {
			closed = closed || p.Opens == nil || slices.ContainsFunc(p.Opens, func(c command.Opening) bool { return c == o || c.IsBehind(o) })
		}
		if !closed {
			return false
		}
	}
	return len(e.closes) > 0
}

// others returns what closes something else than what is in opens.
func (e *effects) others(opens []command.Piece) (list []command.Piece) {
	for _, p := range e.closes {
		other := p.Opens != nil
		for _, o := range opens {
			one := effects{closes: []command.Piece{p}}
			other = other && !slices.ContainsFunc(o.Opens, func(o command.Opening) bool { return one.closesAll([]command.Opening{o}) })
		}
		if other {
			list = append(list, p)
		}
	}
	return list
}

// event translates one knock of knockd.
func (t *translation) event(e *event, near func(string) bool) {
	t.out.WriteString("\n")
	if e.name == "" {
		t.comment("The section without a name in line %d", e.line)
	} else if e.line > 0 {
		t.comment("[%s] in line %d", e.name, e.line)
	}
	for _, line := range e.shown {
		t.comment("  %s", line)
	}
	for _, line := range e.notes {
		t.comment("%s", line)
	}
	t.end(t.knock(e, read(e.start, near), read(e.stop, near)))
}

// knock writes what an event comes to, and returns which outcome that is.
func (t *translation) knock(e *event, start, stop effects) outcome {
	if len(start.opens) == 0 && len(start.closes) > 0 && len(start.problems) == 0 {
		if len(stop.opens) > 0 {
			t.comment("It closes a port for a while, which has no counterpart.")
			return refused
		}
		t.comment("This knock closes a port. It is not needed: doors close by themselves.")
		return needless
	}
	for _, p := range start.problems {
		t.comment("Not translated: %s", p.Text)
		t.comment("  because %s", p.Problem)
	}
	sequence, ok := t.sequence(e)
	if !ok {
		return refused
	}
	if len(start.opens) == 0 {
		if len(start.problems) == 0 {
			t.comment("It opens nothing that could be a door. Write one, name it here, and enable this.")
		} else {
			t.comment("So there is no door for it. Write one, name it here, and enable this.")
		}
		if start.wake != "" {
			t.comment("It wakes a host: give the door of that host (dest, dest_ip) option wake '%s'.", start.wake)
		}
		return t.added(nil, sequence+"\toption enabled '0'\n", waiting)
	}
	doors, whole := t.open(e, start, stop)
	for _, d := range doors {
		sequence += "\tlist door " + quote(d.name) + "\n"
	}
	if e.target != "" {
		t.comment("With target, knockd takes knocks that are addressed to another host than the router. Latchkey takes those to the router: enable this if that is right.")
		return t.added(doors, sequence+"\toption enabled '0'\n", waiting)
	}
	if len(start.problems) > 0 || !whole {
		return t.added(doors, sequence, partly)
	}
	return t.added(doors, sequence, translated)
}

// added is add with its outcome.
func (t *translation) added(doors []door, section string, o outcome) outcome {
	if !t.add(doors, section) {
		return refused
	}
	return o
}

// sequence writes the section of an event's knock. It is false if there is none.
func (t *translation) sequence(e *event) (string, bool) {
	entries, err := t.once(e)
	if err != nil {
		t.comment("Its one-time sequences are not here: %v", err)
		return "", false
	}
	option := "once"
	if e.onceFile == "" {
		option = "step"
		if entries, err = e.steps(e.sequence); err != nil {
			t.comment("It has no sequence that could be used: %v", err)
			return "", false
		}
	}
	if e.seqTimeout < 1 {
		t.comment("Its seq_timeout is %d seconds, with which knockd never opens.", e.seqTimeout)
		return "", false
	}
	within := t.within("seq_timeout", time.Duration(e.seqTimeout)*time.Second, config.MinWithin, config.MaxWithin)
	var b strings.Builder
	fmt.Fprintf(&b, "config sequence '%s'\n", t.name(e.name))
	for _, entry := range entries {
		fmt.Fprintf(&b, "\tlist %s %s\n", option, quote(entry))
	}
	fmt.Fprintf(&b, "\toption within '%s'\n", formatTime(within))
	return b.String(), true
}

// once reads the list of one-time sequences. Used ones, which knockd marks with #, and what is no
// sequence are left out, as knockd does.
func (t *translation) once(e *event) ([]string, error) {
	if e.onceFile == "" {
		return nil, nil
	}
	if t.readFile == nil {
		return nil, fmt.Errorf("they are in %s", e.onceFile)
	}
	text, err := t.readFile(e.onceFile)
	if err != nil {
		return nil, err
	}
	var entries []string
	for _, line := range strings.Split(text, "\n") {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		steps, err := e.steps(line)
		entry := strings.Join(steps, " ")
		if err != nil || slices.Contains(entries, entry) {
			continue
		}
		if len(entries) == config.MaxOnce {
			t.comment("%s has more than %d sequences: the rest is not here.", e.onceFile, config.MaxOnce)
			break
		}
		entries = append(entries, entry)
	}
	if len(entries) == 0 {
		return nil, fmt.Errorf("%s has no unused one", e.onceFile)
	}
	return entries, nil
}

// open returns the doors for what an event opens. whole reports whether they stand for all that it does.
func (t *translation) open(e *event, start, stop effects) (doors []door, whole bool) {
	noted := map[string]bool{} // bounded by the notes of package command
	note := func(text string) {
		if !noted[text] {
			noted[text] = true
			for _, line := range strings.Split(text, "\n") {
				t.comment("%s", line)
			}
		}
	}
	for _, p := range stop.problems {
		note("Not translated: " + p.Text + "\n  because " + p.Problem)
	}
	others := append(start.others(start.opens), stop.others(start.opens)...)
	for _, p := range others {
		note("Not translated: " + p.Text + "\n  because it closes something else than what is opened")
	}
	for _, p := range start.opens {
		for _, text := range p.Notes {
			note(text)
		}
		openFor := t.openFor(e, p, stop, note)
		for _, o := range p.Opens {
			doors = gather(doors, newDoor(o, openFor, 0, start.wake))
		}
	}
	woken := start.wake == ""
	for _, d := range doors {
		woken = woken || d.wake != ""
	}
	if !woken {
		note("It wakes a host, but its doors are the router's own: give the door of that host option wake '" + start.wake + "'.")
	}
	return t.named(doors), woken && len(stop.problems)+len(others) == 0
}

// openFor is how long a door is open: as the command itself says, or until the stop command.
func (t *translation) openFor(e *event, p command.Piece, stop effects, note func(string)) time.Duration {
	what, d := "cmd_timeout", time.Duration(e.cmdTimeout)*time.Second
	switch {
	case p.For > 0:
		what, d = "the time in the command", p.For.Round(time.Second)
	case e.cmdTimeout < 0, !stop.closesAll(p.Opens) && len(stop.problems) == 0:
		note(fmt.Sprintf("knockd left this open. A door closes by itself, this one after %s; open connections live on.", formatTime(openForDefault)))
		return openForDefault
	case !stop.closesAll(p.Opens):
		note("What stop_command does is not known here. It is taken to close what was opened.")
	}
	got := min(max(d, config.MinOpenFor), config.MaxOpenFor)
	if got != d {
		note(fmt.Sprintf("%s was %s; the limits are %s and %s.", what, formatTime(d), formatTime(config.MinOpenFor), formatTime(config.MaxOpenFor)))
	}
	return got
}
