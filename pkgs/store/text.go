// SPDX-License-Identifier: Apache-2.0

package store

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// The text is one line per entry, sorted, between a first line with the version and a last line
// with a checksum of all before it:
//
//	latchkey-state 1
//	floor phone 1795348800000
//	used door_list 9f86d081884c7d659a2feaa0c55ad015
//	sum 5891b5b522d5df086d0ff0b110fbd9d2
const (
	firstLine = "latchkey-state 1"
	sumWord   = "sum "
)

func checksum(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:16])
}

// text renders the state; equal states give equal texts.
func (s state) text() ([]byte, error) {
	if n := len(s.floors) + len(s.used); n > maxEntries {
		return nil, fmt.Errorf("%d entries are more than %d", n, maxEntries)
	}
	var b bytes.Buffer
	fmt.Fprintln(&b, firstLine)
	for _, client := range slices.Sorted(maps.Keys(s.floors)) {
		if err := checkName(client); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "floor %s %d\n", client, s.floors[client])
	}
	byName := func(a, b once) int {
		return cmp.Or(cmp.Compare(a.sequence, b.sequence), cmp.Compare(a.digest, b.digest))
	}
	for _, o := range slices.SortedStableFunc(maps.Keys(s.used), byName) {
		if err := checkName(o.sequence); err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "used %s %s\n", o.sequence, o.digest)
	}
	fmt.Fprintf(&b, "%s%s\n", sumWord, checksum(b.String()))
	return b.Bytes(), nil
}

// parse reads what text wrote, and nothing else.
func parse(text string) (state, error) {
	s := state{map[string]uint64{}, map[once]bool{}}
	body, sum := text, ""
	if i := strings.LastIndex(text, "\n"+sumWord); i >= 0 {
		body, sum = text[:i+1], text[i+1:]
	}
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
	if len(word) != 3 {
		return fmt.Errorf("it has %d words, not 3", len(word))
	}
	switch word[0] {
	case "floor":
		stamp, err := strconv.ParseUint(word[2], 10, 64)
		if err != nil {
			return err
		}
		s.floors[word[1]] = stamp
	case "used":
		s.used[once{word[1], word[2]}] = true
	default:
		return fmt.Errorf("unknown word %q", word[0])
	}
	return nil
}
