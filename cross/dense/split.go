// SPDX-License-Identifier: Apache-2.0

package dense

const (
	// grain is how many steps of the parsing stay together in one block.
	grain = 512

	// mostGrains bounds a block, and the work that splitting is.
	mostGrains = 256
)

// split returns the steps through data as blocks, so cut that they take the
// fewest bits by the entropy of their symbols.
func split(data []byte, steps []match, logs *logs) []*block {
	// sums[i] is what is in the first i grains.
	sums := []counts{{}}
	for begin := 0; begin < len(steps); begin += grain {
		sum := sums[len(sums)-1]
		for _, m := range steps[begin:min(len(steps), begin+grain)] {
			sum.add(m)
		}
		sums = append(sums, sum)
	}

	// weights[n] is n times the logarithm of n.
	weights := make([]uint64, min(len(steps), grain*mostGrains)+1)
	for n := range weights[1:] {
		weights[n+1] = uint64(n+1) * uint64(logs.of(uint32(n+1)))
	}

	// rest[i] is what the grains from i on take, of which the first block has
	// those up to next[i].
	rest := make([]uint64, len(sums))
	next := make([]int, len(sums))
	for i := len(sums) - 2; i >= 0; i-- {
		for end := i + 1; end < len(sums) && end <= i+mostGrains; end++ {
			size := entropy(&sums[i], &sums[end], weights) + rest[end]
			if next[i] == 0 || size < rest[i] {
				rest[i], next[i] = size, end
			}
		}
	}

	var blocks []*block
	position := 0
	for i := 0; i < len(sums)-1; i = next[i] {
		b := &block{steps: steps[i*grain : min(len(steps), next[i]*grain)]}
		b.counts = sums[next[i]].minus(&sums[i])
		begin := position
		for _, m := range b.steps {
			position += m.size()
		}
		b.raw, b.end = data[begin:position], position
		blocks = append(blocks, b)
	}
	if blocks == nil {
		blocks = []*block{{}}
	}
	for _, b := range blocks {
		b.counts.literal[endOfBlock] = 1
		b.encode()
	}
	return blocks
}

// minus returns what is in c and not in its beginning.
func (c *counts) minus(beginning *counts) counts {
	d := *c
	for i, n := range beginning.literal {
		d.literal[i] -= n
	}
	for i, n := range beginning.distance {
		d.distance[i] -= n
	}
	return d
}

// entropy returns about how much a block of what is in end and not in begin
// takes, in parts of one bit, without extra bits, which are the same in any block.
func entropy(begin, end *counts, weights []uint64) uint64 {
	const fixed = 80 * one // of the header
	return fixed + entropyOf(begin.literal[:], end.literal[:], weights) + entropyOf(begin.distance[:], end.distance[:], weights)
}

func entropyOf(begin, end []uint32, weights []uint64) uint64 {
	const perSymbol = 3 * one // its code in the header
	size, total := uint64(0), uint32(0)
	for i, before := range begin {
		if n := end[i] - before; n > 0 {
			total += n
			size += perSymbol - weights[n] // may pass below 0 for a while
		}
	}
	return size + weights[total]
}
