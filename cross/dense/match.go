// SPDX-License-Identifier: Apache-2.0

package dense

import (
	"encoding/binary"
	"math/bits"
)

// RFC 1951 section 2: what a match can be.
const (
	shortest = 3
	longest  = 258
	farthest = 32768
)

// match is a step of the parsing: length bytes that were also there distance
// bytes before; or, with distance 0, one literal byte of which length is the
// value.
type match struct{ length, distance uint16 }

// size returns how many bytes the step covers.
func (m match) size() int {
	if m.distance == 0 {
		return 1
	}
	return int(m.length)
}

// matches are those of each position of a portion. Among the matches of one
// position, each is longer and farther than the one before; shorter ones are
// parts of these.
type matches struct {
	list []match
	ends []uint32 // of the part of list for each position
}

// at returns the matches of a position.
func (m *matches) at(i int) []match {
	begin := uint32(0)
	if i > 0 {
		begin = m.ends[i-1]
	}
	return m.list[begin:m.ends[i]]
}

// A position is looked for among the last 32768 by one binary tree for each
// hash of three bytes. A tree is ordered by the strings at its positions, and
// a parent is always newer than its children, so that the way down to where a
// new position belongs passes the nearest match of every length.
const (
	hashBits = 16
	ring     = 2 * farthest // positions kept; those too far are not followed
	nowhere  = -ring        // too far from every position
	deepest  = 1000         // steps down a tree, against data made to have deep ones
)

type finder struct {
	data []byte
	root [1 << hashBits]int32
	less [ring]int32 // child with the strings before that of a position
	more [ring]int32 // child with the strings after it
}

// findMatches returns the matches of the positions of data from start on.
func findMatches(data []byte, start int) *matches {
	f := &finder{data: data}
	for i := range f.root {
		f.root[i] = nowhere
	}
	n := len(data) - start
	m := &matches{ends: make([]uint32, 0, n), list: make([]match, 0, 2*n)}
	var found []match
	for i := range data {
		found = f.insert(i, found[:0])
		if i >= start {
			m.list = append(m.list, found...)
			m.ends = append(m.ends, uint32(len(m.list)))
		}
	}
	return m
}

// insert makes the position the root of its tree and appends its matches.
func (f *finder) insert(i int, found []match) []match {
	here := f.data[i:min(len(f.data), i+longest)]
	if len(here) < shortest {
		return found
	}
	hash := (uint32(here[0]) | uint32(here[1])<<8 | uint32(here[2])<<16) * 0x9E3779B1 >> (32 - hashBits)
	node := f.root[hash]
	f.root[hash] = int32(i)

	// The old tree is cut in two along the way down: less and more are where
	// the next piece of each half goes, and all in there begins with as many
	// bytes of here.
	less, more := &f.less[i%ring], &f.more[i%ring]
	lessSame, moreSame := 0, 0
	best := shortest - 1
	for range deepest {
		distance := i - int(node)
		if distance > farthest {
			break
		}
		there := f.data[node:][:len(here)]
		same := min(lessSame, moreSame)
		same += common(here[same:], there[same:])
		if same > best {
			best = same
			found = append(found, match{uint16(same), uint16(distance)})
		}
		at := int(node) % ring
		switch {
		case same == len(here): // takes the place of the old position
			*less, *more = f.less[at], f.more[at]
			return found
		case there[same] < here[same]:
			*less, less, lessSame = node, &f.more[at], same
			node = *less
		default:
			*more, more, moreSame = node, &f.less[at], same
			node = *more
		}
	}
	*less, *more = nowhere, nowhere
	return found
}

// common returns with how many same bytes two slices of one length begin.
func common(a, b []byte) int {
	n := 0
	for ; len(a)-n >= 8; n += 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
