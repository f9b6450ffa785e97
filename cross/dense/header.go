// SPDX-License-Identifier: Apache-2.0

package dense

import "slices"

// Symbols of section 3.2.7 that stand for several code lengths.
const (
	repeat    = 16 // the length before, 3 to 6 times
	zeros     = 17 // 3 to 10 times
	manyZeros = 18 // 11 to 138 times
)

// runSymbols is how many symbols there are: 0 to 15 are code lengths.
const runSymbols = 19

// run is one symbol of the header, which stands for some code lengths.
type run struct{ symbol, count int }

// extra returns the extra bits of the symbol, and how many.
func (r run) extra() (value, n int) {
	switch r.symbol {
	case repeat:
		return r.count - 3, 2
	case zeros:
		return r.count - 3, 3
	case manyZeros:
		return r.count - 11, 7
	}
	return 0, 0
}

// header is what a block begins with that has codes of its own.
type header struct {
	literals, distances int // code lengths that are given
	runs                []run
	lengths             []uint8 // of the codes of the runs' symbols, by symbol
	given               int     // code lengths of these that are given
	size                int     // bits
}

// order is that of the code lengths for symbols of the header.
func order() []int {
	return []int{repeat, zeros, manyZeros, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
}

// newHeader returns the smallest header found for these code lengths. As in
// parsing, it is a shortest path with costs that come from the path before.
func newHeader(literal, distance []uint8) *header {
	literal = literal[:max(257, trimmed(literal))]
	distance = distance[:max(1, trimmed(distance))]
	all := slices.Concat(literal, distance)
	costs := slices.Repeat([]uint8{4}, runSymbols)
	var best *header
	for {
		h := &header{literals: len(literal), distances: len(distance), runs: shortestRuns(all, costs)}
		var counts [runSymbols]uint32
		for _, r := range h.runs {
			counts[r.symbol]++
		}
		h.lengths = codeLengths(counts[:], 7)
		h.given = runSymbols
		for h.given > 4 && h.lengths[order()[h.given-1]] == 0 {
			h.given--
		}
		h.size = 5 + 5 + 4 + 3*h.given
		for _, r := range h.runs {
			_, extra := r.extra()
			h.size += int(h.lengths[r.symbol]) + extra
		}
		if best != nil && h.size >= best.size {
			return best
		}
		best = h
		for i, n := range h.lengths {
			costs[i] = n
			if n == 0 {
				costs[i] = 7
			}
		}
	}
}

// trimmed returns the length of the slice without zeros at its end.
func trimmed(lengths []uint8) int {
	n := len(lengths)
	for n > 0 && lengths[n-1] == 0 {
		n--
	}
	return n
}

// shortestRuns returns the runs that give these code lengths for the least
// costs of their symbols.
func shortestRuns(lengths []uint8, costs []uint8) []run {
	rest := make([]int, len(lengths)+1)
	steps := make([]run, len(lengths))
	for i := len(lengths) - 1; i >= 0; i-- {
		try := func(r run) {
			_, extra := r.extra()
			if cost := int(costs[r.symbol]) + extra + rest[i+r.count]; steps[i].count == 0 || cost < rest[i] {
				rest[i], steps[i] = cost, r
			}
		}
		try(run{int(lengths[i]), 1})
		same := 1
		for i+same < len(lengths) && lengths[i+same] == lengths[i] {
			same++
		}
		if i > 0 && lengths[i-1] == lengths[i] {
			for n := 3; n <= min(same, 6); n++ {
				try(run{repeat, n})
			}
		}
		if lengths[i] == 0 {
			for n := 3; n <= min(same, 10); n++ {
				try(run{zeros, n})
			}
			for n := 11; n <= min(same, 138); n++ {
				try(run{manyZeros, n})
			}
		}
	}
	var runs []run
	for i := 0; i < len(lengths); i += steps[i].count {
		runs = append(runs, steps[i])
	}
	return runs
}

func (h *header) write(w *bitWriter) {
	w.write(uint64(h.literals-257), 5)
	w.write(uint64(h.distances-1), 5)
	w.write(uint64(h.given-4), 4)
	for _, symbol := range order()[:h.given] {
		w.write(uint64(h.lengths[symbol]), 3)
	}
	codes := codes(h.lengths)
	for _, r := range h.runs {
		w.write(uint64(codes[r.symbol]), h.lengths[r.symbol])
		value, n := r.extra()
		w.writeLow(value, n)
	}
}
