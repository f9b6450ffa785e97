// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// The text is one line per entry, sorted, between a first line with the version and a last line
// with a checksum of all before it. A range of stamps that was accepted has a plus sign behind it:
//
//	latchkey-state 1
//	floor 8f4e0c1d2a3b4c5d 1795348800100
//	heard 8f4e0c1d2a3b4c5d 1795348799900-1795348800100+ 1795435200000-1795435200200
//	used 9f86d081884c7d659a2feaa0c55ad015
//	sum 5891b5b522d5df086d0ff0b110fbd9d2
const (
	firstLine = "latchkey-state 1"
	sumWord   = "sum "
)

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// sorted returns the keys of a map in their order, by package sort, as package wire does and for its reason.
func sorted[V any](m map[string]V) []string {
	keys := slices.Collect(maps.Keys(m))
	sort.SliceStable(keys, func(i, j int) bool { return keys[i] < keys[j] })
	return keys
}

// text renders the state; equal states give equal texts.
func (s state) text() ([]byte, error) {
	if entries := s.entries(); entries > maxEntries {
		return nil, fmt.Errorf("%d entries are more than %d", entries, maxEntries)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, firstLine)
	for _, client := range sorted(s.pasts) {
		if err := checkName(client); err != nil {
			return nil, err
		}
		past := s.pasts[client]
		fmt.Fprintf(&b, "floor %s %d\n", client, past.Floor)
		if len(past.Spans) > 0 {
			fmt.Fprintf(&b, "heard %s", client)
			for _, span := range past.Spans {
				fmt.Fprintf(&b, " %d-%d", span.First, span.Last)
				if span.Accepted {
					b.WriteByte('+')
				}
			}
			b.WriteByte('\n')
		}
	}
	for _, digest := range sorted(s.used) {
		fmt.Fprintf(&b, "used %s\n", digest)
	}
	fmt.Fprintf(&b, "%s%s\n", sumWord, checksum(b.String()))
	return b.Bytes(), nil
}

// parse reads what text wrote, and nothing else.
func parse(text string) (state, error) {
	s := newState()
	end := strings.LastIndex(text, "\n"+sumWord) + 1
	body, sum := text[:end], text[end:]
	if sum != sumWord+checksum(body)+"\n" {
		return s, fmt.Errorf("%w: its checksum does not fit", ErrDamaged)
	}
	first, rest, _ := strings.Cut(body, "\n")
	if first != firstLine {
		return s, fmt.Errorf("%w: it begins with %.40q, not with %q; a newer version may have written it", ErrDamaged, first, firstLine)
	}
	for line := range strings.Lines(rest) {
		if err := s.add(strings.Fields(line)); err != nil {
			return s, fmt.Errorf("%w: line %.80q: %w", ErrDamaged, line, err)
		}
	}
	return s, nil
}

func (s state) add(word []string) error {
	if len(word) < 2 {
		return fmt.Errorf("it has %d words, at least 2 are needed", len(word))
	}
	kind, name, rest := word[0], word[1], word[2:]
	switch {
	case kind == "floor" && len(rest) == 1:
		stamp, err := strconv.ParseUint(rest[0], 10, 64)
		if err != nil {
			return err
		}
		past := s.pasts[name]
		past.Floor = stamp
		s.pasts[name] = past
	case kind == "heard" && len(rest) > 0:
		past := s.pasts[name]
		for _, text := range rest {
			span, err := parseSpan(text)
			if n := len(past.Spans); err == nil && n > 0 && span.First <= past.Spans[n-1].Last {
				err = errors.New("a range begins before the last one ends")
			}
			if err != nil {
				return err
			}
			past.Spans = append(past.Spans, span)
		}
		s.pasts[name] = past
	case kind == "used" && len(rest) == 0:
		s.used[name] = true
	default:
		return fmt.Errorf("%q with %d words is not known", kind, len(word))
	}
	return nil
}

func parseSpan(text string) (span seal.Span, err error) {
	text, span.Accepted = strings.CutSuffix(text, "+")
	first, last, _ := strings.Cut(text, "-")
	if span.First, err = strconv.ParseUint(first, 10, 64); err != nil {
		return span, err
	}
	if span.Last, err = strconv.ParseUint(last, 10, 64); err != nil {
		return span, err
	}
	if span.Last < span.First {
		return span, errors.New("a range ends before it begins")
	}
	return span, nil
}
