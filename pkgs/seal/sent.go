// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"slices"
	"time"
)

const (
	// maxSent is how many presses a client remembers; at the limit the nearest two become one, and
	// what lies between them is taken for used.
	maxSent = 32
	// setBack is by how many milliseconds the stamps of a client may be ahead of its clock before it
	// takes it that the clock was ahead and has been set.
	setBack = 1000
	// withinReach is how far ahead of its clock, in milliseconds, a client looks for a stamp that a
	// router may have accepted: twice the usual limit, since either clock may be off by as much.
	withinReach = 2 * uint64(MaxSkew/time.Millisecond)
	// maxStarts is with how many stamps a message is sent at the most.
	maxStarts = 5
	// together is by how many milliseconds presses may be apart that count as one for this.
	together = 10_000
)

// Sent is what a client remembers of the stamps that it used. The zero value is a client that has
// sent nothing.
type Sent struct{ presses spans }

// Press is the stamps of one press of a button.
type Press struct {
	// Starts are the first stamps of the press, ascending, at most 5. Usually there is one. Where the
	// clock was ahead and has been set, each message is sent with several: with the present time,
	// which a router takes whose clock is right; above each stamp not far ahead, which it may have
	// accepted; and above all that was used, for a router that has no clock.
	Starts []uint64
	Ahead  time.Duration // of the last one, ahead of the clock
}

// Press takes the stamps for a press of n messages, at most pressReach, and remembers that they are
// used: no stamp is taken twice, and those of two presses are more than pressReach apart.
func (s *Sent) Press(now time.Time, n int) Press {
	clock := uint64(max(now.UnixMilli(), 1))
	size := uint64(min(max(n, 1), pressReach)) - 1
	top := min(s.after(clock), MaxStamp-size)
	ahead := top - min(clock, top)
	var starts []uint64
	if ahead > setBack {
		starts = s.near(clock, size, top)
	}
	starts = append(starts, top)
	for _, start := range starts {
		s.presses = s.presses.add(Span{First: start, Last: start + size}, maxSent)
	}
	return Press{starts, time.Duration(ahead) * time.Millisecond}
}

// near returns where there is room for a press: at the clock, and above the highest stamps that are
// ahead of it and within reach, below top.
func (s *Sent) near(clock, size, top uint64) []uint64 {
	starts := []uint64{s.free(clock, size)}
	next := top
	for i := len(s.presses) - 1; i >= 0 && len(starts) < maxStarts-1; i-- {
		last := s.presses[i].Last
		if clock < last && last < clock+withinReach && last+together < next {
			starts = append(starts, s.free(last, size))
		}
		next = s.presses[i].First
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	if starts[0] >= top {
		return nil // there is no room below
	}
	return starts
}

// after returns the first stamp from clock on that is above all others.
func (s *Sent) after(clock uint64) uint64 {
	if len(s.presses) == 0 {
		return clock
	}
	return max(clock, s.presses[len(s.presses)-1].Last+pressReach+1)
}

// free returns the first stamp from clock on around which there is room for a press.
func (s *Sent) free(clock, size uint64) uint64 {
	for _, p := range s.presses {
		if p.First <= clock+size+pressReach && clock <= p.Last+pressReach {
			clock = p.Last + pressReach + 1
		}
	}
	return clock
}

// Used returns the ranges of stamps that were used, ascending, at most 32.
func (s *Sent) Used() []Span { return s.presses }

// NewSent returns what a client remembers that used these ranges, in ascending order.
func NewSent(used []Span) *Sent {
	s := new(Sent)
	for _, span := range used {
		s.presses = s.presses.add(span, maxSent)
	}
	return s
}
