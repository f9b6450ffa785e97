// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"slices"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// Who bounds the work for a message asks only about those who can have sent it.
func TestCandidates_are_those_whose_hint_it_has(t *testing.T) {
	now := time.Unix(1_795_348_800, 0)
	keys := make([]seal.Key, 50)
	for i := range keys {
		keys[i] = seal.Key{1, byte(i)}
	}
	message := seal.Seal(keys[7], seal.Body{Stamp: uint64(now.UnixMilli())})
	candidates := func(synced bool, message []byte) (list []int) {
		r := seal.NewRing(keys)
		r.Advance(now, synced)
		for n := 0; ; n++ {
			client, ok := r.Candidate(message, n)
			if !ok {
				return list
			}
			list = append(list, client)
		}
	}
	if got := candidates(true, message); !slices.Contains(got, 7) || len(got) > 3 {
		t.Errorf("candidates are %v, want 7 and hardly another", got)
	}
	if got := candidates(false, message); len(got) != len(keys) {
		t.Errorf("%d candidates while the clock is not known, want all %d", len(got), len(keys))
	}
	message[0] ^= 0x55
	if got := candidates(true, message); slices.Contains(got, 7) {
		t.Errorf("with another hint candidates are %v, want not 7", got)
	}
	for _, synced := range []bool{true, false} {
		if got := candidates(synced, message[:9]); got != nil {
			t.Errorf("candidates of a piece are %v, want none", got)
		}
	}
}
