// SPDX-License-Identifier: Apache-2.0

package dense

import (
	"cmp"
	"math/bits"
	"slices"
)

// coin is a symbol, or two coins of the next smaller value, in the
// package-merge algorithm.
type coin struct {
	weight      uint64
	symbol      int
	left, right *coin // of a pair; else nil
}

// codeLengths returns lengths of at most limit bits for a prefix code with the
// least sum of counts[i]*lengths[i], and 0 for what does not come. It is the
// package-merge algorithm (Larmore and Hirschberg, 1990): symbol i may be
// bought once for each bit of its code, which is worth 1/2, 1/4 and so on, and
// buying a total of len(counts)-1 for the least weight gives the lengths.
func codeLengths(counts []uint32, limit int) []uint8 {
	lengths := make([]uint8, len(counts))
	symbols := make([]coin, 0, len(counts))
	for i, n := range counts {
		if n > 0 {
			symbols = append(symbols, coin{weight: uint64(n), symbol: i})
		}
	}
	if len(symbols) == 1 { // section 3.2.7: one code is one bit
		lengths[symbols[0].symbol] = 1
	}
	if len(symbols) < 2 {
		return lengths
	}
	slices.SortStableFunc(symbols, func(a, b coin) int { return cmp.Compare(a.weight, b.weight) })
	coins := symbols
	for range limit - 1 {
		coins = withPairs(symbols, coins)
	}
	for i := range coins[:2*len(symbols)-2] {
		coins[i].spend(lengths)
	}
	return lengths
}

// withPairs returns the symbols and each two of the coins, by their weight.
func withPairs(symbols, coins []coin) []coin {
	all := make([]coin, 0, len(symbols)+len(coins)/2)
	for pair := range slices.Chunk(coins[:len(coins)/2*2], 2) {
		two := coin{weight: pair[0].weight + pair[1].weight, left: &pair[0], right: &pair[1]}
		for len(symbols) > 0 && symbols[0].weight <= two.weight {
			all = append(all, symbols[0])
			symbols = symbols[1:]
		}
		all = append(all, two)
	}
	return append(all, symbols...)
}

// spend makes the codes of the symbols in the coin one bit longer.
func (c *coin) spend(lengths []uint8) {
	if c.left == nil {
		lengths[c.symbol]++
		return
	}
	c.left.spend(lengths)
	c.right.spend(lengths)
}

// codes returns the codes with these lengths (section 3.2.2), with the first
// bit lowest, as they are written.
func codes(lengths []uint8) []uint16 {
	var next [17]uint16
	for _, n := range lengths {
		next[n+1]++ // how many have length n, for now
	}
	next[1] = 0
	for i := 2; i < len(next); i++ {
		next[i] = (next[i-1] + next[i]) << 1
	}
	codes := make([]uint16, len(lengths))
	for i, n := range lengths {
		if n > 0 {
			codes[i] = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
	return codes
}
