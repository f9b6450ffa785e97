// SPDX-License-Identifier: Apache-2.0

package seal

import "slices"

// Cost returns how many keys Open would try on a message: what a caller that must bound its work
// counts. It is 0 if Open would fail without an HMAC.
func (r *Ring) Cost(message []byte) int {
	if len(message) != ShortSize && len(message) != LongSize {
		return 0
	}
	if !r.synced {
		return len(r.keys)
	}
	hint, n := [hintSize]byte(message), 0
	i, _ := slices.BinarySearchFunc(r.table, hint, func(e hintEntry, h [hintSize]byte) int {
		return compareHints(e.hint, h)
	})
	for ; i < len(r.table) && r.table[i].hint == hint; i++ {
		n++
	}
	return n
}
