// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// keepActions is how many actions are shown of those that led to a violation.
const keepActions = 40

// journal is what happened in a run.
type journal struct {
	end func() // of the run
	log *os.File

	mu        sync.Mutex
	actions   []string       // the last ones
	holds     map[string]int // of invariants
	done      map[string]int // of kinds of knocks that opened, floods, faults and callers
	worst     usage
	violation *violation
	gave      error // why the run itself could not go on
}

// violation is the first thing that was not as it must be.
type violation struct {
	Invariant string    `json:"invariant"`
	Evidence  string    `json:"evidence"`
	Time      time.Time `json:"time"`
	After     string    `json:"after"` // since the begin
}

func newJournal() journal { return journal{holds: map[string]int{}, done: map[string]int{}} }

// note writes down what is done.
func (s *soak) note(action string) {
	line := fmt.Sprintf("%s %8s  %s", time.Now().Format("15:04:05.000"), s.age(), action)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.actions = append(s.actions, line)
	s.actions = s.actions[max(0, len(s.actions)-keepActions):]
	fmt.Fprintln(s.log, line)
}

// age is how long the run takes so far.
func (s *soak) age() string { return time.Since(s.begun).Round(100 * time.Millisecond).String() }

// held counts that an invariant was looked at and held.
func (s *soak) held(invariant string) {
	if s.ctx.Err() != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds[invariant]++
}

// did counts that something of a table was done.
func (s *soak) did(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done[name]++
}

// violated ends the run because of an invariant that does not hold; only the first one counts, as what is
// interrupted holds nothing.
func (s *soak) violated(invariant, format string, args ...any) {
	if s.ctx.Err() != nil {
		return
	}
	v := &violation{invariant, fmt.Sprintf(format, args...), time.Now(), s.age()}
	s.note("VIOLATED: " + invariant + ": " + v.Evidence)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.violation == nil && s.gave == nil {
		s.violation = v
		s.end()
	}
}

// give gives the run up, for a reason that is not latchkeyd's.
func (s *soak) give(err error) {
	if s.ctx.Err() != nil {
		return // what was interrupted fails
	}
	s.note("GIVEN UP: " + err.Error())
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.violation == nil && s.gave == nil {
		s.gave = err
		s.end()
	}
}

// seeUsage keeps the most that was seen.
func (s *soak) seeUsage(u usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.worst.Resident = max(s.worst.Resident, u.Resident)
	s.worst.Descriptors = max(s.worst.Descriptors, u.Descriptors)
	s.worst.Threads = max(s.worst.Threads, u.Threads)
	s.worst.Goroutines = max(s.worst.Goroutines, u.Goroutines)
}

// figures returns all counts as they are now.
func (s *soak) figures() counts {
	s.model.mu.Lock()
	c := s.model.counts
	s.model.mu.Unlock()
	c.Events, c.Writes = s.events.number(), s.writes.number()
	return c
}

// lastActions returns what was done last.
func (s *soak) lastActions() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.actions)
}
