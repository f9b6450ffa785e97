// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"math"
	"time"
)

// firstSets is the size of the table of first steps: 8192 sets of 16 senders of 8 bytes, 1 MB when a flood
// has filled it all. It holds the first steps of the last 0.5 s of a flood of 250 000 forged senders per
// second. Of senders who make a pause of 0.2 s, as our own client does, it then loses 1 in 3000: those in
// whose set 16 others come meanwhile, where 6 are to be expected.
const (
	firstSets = 8192
	firstWays = 16
)

// firsts remembers who sent the first step of a sequence and no other yet. That is all that somebody who
// found one port can send in the name of millions, so it takes a tenth of the room of an attempt, and who is
// further on is kept elsewhere. Like a table, one network reaches one set for each sequence, and the oldest
// of a set goes.
//
// Of a sender it keeps 16 bits of a hash. Where a set is full of others, somebody is taken for one of them
// once in 4096 times, and spared the first step; who fills it knows that step.
type firsts struct {
	sets [][firstWays]first
	made []uint16 // by sequence: counted up to forget all of one

	swept time.Duration // when sweep was done last, in the clock of its caller
}

// first is a sender of whom the first step came.
type first struct {
	came  tick
	who   uint16 // of the hash of sender and sequence; 0 = this place is free
	print uint16 // as in mark
}

func newFirsts(sequences int) *firsts {
	return &firsts{sets: make([][firstWays]first, firstSets), made: make([]uint16, sequences)}
}

// forgetEvery is longer than any sequence may take, and so short that no tick that is in the table can be taken
// for another one.
const forgetEvery = time.Hour

// sweep frees what is too old to be of use, once in an hour: else ticks of half a day ago would be taken for new
// ones. It takes 0.1 ms, and some milliseconds on a slow router. Put and take are to follow.
func (f *firsts) sweep(clock time.Duration) {
	past := clock - f.swept
	if past < forgetEvery {
		return
	}
	f.swept = clock
	now := tickOf(clock)
	for i := range f.sets {
		for n := range f.sets[i] {
			// After a longer pause all are from before it.
			if r := &f.sets[i][n]; r.who != 0 && (past > 2*forgetEvery || r.came.age(now) > tickOf(forgetEvery)) {
				*r = first{}
			}
		}
	}
}

// put notes a first step. It reports whether it is a retransmission of the sender's newest one; print is 0 of a
// packet that is none.
func (f *firsts) put(from sender, print uint16, now, within tick) (again bool) {
	set, who := f.set(from)
	place, oldest := &set[0], int32(-1)
	for i := range set {
		r := &set[i]
		if r.who == who {
			place = r
			again = print != 0 && r.print == print && r.came.age(now) <= within
			break
		}
		age := max(0, int32(now-r.came)) // as tick.age, without a call for each: this is half of what a packet of a flood costs
		if r.who == 0 {
			age = math.MaxInt32
		}
		if age > oldest {
			place, oldest = r, age
		}
	}
	if !again {
		*place = first{came: now, who: who, print: print}
	}
	return again
}

// take forgets the first step of a sender, and returns it if it is not too long ago.
func (f *firsts) take(from sender, now, within tick) (r first, ok bool) {
	set, who := f.set(from)
	for i := range set {
		if set[i].who == who {
			r, set[i] = set[i], first{}
			return r, r.came.age(now) <= within
		}
	}
	return first{}, false
}

// forget drops what is remembered of everybody in a sequence.
func (f *firsts) forget(which uint16) { f.made[which]++ }

// set returns the set that a sender belongs into, and how he is called in it.
func (f *firsts) set(from sender) (set *[firstWays]first, who uint16) {
	return &f.sets[from.network%firstSets], max(1, uint16(from.self)+f.made[from.which])
}
