// SPDX-License-Identifier: Apache-2.0

package dense

import (
	"bytes"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// Random returns n bytes below limit, the same each time.
func Random(n, limit int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.IntN(limit))
	}
	return b
}

// The tests of reach are of deflate, as Gzip would hide a fault: it takes what
// compress/flate finds.

func TestMatchesReach32768Back(t *testing.T) {
	again := Random(258, 256)
	at := func(distance int) int {
		return len(deflate(slices.Concat(again, make([]byte, distance-len(again)), again)))
	}
	if near, far := at(32768), at(32769); far-near < 200 {
		t.Errorf("%d bytes with a match 32768 back, %d with one too far: the first is not used", near, far)
	}
}

func TestMatchesReachOverPortions(t *testing.T) {
	data := Random(portion, 256)
	alone, more := len(deflate(data)), len(deflate(slices.Concat(data, data[portion-farthest:])))
	if more > alone+2000 {
		t.Errorf("%d bytes that were there before take %d", farthest, more-alone)
	}
}

func TestPassesMakeSmaller(t *testing.T) {
	data, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("SKIP:", err)
	}
	data = data[:300_000]
	once := 0
	found := findMatches(data, 0)
	for _, b := range split(data, shortestPath(data, found, []priced{{len(data), firstCosts()}}), newLogs()) {
		once += b.size()
	}
	if got := 8 * len(deflate(data)); got > once*995/1000 {
		t.Errorf("%d bits after all passes, %d after one", got, once)
	}
}

// TestSizesAreWhatIsWritten writes blocks of every form after any bit.
func TestSizesAreWhatIsWritten(t *testing.T) {
	text := bytes.Repeat([]byte("to be or not to be"), 300)
	data := slices.Concat(text, Random(5_000, 5), Random(70_000, 256))
	var blocks []*block
	for _, part := range [][]byte{data, data[:20], data[len(data)-68_000:]} {
		blocks = append(blocks, parse(part, 0, len(part), newLogs())...)
	}
	forms := make(map[string]bool)
	for _, b := range blocks {
		for before := range 8 {
			w := new(bitWriter)
			w.write(0, uint8(before))
			b.write(w, true)
			stored, fixed, dynamic := b.sizes(before)
			forms["stored"] = forms["stored"] || stored < min(fixed, dynamic)
			forms["fixed"] = forms["fixed"] || fixed < min(stored, dynamic)
			forms["dynamic"] = forms["dynamic"] || dynamic < min(stored, fixed)
			if got, want := 8*len(w.out)+int(w.n)-before, min(stored, fixed, dynamic); got != want {
				t.Errorf("%d bytes after %d bits: %d bits, not %d", len(b.raw), before, got, want)
			}
		}
	}
	if !forms["stored"] || !forms["fixed"] || !forms["dynamic"] {
		t.Errorf("forms tried: %v", forms)
	}
}

// TestMatches compares with a search of every distance.
func TestMatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, letters := range []int{1, 2, 3, 20} {
		data := make([]byte, 2000)
		for i := range data {
			data[i] = byte(r.IntN(letters))
		}
		const start = 700
		found := findMatches(data, start)
		for i := start; i < len(data); i++ {
			var want []match
			best := shortest - 1
			for distance := 1; distance <= i; distance++ {
				same := common(data[i:min(len(data), i+longest)], data[i-distance:][:min(len(data)-i, longest)])
				if same > best {
					best = same
					want = append(want, match{uint16(same), uint16(distance)})
				}
			}
			if got := found.at(i - start); !slices.Equal(got, want) {
				t.Fatalf("%d letters, position %d: matches %v, want %v", letters, i, got, want)
			}
		}
	}
}

// TestShortestPath compares with the costs of all ways through a few bytes.
func TestShortestPath(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		data := make([]byte, 14)
		for i := range data {
			data[i] = byte(r.IntN(2))
		}
		ranges := []priced{{end: 5, costs: firstCosts()}, {end: len(data), costs: firstCosts()}}
		for i := range ranges[1].costs.length {
			ranges[1].costs.length[i] = uint32(r.IntN(30)) * point
		}
		price := func(i int, m match) int {
			c := ranges[0].costs
			if i >= ranges[0].end {
				c = ranges[1].costs
			}
			if m.distance == 0 {
				return int(c.literal[m.length])
			}
			return int(c.length[m.length] + c.distance[distanceSymbol(int(m.distance))])
		}
		found := findMatches(data, 0)
		var least func(i int) int
		least = func(i int) int {
			if i == len(data) {
				return 0
			}
			cost := price(i, match{length: uint16(data[i])}) + least(i+1)
			for _, m := range found.at(i) {
				for n := shortest; n <= int(m.length); n++ {
					cost = min(cost, price(i, match{uint16(n), m.distance})+least(i+n))
				}
			}
			return cost
		}
		got, i := 0, 0
		for _, m := range shortestPath(data, found, ranges) {
			got += price(i, m)
			i += m.size()
		}
		if want := least(0); i != len(data) || got != want {
			t.Fatalf("%v: a way to %d for %d, want %d", data, i, got, want)
		}
	}
}

// TestSymbols compares with samples of the tables in RFC 1951 section 3.2.5.
func TestSymbols(t *testing.T) {
	for _, c := range []struct{ length, symbol, extra int }{
		{3, 257, 0}, {10, 264, 0}, {11, 265, 1}, {12, 265, 1}, {13, 266, 1}, {18, 268, 1}, {19, 269, 2},
		{34, 272, 2}, {35, 273, 3}, {66, 276, 3}, {67, 277, 4}, {131, 281, 5}, {257, 284, 5}, {258, 285, 0},
	} {
		if code := lengthSymbol(c.length); code != c.symbol || literalExtra(code) != c.extra {
			t.Errorf("length %d: symbol %d with %d bits, want %d with %d", c.length, code, literalExtra(code), c.symbol, c.extra)
		}
	}
	for _, c := range []struct{ distance, symbol, extra int }{
		{1, 0, 0}, {4, 3, 0}, {5, 4, 1}, {6, 4, 1}, {7, 5, 1}, {9, 6, 2}, {192, 14, 6}, {193, 15, 6},
		{16384, 27, 12}, {16385, 28, 13}, {24576, 28, 13}, {24577, 29, 13}, {32768, 29, 13},
	} {
		if code := distanceSymbol(c.distance); code != c.symbol || distanceExtra(code) != c.extra {
			t.Errorf("distance %d: symbol %d with %d bits, want %d with %d", c.distance, code, distanceExtra(code), c.symbol, c.extra)
		}
	}
}

func TestCodeLengths(t *testing.T) {
	for name, c := range map[string]struct {
		counts []uint32
		limit  int
		want   []uint8
	}{
		"nothing":            {[]uint32{0, 0}, 15, []uint8{0, 0}},
		"one":                {[]uint32{0, 9}, 15, []uint8{0, 1}},
		"two":                {[]uint32{1, 0, 9}, 15, []uint8{1, 0, 1}},
		"without a limit":    {[]uint32{1, 1, 2, 3, 5, 8}, 15, []uint8{5, 5, 4, 3, 2, 1}},
		"limit":              {[]uint32{1, 1, 2, 3, 6, 20}, 4, []uint8{4, 4, 4, 4, 2, 1}},
		"no room for choice": {[]uint32{1, 2, 4, 900}, 2, []uint8{2, 2, 2, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := codeLengths(c.counts, c.limit); !slices.Equal(got, c.want) {
				t.Errorf("lengths %v, want %v", got, c.want)
			}
		})
	}
	t.Run("every code is used", func(t *testing.T) {
		counts := make([]uint32, literals) // that wish for codes of more than 15 bits
		for i := range counts {
			counts[i] = 1 << (i % 30)
		}
		sum := 0
		for _, n := range codeLengths(counts, 15) {
			sum += 1 << (15 - n)
		}
		if sum != 1<<15 {
			t.Errorf("codes fill %d/%d of the room", sum, 1<<15)
		}
	})
}

// TestCodes has the example of RFC 1951 section 3.2.2.
func TestCodes(t *testing.T) {
	got := codes([]uint8{3, 3, 3, 3, 3, 2, 4, 4})
	want := []uint16{0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111} // their first bit last
	if !slices.Equal(got, want) {
		t.Errorf("codes %b, want %b", got, want)
	}
}

func TestLogs(t *testing.T) {
	l := newLogs()
	for n := uint32(1); n < 1<<31; n += 1 + n/7 {
		if got, want := float64(l.of(n))/one, math.Log2(float64(n)); math.Abs(got-want) > 1e-3 {
			t.Errorf("log2(%d) = %f, want %f", n, got, want)
		}
	}
}
