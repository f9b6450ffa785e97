// SPDX-License-Identifier: Apache-2.0

package dense

import "slices"

// block is a block of RFC 1951.
type block struct {
	raw    []byte // what it stands for
	steps  []match
	end    int // position in the portion of the first byte after it
	counts counts

	header   *header // for codes of its own
	literal  []uint8 // lengths of these codes
	distance []uint8
}

// encode chooses the codes of the block.
func (b *block) encode() {
	b.literal = codeLengths(b.counts.literal[:], 15)
	b.distance = codeLengths(b.counts.distance[:], 15)
	b.header = newHeader(b.literal, b.distance)
}

// fixedCodes returns the lengths of section 3.2.6.
func fixedCodes() (literal, distance []uint8) {
	literal = slices.Concat(slices.Repeat([]uint8{8}, 144), slices.Repeat([]uint8{9}, 112),
		slices.Repeat([]uint8{7}, 24), slices.Repeat([]uint8{8}, 8))
	return literal, slices.Repeat([]uint8{5}, 30)
}

// bits returns how many bits the steps take with codes of these lengths.
func (b *block) bits(literal, distance []uint8) int {
	size := 0
	for i, n := range b.counts.literal {
		size += int(n) * (int(literal[i]) + literalExtra(i))
	}
	for i, n := range b.counts.distance {
		size += int(n) * (int(distance[i]) + distanceExtra(i))
	}
	return size
}

// A stored block (section 3.2.4) has at most 65535 bytes, after LEN and NLEN.
const (
	mostStored   = 65535
	storedHeader = 4
)

// sizes returns how many bits the block takes in each form, if it begins after
// so many bits: a stored one goes on at the next whole byte.
func (b *block) sizes(before int) (stored, fixed, dynamic int) {
	n := max(1, (len(b.raw)+mostStored-1)/mostStored)
	stored = 3 + -(before+3)&7 + 8*(len(b.raw)+n*storedHeader) + (n-1)*8
	return stored, 3 + b.bits(fixedCodes()), 3 + b.header.size + b.bits(b.literal, b.distance)
}

// size returns how many bits the block takes if it begins at a whole byte.
func (b *block) size() int {
	stored, fixed, dynamic := b.sizes(0)
	return min(stored, fixed, dynamic)
}

// write writes the block in its smallest form.
func (b *block) write(w *bitWriter, last bool) {
	final := uint64(0)
	if last {
		final = 1
	}
	literal, distance := b.literal, b.distance
	switch stored, fixed, dynamic := b.sizes(int(w.n)); min(stored, fixed, dynamic) {
	case stored:
		b.store(w, final)
		return
	case fixed:
		literal, distance = fixedCodes()
		w.write(final|1<<1, 3)
	default:
		w.write(final|2<<1, 3)
		b.header.write(w)
	}
	literalCodes, distanceCodes := codes(literal), codes(distance)
	for _, m := range b.steps {
		if m.distance == 0 {
			w.write(uint64(literalCodes[m.length]), literal[m.length])
			continue
		}
		code := lengthSymbol(int(m.length))
		w.write(uint64(literalCodes[code]), literal[code])
		w.writeLow(int(m.length)-shortest, literalExtra(code))
		code = distanceSymbol(int(m.distance))
		w.write(uint64(distanceCodes[code]), distance[code])
		w.writeLow(int(m.distance)-1, distanceExtra(code))
	}
	w.write(uint64(literalCodes[endOfBlock]), literal[endOfBlock])
}

// store writes the block as it is.
func (b *block) store(w *bitWriter, final uint64) {
	for rest := b.raw; ; {
		n := min(len(rest), mostStored)
		if n < len(rest) {
			w.write(0, 3)
		} else {
			w.write(final, 3)
		}
		w.align()
		w.write(uint64(n), 16)
		w.write(uint64(^uint16(n)), 16)
		w.out = append(w.out, rest[:n]...)
		if rest = rest[n:]; len(rest) == 0 {
			return
		}
	}
}

// bitWriter packs bits as section 3.1.1 says: the lowest of a byte first.
type bitWriter struct {
	out  []byte
	bits uint64 // not yet in out
	n    uint8  // how many, below 8 between calls
}

// write writes the n lowest bits, at most 48, of bits, which has no others.
func (w *bitWriter) write(bits uint64, n uint8) {
	w.bits |= bits << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.out = append(w.out, byte(w.bits))
		w.bits >>= 8
	}
}

// writeLow writes the n lowest bits of a value.
func (w *bitWriter) writeLow(value, n int) { w.write(uint64(value)&(1<<n-1), uint8(n)) }

// align goes on to the next whole byte.
func (w *bitWriter) align() {
	if w.n > 0 {
		w.write(0, 8-w.n)
	}
}

// close returns what was written, in whole bytes.
func (w *bitWriter) close() []byte {
	w.align()
	return w.out
}
