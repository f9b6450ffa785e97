// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/control"
)

// printJSON writes v on one line, as a type of package control.
func printJSON(w io.Writer, v any) error {
	_, err := fmt.Fprintf(w, "%s\n", control.Marshal(v))
	return err
}

// printStatus shows a status to a person.
func printStatus(w io.Writer, s control.Status) {
	fmt.Fprintf(w, "latchkeyd %s has been running for %s", s.Version, formatSeconds(int(s.Now.Sub(s.Since)/time.Second)))
	fmt.Fprintf(w, "\nthe router's clock %s\n", clockLine(s))
	if i := s.Isolation; i != nil {
		fmt.Fprintf(w, "isolation: user %d with %d rights of root's; system calls %s; files %s\n", i.User, i.Rights, i.Calls, i.Files)
	}
	for _, d := range s.Devices {
		fmt.Fprintf(w, "listens on %s (%s)", d.Name, d.State)
		if d.Problem != "" {
			fmt.Fprintf(w, ", but cannot read from it: %s", d.Problem)
		}
		if d.Coarse != "" {
			fmt.Fprintf(w, ", but the kernel filters %s", d.Coarse)
		}
		fmt.Fprintln(w)
	}
	if s.Problem != "" {
		fmt.Fprintf(w, "\nthe configuration was changed, but is refused; the former one stays:\n  %s\n",
			strings.ReplaceAll(s.Problem, "\n", "\n  "))
	}
	if s.Cut != "" && slices.ContainsFunc(s.Doors, func(d control.Door) bool { return d.Cut }) {
		fmt.Fprintf(w, "\nsessions do not end with their grants: %s\n", s.Cut)
	}
	if s.Full {
		fmt.Fprintf(w, "\n%d of %d grants are in use: when there are no more, knocks open nothing until one ends\n", s.Grants, s.Most)
	}
	for _, d := range s.Doors {
		fmt.Fprintf(w, "\n%s\n", doorLine(d))
		for _, g := range d.Grants {
			fmt.Fprintf(w, "  to %s for %s more (%s)\n", g.Address, formatSeconds(g.Left), by(g.Client, g.Knock))
		}
		if d.More > 0 {
			fmt.Fprintf(w, "  and to %d more\n", d.More)
		}
	}
	if len(s.Doors) == 0 {
		fmt.Fprintln(w, "\nno doors are configured")
	}
}

// clockLine returns whether the clock is right, and why.
func clockLine(s control.Status) string {
	ago := ""
	if s.ClockSince != nil {
		ago = formatSeconds(int(s.Now.Sub(*s.ClockSince)/time.Second)) + " ago"
	}
	switch clock.Reason(s.ClockReason) {
	case clock.NTP:
		return "is right: NTP said so " + ago
	case clock.Kernel:
		return "is right: the kernel says so"
	case clock.Unsync:
		return "may be wrong: " + ago + " NTP said that no time server answers"
	case clock.Silent:
		return "may be wrong: NTP was heard of last " + ago
	case clock.Moved:
		return "may be wrong: it was set by something else than NTP, which said that it was right " + ago
	case clock.Unset:
		return "may be wrong: it has not been set by NTP (yet)"
	case clock.Given:
		return "is taken as " + s.Clock + ", as option --clock says"
	}
	if s.Clock == control.Synchronised { // it changes just now
		return "is right"
	}
	return "may be wrong"
}

func doorLine(d control.Door) string {
	state := "closed"
	switch {
	case d.State == control.DoorDisabled:
		state = "switched off"
	case d.State == control.DoorPending:
		state = "waits for the firewall, which has not loaded it yet"
	case d.State == control.DoorBroken:
		state = "cannot be opened: " + d.Reason
	case len(d.Grants) > 0:
		state = "open"
	}
	line := fmt.Sprintf("door %-16s %s", d.Name, state)
	if d.Title != "" {
		line += "   " + d.Title
	}
	return line
}

// sessions returns how many sessions were ended, "" if none was.
func sessions(before string, n int, after string) string {
	switch n {
	case 0:
		return ""
	case 1:
		return before + "1 session ended" + after
	}
	return before + strconv.Itoa(n) + " sessions ended" + after
}

// localTime formats a time in this machine's time zone; short leaves out the date.
func localTime(t time.Time, short bool) string {
	if short {
		return t.Local().Format("15:04:05")
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// timeFormat formats a time; short leaves out the date.
type timeFormat func(t time.Time, short bool) string

// printEvent shows an event to a person, on one line.
func printEvent(w io.Writer, e control.Event) error { return printEventAt(w, e, localTime) }

// printEventAt is printEvent with another format of times, in which the end of a grant may be empty.
func printEventAt(w io.Writer, e control.Event, format timeFormat) error {
	number := ""
	if e.Number != 0 {
		number = strconv.FormatUint(e.Number, 10)
	}
	words := []string{fmt.Sprintf("%5s  %s  %-8s", number, format(e.Time, false), e.Kind)}
	add := func(text, value string) {
		if value != "" {
			words = append(words, fmt.Sprintf(text, value))
		}
	}
	add("%s", e.Door)
	if e.Reason == "" && e.Kind != "inside" && e.Kind != "scan" {
		add("to %s", e.Address)
	} else {
		add("from %s", e.Address)
	}
	if e.Until != nil {
		add("until %s", format(*e.Until, true))
	}
	if e.Knock != "" {
		add("(%s)", by(e.Client, ways(e)))
	}
	add("%s:", e.Reason)
	add("%s", e.Detail)
	add("%s", sessions("(", e.Sessions, ")"))
	if e.Count > 1 && e.Also == "" {
		add("(%s times)", strconv.Itoa(e.Count))
	}
	if e.Hidden > 0 {
		what := "refusals"
		if e.Kind == "scan" {
			what = "scans"
		}
		add("(and %s "+what+" before it that are not shown)", strconv.Itoa(e.Hidden))
	}
	_, err := fmt.Fprintln(w, strings.TrimSuffix(strings.Join(words, " "), ":"))
	return err
}

// ways returns how a client knocked, where one press may go out in two ways: "message stun + ports".
func ways(e control.Event) string {
	if e.Also == "" {
		return e.Knock
	}
	return e.Knock + " + " + e.Also[strings.LastIndexByte(e.Also, ' ')+1:]
}

func by(client, knock string) string {
	if client == "" {
		return knock
	}
	return client + ", " + knock
}

// formatSeconds formats a duration for people: "9 min 30 s".
func formatSeconds(seconds int) string {
	switch {
	case seconds < 60:
		return fmt.Sprintf("%d s", seconds)
	case seconds < 3600:
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d h %d min", seconds/3600, seconds%3600/60)
}
