// SPDX-License-Identifier: Apache-2.0

package dense_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/dense"
)

// unpack reads a gzip file.
func unpack(t *testing.T, file []byte) []byte {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z) // checks sum and size
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// usual is how big data is when compressed by gzip -9n, as Go does it.
func usual(t *testing.T, data []byte) int {
	t.Helper()
	var out bytes.Buffer
	z, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Len()
}

// program returns the first bytes of the test's own program.
func program(t testing.TB, n int) []byte {
	t.Helper()
	b, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Skip("SKIP:", err)
	}
	return b[:n]
}

// better returns data that compress/flate happens to code in a byte less than
// what the passes end with.
func better() []byte {
	return bytes.Repeat([]byte("\x00\x01\x01\x00\x01\x00\x01\x02\x00\x02\x01\x02\x01\x02\x02\x01\x02\x00\x01`-"+
		"\x01\x00\x01\x01\x02\x02\x00\x02\x00\x00vv\x02\x02\x01\x01\x02\x00"), 30)
}

func examples(t *testing.T) map[string][]byte {
	text := []byte(strings.Repeat("in the beginning was the word, ", 50))
	return map[string][]byte{
		"nothing":                        nil,
		"one byte":                       {0},
		"two bytes":                      {255, 255},
		"three bytes":                    []byte("abc"),
		"every byte":                     dense.Random(256, 256),
		"text":                           text,
		"zeros":                          make([]byte, 300_000),
		"two bytes in turn":              bytes.Repeat([]byte{1, 2}, 50_000),
		"no matches":                     dense.Random(65535, 256),
		"more than a stored block":       dense.Random(65536, 256),
		"more than two stored blocks":    dense.Random(2*65535+1, 256),
		"one symbol in four":             dense.Random(50_000, 4),
		"a longest match":                bytes.Repeat([]byte{7}, 1+258),
		"one more than a longest match":  bytes.Repeat([]byte{7}, 1+259),
		"better by compress/flate":       better(),
		"one portion":                    dense.Random(1<<20, 256),
		"from one portion to the next":   slices.Concat(dense.Random(1<<20, 256), dense.Random(1<<20, 256)[1<<20-32768:]),
		"text, random bytes and program": slices.Concat(text, dense.Random(100_000, 256), program(t, 100_000), text),
	}
}

func TestUnpacksToTheSame(t *testing.T) {
	for name, data := range examples(t) {
		t.Run(name, func(t *testing.T) {
			file := dense.Gzip(data)
			if !bytes.Equal(unpack(t, file), data) {
				t.Fatal("unpacked to other data")
			}
			for _, tool := range [][]string{{"gzip", "-dc"}, {"busybox", "gzip", "-dc"}} {
				if _, err := exec.LookPath(tool[0]); err != nil {
					t.Skipf("SKIP: no %s here", tool[0])
				}
				cmd := exec.Command(tool[0], tool[1:]...)
				cmd.Stdin = bytes.NewReader(file)
				if out, err := cmd.Output(); err != nil || !bytes.Equal(out, data) {
					t.Errorf("%s does not unpack it to the same: %v", tool[0], err)
				}
			}
			if got, most := len(file), usual(t, data); got > most {
				t.Errorf("%d bytes, gzip -9 needs %d", got, most)
			}
		})
	}
}

// TestSizes states sizes of what has an obvious best form.
func TestSizes(t *testing.T) {
	const frame = 10 + 8 // RFC 1952 section 2.3: header, CRC32 and ISIZE
	for name, c := range map[string]struct {
		data []byte
		want int
	}{
		// BFINAL, BTYPE and the end in seven bits.
		"nothing": {nil, frame + 2},
		// And a literal of eight bits.
		"a letter": {[]byte("a"), frame + 3},
		// Section 3.2.4: three bits in a byte, LEN, NLEN.
		"a stored block":    {dense.Random(65535, 256), frame + 5 + 65535},
		"two stored blocks": {dense.Random(65536, 256), frame + 5 + 5 + 65536},
		// A literal of 8 bits, a match of 8 + 5 bits.
		"a longest match": {bytes.Repeat([]byte{7}, 1+258), frame + (3+8+8+5+7+7)/8},
	} {
		t.Run(name, func(t *testing.T) {
			if got := len(dense.Gzip(c.data)); got != c.want {
				t.Errorf("%d bytes, want %d", got, c.want)
			}
		})
	}
}

func TestProgramIsThreePercentSmaller(t *testing.T) {
	data := program(t, 500_000)
	if got, most := len(dense.Gzip(data)), usual(t, data)*97/100; got > most {
		t.Errorf("%d bytes, want at most %d", got, most)
	}
}

func TestSameBytesOnAnyMachine(t *testing.T) {
	data := slices.Concat(dense.Random(1<<20, 256), program(t, 300_000))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	one := dense.Gzip(data)
	runtime.GOMAXPROCS(4)
	if !bytes.Equal(one, dense.Gzip(data)) {
		t.Error("four processors gave other bytes than one")
	}
	// No flags, no time: nothing of the builder.
	if want := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255}; !bytes.HasPrefix(one, want) {
		t.Errorf("the header is % x, want % x", one[:len(want)], want)
	}
}

func FuzzGzip(f *testing.F) {
	f.Add([]byte("abcabcabcabc"), uint16(3))
	f.Add(dense.Random(300, 256), uint16(200))
	f.Add(dense.Random(100, 3), uint16(1))
	f.Add(better(), uint16(0))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		// Repeated, short data make long matches; bounded, to be quick.
		data = data[:min(len(data), 2000)]
		data = bytes.Repeat(data, 1+int(times)%(1+2000/max(1, len(data))))
		file := dense.Gzip(data)
		if !bytes.Equal(unpack(t, file), data) {
			t.Fatal("unpacked to other data")
		}
		if got, most := len(file), usual(t, data); got > most {
			t.Errorf("%d bytes, gzip -9 needs %d", got, most)
		}
	})
}
