// SPDX-License-Identifier: Apache-2.0

package seal

import "time"

const (
	// maxSent is how many presses a client remembers; at the limit the nearest two become one, and
	// what lies between them is taken for used.
	maxSent = 32
	// trustedAhead is by how many milliseconds the stamps of a client may be ahead of its clock
	// before it takes it that the clock was wrong and has been set.
	trustedAhead = 60_000
)

// Sent is what a client remembers of the stamps that it used. The zero value is a client that has
// sent nothing.
type Sent struct{ presses spans }

// Press is the stamps of one press of a button: n of them from First on, and n from Present on.
type Press struct {
	First uint64 // above every stamp that was used
	// Present is the time by the client's clock, where that is far below First: the clock was ahead
	// and has been set. A router whose clock is right takes only this one, a router that has no
	// clock the other; so each message is sent with both. 0 = not needed, or not to be had.
	Present uint64
	Ahead   time.Duration // of First, ahead of the clock
}

// Press takes the stamps for a press of n messages, at most PressReach, and remembers that they are
// used: no stamp is taken twice, and those of two presses are more than PressReach apart.
func (s *Sent) Press(now time.Time, n int) Press {
	clock := uint64(max(now.UnixMilli(), 1))
	size := uint64(min(max(n, 1), PressReach)) - 1
	p := Press{First: min(s.after(clock), MaxStamp-size)}
	p.Ahead = time.Duration(p.First-min(clock, p.First)) * time.Millisecond
	s.presses = s.presses.add(Span{First: p.First, Last: p.First + size}, maxSent)
	if p.First-min(clock, p.First) > trustedAhead {
		if p.Present = s.free(clock, size); p.Present-clock > trustedAhead {
			p.Present = 0
		} else {
			s.presses = s.presses.add(Span{First: p.Present, Last: p.Present + size}, maxSent)
		}
	}
	return p
}

// after returns the first stamp from clock on that is above all others.
func (s *Sent) after(clock uint64) uint64 {
	if len(s.presses) == 0 {
		return clock
	}
	return max(clock, s.presses[len(s.presses)-1].Last+PressReach+1)
}

// free returns the first stamp from clock on around which there is room for a press.
func (s *Sent) free(clock, size uint64) uint64 {
	for _, p := range s.presses {
		if p.First <= clock+size+PressReach && clock <= p.Last+PressReach {
			clock = p.Last + PressReach + 1
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
