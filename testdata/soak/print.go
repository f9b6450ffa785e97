// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func (s *soak) say(format string, args ...any) {
	fmt.Fprintf(s.out, "soak: "+format+"\n", args...)
}

// progress shows a line every 10 s until ctx ends.
func (s *soak) progress(ctx context.Context) {
	for pause(ctx, 10*time.Second) {
		c := s.figures()
		s.say("%s of %s: %d knocks, %d opened, %d shut out; %d floods (%d packets), %d faults, %d rude callers; %d events, %d writes; %d kB",
			time.Since(s.begun).Round(time.Second), s.long, c.Knocks, c.Opened, c.Excused, c.Floods, c.FloodPackets, c.Faults, c.Callers,
			c.Events, c.Writes, lab.MemoryOf(s.router.pid()).Resident)
	}
}

// summary shows what was done and what was looked at.
func (s *soak) summary(w io.Writer, failed error) {
	c := s.figures()
	fmt.Fprintf(w, "\nsoak with seed %d, %s of %s\n\n", s.seed, time.Since(s.begun).Round(time.Second), s.long)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(what string, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t"+format+"\n", append([]any{what}, args...)...)
	}
	row("honest knocks", "%d, of which %d opened and %d were shut out by a fault or flood; %d needed another press", c.Knocks, c.Opened, c.Excused, c.Again)
	row("doors", "%d renewed, %d closed by a knock, %d watched until they closed", c.Renewed, c.Closed, c.Watched)
	row("against it", "%d floods (%d packets), %d faults, %d rude callers, %d copies by a thief", c.Floods, c.FloodPackets, c.Faults, c.Callers, c.Copies)
	row("events", "%d", c.Events)
	row("writes to flash", "%d, for %d messages at the most", c.Writes, c.Messages)
	row("at rest > at the most", "%d > %d kB resident, %d > %d descriptors, %d > %d threads, %d > %d goroutines", s.idle.Resident, s.worst.Resident,
		s.idle.Descriptors, s.worst.Descriptors, s.idle.Threads, s.worst.Threads, s.idle.Goroutines, s.worst.Goroutines)
	_, longest := s.router.lives()
	early, late := longest.leasts()
	row("longest life", "%s, with %d kB of its own memory or more in the second quarter, and %d in the last", longest.long.Round(time.Second), early, late)
	t.Flush()
	s.mu.Lock()
	defer s.mu.Unlock()
	list := func(title string, times map[string]int) {
		fmt.Fprintf(w, "\n  times  %s\n", title)
		for _, name := range slices.Sorted(maps.Keys(times)) {
			fmt.Fprintf(w, "  %5d  %s\n", times[name], name)
		}
	}
	list("knock that opened, flood, fault or caller", s.done)
	list("invariant that held", s.holds)
	switch {
	case s.violation != nil:
		fmt.Fprintf(w, "\nVIOLATED after %s: %s\n", s.violation.After, s.violation.Invariant)
	case failed != nil:
		fmt.Fprintf(w, "\nGIVEN UP: %v\n", failed)
	default:
		fmt.Fprintf(w, "\nall invariants held\n")
	}
}

// explain shows what led to a violation.
func (s *soak) explain(w io.Writer) {
	v := s.violation
	fmt.Fprintf(w, "\nsoak: the last actions (all are in %s):\n  %s\n", s.log.Name(), strings.Join(s.lastActions(), "\n  "))
	if text, err := os.ReadFile(s.router.log.Name()); err == nil {
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		fmt.Fprintf(w, "\nsoak: the end of %s:\n  %s\n", s.router.log.Name(), strings.Join(lines[max(0, len(lines)-20):], "\n  "))
	}
	fmt.Fprintf(w, "\nsoak: VIOLATED: %s\n  %s\n  at %s, after %s; SEED=%d repeats the plan\n", v.Invariant, v.Evidence, v.Time.Format(time.TimeOnly), v.After, s.seed)
}

// write writes the figures for programs.
func (s *soak) write(failed error) error {
	_, longest := s.router.lives()
	s.mu.Lock()
	report := struct {
		Seed       uint64         `json:"seed"`
		Seconds    int            `json:"seconds"`
		Counts     counts         `json:"counts"`
		Idle       usage          `json:"at_rest"`
		Worst      usage          `json:"at_the_most"`
		Longest    int            `json:"longest_life_seconds"`
		Actions    map[string]int `json:"actions"`    // how often knocks of a kind opened, and the others were done
		Invariants map[string]int `json:"invariants"` // how often they held
		Violation  *violation     `json:"violation,omitempty"`
		Failed     string         `json:"failed,omitempty"`
	}{Seed: s.seed, Seconds: int(time.Since(s.begun).Seconds()), Idle: s.idle, Worst: s.worst, Longest: int(longest.long.Seconds()), Actions: maps.Clone(s.done), Invariants: maps.Clone(s.holds), Violation: s.violation}
	s.mu.Unlock()
	report.Counts = s.figures()
	if failed != nil {
		report.Failed = failed.Error()
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Clean(s.report), append(text, '\n'), 0o644)
}
