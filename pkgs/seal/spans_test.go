// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSpans_add(t *testing.T) {
	for name, tc := range map[string]struct {
		l    spans
		s    Span
		most int
		want spans
	}{
		"the first":               {nil, Span{First: 5, Last: 7}, 3, spans{{First: 5, Last: 7}}},
		"below, apart":            {spans{{First: 10, Last: 20}}, Span{First: 5, Last: 8}, 3, spans{{First: 5, Last: 8}, {First: 10, Last: 20}}},
		"below, next to it":       {spans{{First: 10, Last: 20}}, Span{First: 5, Last: 9}, 3, spans{{First: 5, Last: 20}}},
		"above, apart":            {spans{{First: 10, Last: 20}}, Span{First: 22, Last: 23}, 3, spans{{First: 10, Last: 20}, {First: 22, Last: 23}}},
		"above, next to it":       {spans{{First: 10, Last: 20}}, Span{First: 21, Last: 23}, 3, spans{{First: 10, Last: 23}}},
		"within":                  {spans{{First: 10, Last: 20}}, Span{First: 12, Last: 13}, 3, spans{{First: 10, Last: 20}}},
		"over two":                {spans{{First: 10, Last: 12}, {First: 20, Last: 22}}, Span{First: 11, Last: 21}, 3, spans{{First: 10, Last: 22}}},
		"between two, closing up": {spans{{First: 10, Last: 12}, {First: 20, Last: 22}}, Span{First: 13, Last: 19}, 3, spans{{First: 10, Last: 22}}},
		"accepted is infectious":  {spans{{First: 10, Last: 12, Accepted: true}}, Span{First: 12, Last: 15}, 3, spans{{First: 10, Last: 15, Accepted: true}}},
		"one too many: the nearest become one": {
			spans{{First: 10, Last: 12}, {First: 30, Last: 32}, {First: 40, Last: 42, Accepted: true}}, Span{First: 90, Last: 92}, 3,
			spans{{First: 10, Last: 12}, {First: 30, Last: 42, Accepted: true}, {First: 90, Last: 92}}},
		"as many as may be": {
			spans{{First: 10, Last: 12}, {First: 30, Last: 32}}, Span{First: 90, Last: 92}, 3,
			spans{{First: 10, Last: 12}, {First: 30, Last: 32}, {First: 90, Last: 92}}},
		"one too many: the first two": {
			spans{{First: 10, Last: 12}, {First: 15, Last: 16}}, Span{First: 35, Last: 36}, 2,
			spans{{First: 10, Last: 16}, {First: 35, Last: 36}}},
		"one too many, gaps alike: the oldest two": {
			spans{{First: 10, Last: 12}, {First: 20, Last: 22}}, Span{First: 30, Last: 32}, 2,
			spans{{First: 10, Last: 22}, {First: 30, Last: 32}}},
		"one too many: the last two": {
			spans{{First: 10, Last: 12}, {First: 30, Last: 32}}, Span{First: 35, Last: 36}, 2,
			spans{{First: 10, Last: 12}, {First: 30, Last: 36}}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := slices.Clone(tc.l).add(tc.s, tc.most); !slices.Equal(got, tc.want) {
				t.Errorf("%v, want %v", got, tc.want)
			}
		})
	}
}

func TestSpans_accepted_and_joined(t *testing.T) {
	l := spans{{First: 10, Last: 20, Accepted: true}, {First: 30, Last: 40}, {First: 50, Last: 60, Accepted: true}}
	for limit, want := range map[uint64]uint64{5: 0, 9: 0, 10: 10, 15: 15, 20: 20, 45: 20, 49: 20, 50: 50, 55: 55, 60: 60, 99: 60} {
		if got := l.accepted(limit); got != want {
			t.Errorf("accepted below %d: %d, want %d", limit, got, want)
		}
	}
	for limit, want := range map[uint64]spans{
		19: l, 20: l, 39: l,
		40: {{First: 10, Last: 40, Accepted: true}, {First: 50, Last: 60, Accepted: true}},
		60: {{First: 10, Last: 60, Accepted: true}},
	} {
		if got := slices.Clone(l).joinUpTo(limit); !slices.Equal(got, want) {
			t.Errorf("joined up to %d: %v, want %v", limit, got, want)
		}
	}
}

// Against a set of numbers: with room enough nothing is added that was not given, and nothing lost.
func TestSpans_are_a_set(t *testing.T) {
	random := rand.New(rand.NewPCG(8, 9))
	for range 300 {
		var l spans
		in := map[uint64]bool{}
		for range 20 {
			first := 1 + random.Uint64N(200)
			s := Span{First: first, Last: first + random.Uint64N(5)}
			for n := s.First; n <= s.Last; n++ {
				in[n] = true
			}
			l = l.add(s, 100)
			for n := range uint64(210) {
				if l.has(n) != in[n] {
					t.Fatalf("%d in %v: %t, want %t", n, l, l.has(n), in[n])
				}
			}
			for i := 1; i < len(l); i++ {
				if l[i].First <= l[i-1].Last+1 {
					t.Fatalf("ranges touch: %v", l)
				}
			}
		}
	}
}
