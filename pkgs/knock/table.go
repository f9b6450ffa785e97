// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"
)

// ways is how many senders of one prefix (a /24 of IPv4, a /56 of IPv6) can be on their way in
// one knock at the same time. Of a sequence they are those who are beyond the first step: see firsts.
const ways = 8

// table holds what detectors must remember about senders that have begun a knock. Its size is
// fixed when it is made, and S holds no pointers, so a flood cannot make it grow and the garbage
// collector never looks inside.
//
// Source addresses can be forged, so it is built to lose the forged ones:
//   - The set is chosen by the prefix of the sender and not by its whole address: one network
//     reaches one set for each knock, and cannot push out anybody outside of it.
//   - The hash is keyed at random, so nobody can compute which prefixes share a set.
//   - A full set gives up the sender of rank 1 of whom nothing came for longest. A sender that is further on,
//     which a flood cannot fake without knowing the knock, stays.
//   - But nobody who knows so much fills a set for good: where fewer than half of its places are left to
//     rank 1, the one further on of whom nothing came for longest goes, for any packet that begins a knock.
type table[S any] struct {
	keys *keys
	base time.Time
	sets []set[S] // as many as newTable was asked for
}

// set is where the senders of some networks are. Most who are looked for are not there, as a look at the tags
// tells: in a flood only those are in the processor's cache.
type set[S any] struct {
	tags    [ways]uint16 // 16 bits of the hash of who has the place, or had it last
	entries [ways]entry[S]
}

// entry is what is remembered about one sender in one knock.
type entry[S any] struct {
	_ [0]func() // nobody compares entries
	standing
	source address
	state  S
}

// standing is an entry but for its sender and his state: what decides who gives way.
type standing struct {
	until time.Duration // the end of this state, since table.base
	since time.Duration // when it was put in, or last came further
	place uint32        // which of all places of the table this is
	which uint16        // which knock
	rank  uint16        // how far the sender is; 0 = this place is free
}

func newTable[S any](now time.Time, sets int) *table[S] {
	return &table[S]{keys: newKeys(), base: now, sets: make([]set[S], sets)}
}

// clock turns a time into the table's own.
func (t *table[S]) clock(now time.Time) time.Duration { return now.Sub(t.base) }

// of returns a sender as this table knows him.
func (t *table[S]) of(which uint16, source netip.Addr) sender { return t.keys.sender(which, source) }

// find returns the entry of a sender, also one whose time is over, or nil.
func (t *table[S]) find(from sender) *entry[S] {
	_, set := t.set(from)
	for i := range set.tags {
		if set.tags[i] != uint16(from.self) {
			continue
		}
		if e := &set.entries[i]; e.rank != 0 && e.which == from.which && e.source == from.address {
			return e
		}
	}
	return nil
}

// put makes an entry of rank 1 with a zero state for a sender that has none.
func (t *table[S]) put(from sender, now, until time.Duration) *entry[S] {
	number, set := t.set(from)
	var all [ways]standing
	for i := range set.entries {
		all[i] = set.entries[i].standing
	}
	way := weakest(&all, now)
	set.tags[way] = uint16(from.self)
	set.entries[way] = entry[S]{standing: standing{until, now, number*ways + uint32(way), from.which, 1}, source: from.address}
	return &set.entries[way]
}

// weakest returns the place that a set gives up.
func weakest(set *[ways]standing, now time.Duration) int {
	oldest := [2]int{-1, -1} // of rank 1, and of those further on
	further := 0
	for i := range set {
		e := &set[i]
		if e.rank == 0 || e.until < now {
			return i
		}
		group := 0
		if e.rank > 1 {
			group = 1
			further++
		}
		if o := oldest[group]; o < 0 || e.since < set[o].since {
			oldest[group] = i
		}
	}
	if further > ways/2 {
		return oldest[1]
	}
	return oldest[0]
}

// forget drops what is remembered of everybody in some knocks.
func (t *table[S]) forget(which func(uint16) bool) {
	for i := range t.sets {
		for n := range t.sets[i].entries {
			if e := &t.sets[i].entries[n]; e.rank != 0 && which(e.which) {
				e.drop()
			}
		}
	}
}

// drop frees the place of an entry.
func (e *entry[S]) drop() { e.rank = 0 }

// set returns the set that a sender belongs into, and its number.
func (t *table[S]) set(from sender) (uint32, *set[S]) {
	number := from.network % uint32(len(t.sets))
	return number, &t.sets[number]
}
