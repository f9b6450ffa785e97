// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
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
//   - The hash is keyed by a random seed, so nobody can compute which prefixes share a set.
//   - A full set gives up the sender of rank 1 of whom nothing came for longest. A sender that is further on,
//     which a flood cannot fake without knowing the knock, stays.
//   - But nobody who knows so much fills a set for good: where fewer than half of its places are left to
//     rank 1, the one further on of whom nothing came for longest goes, for any packet that begins a knock.
type table[S any] struct {
	seed maphash.Seed
	base time.Time
	sets [][ways]entry[S] // as many as newTable was told; a power of two
}

// entry is what is remembered about one sender in one knock.
type entry[S any] struct {
	standing
	source [16]byte // IPv4 as IPv4-mapped
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
	return &table[S]{seed: maphash.MakeSeed(), base: now, sets: make([][ways]entry[S], sets)}
}

// clock turns a time into the table's own.
func (t *table[S]) clock(now time.Time) time.Duration { return now.Sub(t.base) }

// find returns the entry of a sender, also one whose time is over, or nil.
func (t *table[S]) find(which uint16, source netip.Addr) *entry[S] {
	_, set, key := t.set(which, source)
	for i := range set {
		if e := &set[i]; e.rank != 0 && e.which == which && e.source == key {
			return e
		}
	}
	return nil
}

// put makes an entry of rank 1 with a zero state for a sender that has none.
func (t *table[S]) put(which uint16, source netip.Addr, now, until time.Duration) *entry[S] {
	number, set, key := t.set(which, source)
	var all [ways]standing
	for i := range set {
		all[i] = set[i].standing
	}
	way := weakest(&all, now)
	set[way] = entry[S]{standing: standing{until, now, number*ways + uint32(way), which, 1}, source: key}
	return &set[way]
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
		for n := range t.sets[i] {
			if e := &t.sets[i][n]; e.rank != 0 && which(e.which) {
				e.drop()
			}
		}
	}
}

// drop frees the place of an entry.
func (e *entry[S]) drop() { e.rank = 0 }

// set returns the number of the set that a sender belongs into, the set, and how he is called in it.
func (t *table[S]) set(which uint16, source netip.Addr) (uint32, *[ways]entry[S], [16]byte) {
	key, network := hashNetwork(t.seed, which, source)
	number := uint32(network & uint64(len(t.sets)-1))
	return number, &t.sets[number], key
}

// hashNetwork returns a sender's address in 16 bytes, and a hash of its network for a knock.
func hashNetwork(seed maphash.Seed, which uint16, source netip.Addr) (key [16]byte, network uint64) {
	key = source.As16()
	prefix := 7 // /56: the smallest delegation that providers give to homes (RIPE-690)
	if source.Is4() {
		prefix = 15 // /24 behind the 12 bytes of ::ffff:0:0/96
	}
	var b [17]byte
	n := copy(b[:], key[:prefix])
	binary.BigEndian.PutUint16(b[n:], which)
	return key, maphash.Bytes(seed, b[:n+2])
}

// fingerprint tells a TCP segment from every other one of the same sender, but not from its own
// retransmissions, which repeat both ports and the sequence number (RFC 9293, section 3.4).
func fingerprint(seed maphash.Seed, p *wire.Packet) uint32 {
	var b [8]byte
	binary.BigEndian.PutUint16(b[0:], p.SrcPort)
	binary.BigEndian.PutUint16(b[2:], p.DstPort)
	binary.BigEndian.PutUint32(b[4:], p.Seq)
	return uint32(maphash.Bytes(seed, b[:]))
}
