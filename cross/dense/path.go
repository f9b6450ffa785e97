// SPDX-License-Identifier: Apache-2.0

package dense

import "math/bits"

// Symbols of RFC 1951 section 3.2.5.
const (
	endOfBlock   = 256
	firstLength  = 257
	longestMatch = 285 // has no extra bits
	literals     = 286
	distances    = 30
)

// symbol returns in which of the ranges of section 3.2.5 a value is: the ranges
// double in size every 1<<k.
func symbol(value, k int) int {
	extra := max(0, bits.Len(uint(value))-k-1)
	return extra<<k + value>>extra
}

// extraBits is how many of the lowest bits of a value follow its symbol.
func extraBits(symbol, k int) int { return max(0, symbol>>k-1) }

func lengthSymbol(length int) int {
	if length == longest {
		return longestMatch
	}
	return firstLength + symbol(length-shortest, 2)
}

// literalExtra is for the symbols of literals, the end and lengths.
func literalExtra(symbol int) int {
	if symbol < firstLength || symbol >= longestMatch {
		return 0
	}
	return extraBits(symbol-firstLength, 2)
}

func distanceSymbol(distance int) int { return symbol(distance-1, 1) }

func distanceExtra(symbol int) int { return extraBits(symbol, 1) }

// point is what a bit costs: costs are in parts of bits. The costs of one
// portion fit into 32 bits, as no literal costs more than 20 bits: there are
// at most 1<<20 symbols.
const point = 1 << 7

// costs are what each step costs in one block.
type costs struct {
	literal  [256]uint32
	length   [longest + 1]uint32
	distance [distances]uint32
}

// newCosts returns the costs of steps, given those of symbols.
func newCosts(literal, distance []uint32) *costs {
	c := new(costs)
	copy(c.literal[:], literal)
	for i := shortest; i <= longest; i++ {
		code := lengthSymbol(i)
		c.length[i] = literal[code] + uint32(literalExtra(code))*point
	}
	for i := range c.distance {
		c.distance[i] = distance[i] + uint32(distanceExtra(i))*point
	}
	return c
}

// firstCosts are those of the fixed codes.
func firstCosts() *costs {
	whole := func(lengths []uint8) []uint32 {
		costs := make([]uint32, len(lengths))
		for i, n := range lengths {
			costs[i] = uint32(n) * point
		}
		return costs
	}
	literal, distance := fixedCodes()
	return newCosts(whole(literal), whole(distance))
}

// counts are how often each symbol comes in a block.
type counts struct {
	literal  [literals]uint32
	distance [distances]uint32
}

// add counts a step.
func (c *counts) add(m match) {
	if m.distance == 0 {
		c.literal[m.length]++
		return
	}
	c.literal[lengthSymbol(int(m.length))]++
	c.distance[distanceSymbol(int(m.distance))]++
}

// costs returns what steps cost by the entropy of the symbols. One that did
// not come costs what it would if it had come once.
func (c *counts) costs(logs *logs) *costs {
	return newCosts(entropies(c.literal[:], logs), entropies(c.distance[:], logs))
}

func entropies(counts []uint32, logs *logs) []uint32 {
	total := uint32(1)
	for _, n := range counts {
		total += n
	}
	costs := make([]uint32, len(counts))
	for i, n := range counts {
		costs[i] = (logs.of(total) - logs.of(max(1, n))) / (one / point)
	}
	return costs
}

// priced is a range of positions, up to an end, with its costs.
type priced struct {
	end   int
	costs *costs
}

// shortestPath returns the steps through data that cost least. The ranges are
// in order and cover the data.
func shortestPath(data []byte, found *matches, ranges []priced) []match {
	rest := make([]uint32, len(data)+1) // cost from each position to the end
	steps := make([]match, len(data))   // the first step on that way
	for i := len(data) - 1; i >= 0; i-- {
		for len(ranges) > 1 && ranges[len(ranges)-2].end > i {
			ranges = ranges[:len(ranges)-1]
		}
		c := ranges[len(ranges)-1].costs
		least, step := c.literal[data[i]]+rest[i+1], match{length: uint16(data[i])}
		length := shortest
		for _, m := range found.at(i) {
			distance := c.distance[distanceSymbol(int(m.distance))]
			for ; length <= int(m.length); length++ {
				if cost := distance + c.length[length] + rest[i+length]; cost < least {
					least, step = cost, match{uint16(length), m.distance}
				}
			}
		}
		rest[i], steps[i] = least, step
	}

	path := steps[:0]
	for i := 0; i < len(data); {
		step := steps[i]
		i += step.size()
		path = append(path, step)
	}
	return path
}

// logs are logarithms to base 2 in parts of one, of the numbers from 1<<12 to 1<<13.
type logs [1 << logBits]uint32

const (
	logBits = 12
	one     = 1 << 16
)

// newLogs computes each bit of the logarithms: squaring a number doubles its
// logarithm.
func newLogs() *logs {
	l := new(logs)
	for i := range l {
		x := uint64(1<<logBits+i) << (31 - logBits) // from 1 to 2, in parts of 1<<31
		for bit := uint32(one / 2); bit > 0; bit /= 2 {
			x = x * x >> 31
			if x >= 1<<32 {
				l[i] += bit
				x >>= 1
			}
		}
	}
	return l
}

// of returns the logarithm of n, which is not 0.
func (l *logs) of(n uint32) uint32 {
	whole := bits.Len32(n) - 1
	return uint32(whole)*one + l[uint64(n)<<logBits>>whole&(1<<logBits-1)]
}
