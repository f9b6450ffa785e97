// SPDX-License-Identifier: Apache-2.0

package seal

import "slices"

// Span is a range of stamps, both ends included.
type Span struct {
	First, Last uint64
	Accepted    bool // a message in it was accepted: nothing older shall count either
}

// spans are ranges of stamps in ascending order that do not touch each other.
type spans []Span

// has reports whether a stamp is in one of the ranges.
func (l spans) has(stamp uint64) bool {
	_, found := slices.BinarySearchFunc(l, stamp, func(s Span, stamp uint64) int {
		switch {
		case s.Last < stamp:
			return -1
		case s.First > stamp:
			return 1
		}
		return 0
	})
	return found
}

// add puts a range in and joins it with those that it meets. Where there are more than most then, the
// two with the smallest gap between them become one, of equal ones the oldest: what is in the gap
// counts as received too.
func (l spans) add(s Span, most int) spans {
	from, _ := slices.BinarySearchFunc(l, s.First, func(old Span, first uint64) int {
		if old.Last < first && first-old.Last > 1 {
			return -1
		}
		return 1
	})
	to := from
	for ; to < len(l) && (l[to].First <= s.Last || l[to].First-s.Last == 1); to++ {
		s = join(s, l[to])
	}
	l = l.replace(from, to, s)
	if len(l) > most {
		near := 0
		for i := range len(l) - 1 {
			if l[i+1].First-l[i].Last < l[near+1].First-l[near].Last {
				near = i
			}
		}
		l = l.replace(near, near+2, join(l[near], l[near+1]))
	}
	return l
}

// replace puts one range in the place of those with the numbers from up to to, but without to. It is
// slices.Replace for the one case that is needed, a tenth as big.
func (l spans) replace(from, to int, s Span) spans {
	if from == to {
		l = append(l, s)
		copy(l[from+1:], l[from:])
		to++
	}
	l[from] = s
	return append(l[:from+1], l[to:]...)
}

func join(a, b Span) Span {
	return Span{min(a.First, b.First), max(a.Last, b.Last), a.Accepted || b.Accepted}
}

// joinUpTo makes one range, which counts as accepted, of all those that end at or below limit.
func (l spans) joinUpTo(limit uint64) spans {
	n := 0
	for n < len(l) && l[n].Last <= limit {
		n++
	}
	if n < 2 {
		return l
	}
	return l.replace(0, n, Span{l[0].First, l[n-1].Last, true})
}

// accepted returns up to where the accepted ranges reach below limit, 0 if none begins there.
func (l spans) accepted(limit uint64) uint64 {
	for i := len(l) - 1; i >= 0; i-- {
		if l[i].Accepted && l[i].First <= limit {
			return min(l[i].Last, limit)
		}
	}
	return 0
}
