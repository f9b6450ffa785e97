// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"time"
)

// calm reports whether this is the part of a run in which no fault and no checkpoint ends the daemon: its last
// two thirds, as one long life. What leaks slowly is not seen in many short ones.
func (s *soak) calm() bool { return !s.each && time.Since(s.begun) > s.long/3 }

// life is one process of the daemon.
type life struct {
	begun time.Time
	long  time.Duration
	own   []int // kB of memory of its own, each second
}

const (
	// judgedAfter is how long a life must be to say that its memory grows: a quarter of it has filled the tables.
	judgedAfter = 20 * time.Minute
	// moreMemory is by how many kB the least memory of a quarter may differ although nothing leaks.
	moreMemory = 512
)

// longer returns the longer one of two lives.
func longer(a, b life) life {
	if b.long > a.long {
		return b
	}
	return a
}

// leasts returns the least memory in the second quarter of a life and in its last one, zero if it was too short
// to have them. What floods and garbage add for a while is not in the least of many looks.
func (l life) leasts() (early, late int) {
	n := len(l.own)
	if n < 4 {
		return 0, 0
	}
	return slices.Min(l.own[n/4 : n/2]), slices.Min(l.own[n-n/4:])
}

// judgeMemory compares what a daemon that is about to end used in the course of its life.
func (s *soak) judgeMemory(l life) {
	const invariant = "the memory of a long life does not grow"
	if l.long < judgedAfter {
		return
	}
	if early, late := l.leasts(); late > early+moreMemory {
		s.violated(invariant, "%s: the least was %d kB in the second quarter, and %d kB in the last one", l.long.Round(time.Second), early, late)
		return
	}
	s.held(invariant)
}
