// SPDX-License-Identifier: Apache-2.0

// Package dense compresses (RFC 1951, RFC 1952) as densely as it can, which takes
// seconds for each megabyte: routers unpack it like any other.
//
// What deflate (RFC 1951) leaves to the compressor is which matches to take,
// where a block ends, and which codes a block has. The first two are each a
// shortest path: from position to position, and from block to block. The
// length of a step is what its symbols cost in bits, which is known only when
// the paths are. So the costs begin with a guess and then are those that the
// last pass led to, for some passes. The codes are then the best for each block.
//
// All arithmetic is on integers: the same data give the same bytes everywhere.
package dense

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"hash/crc32"
	"runtime"
	"slices"
	"sync"
)

const (
	// portion is how many bytes are worked on at once, which bounds memory to
	// about 70 MB for each processor. Matches reach back over its beginning.
	portion = 1 << 20

	// passes is how often a portion is parsed at most. The tenth makes a
	// program smaller by less than a hundredth of a per cent.
	passes = 10
)

// Gzip returns data as a gzip file without name and time.
func Gzip(data []byte) []byte {
	out := []byte{
		0x1f, 0x8b, // RFC 1952 section 2.3.1: ID1, ID2
		8,          // CM: deflate
		0,          // FLG: nothing optional follows
		0, 0, 0, 0, // MTIME: none
		2,   // XFL: slowest algorithm
		255, // OS: unknown
	}
	out = append(out, Deflate(data)...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(data))
	return binary.LittleEndian.AppendUint32(out, uint32(len(data)))
}

// Deflate returns data in the format of RFC 1951, as compress/flate does where
// that is smaller: for a few hundred bytes, its way can happen to be better.
func Deflate(data []byte) []byte {
	ours := deflate(data)
	var theirs bytes.Buffer
	z, err := flate.NewWriter(&theirs, flate.BestCompression)
	if err == nil {
		_, err = z.Write(data)
	}
	if err == nil {
		err = z.Close()
	}
	// There is no error: the level is a valid one, and a buffer takes all.
	if err != nil || len(ours) <= theirs.Len() {
		return ours
	}
	return theirs.Bytes()
}

// deflate returns data in the format of RFC 1951.
func deflate(data []byte) []byte {
	parsed := make([][]*block, max(1, (len(data)+portion-1)/portion))
	processors := make(chan struct{}, runtime.GOMAXPROCS(0))
	logs := newLogs()
	var all sync.WaitGroup
	for i := range parsed {
		processors <- struct{}{}
		all.Go(func() {
			parsed[i] = parse(data, i*portion, min(len(data), (i+1)*portion), logs)
			<-processors
		})
	}
	all.Wait()

	blocks := slices.Concat(parsed...)
	w := new(bitWriter)
	for i, b := range blocks {
		b.write(w, i == len(blocks)-1)
	}
	return w.close()
}

// parse returns the blocks for data[start:end].
func parse(data []byte, start, end int, logs *logs) []*block {
	found := findMatches(data[max(0, start-farthest):end], min(start, farthest))
	data = data[start:end]
	var best []*block
	least := 0
	ranges := []priced{{end: len(data), costs: firstCosts()}}
	for range passes {
		blocks := split(data, shortestPath(data, found, ranges), logs)
		size := 0
		ranges = ranges[:0]
		for _, b := range blocks {
			size += b.size()
			ranges = append(ranges, priced{b.end, b.counts.costs(logs)})
		}
		if best != nil && size >= least {
			break
		}
		best, least = blocks, size
	}
	return best
}
