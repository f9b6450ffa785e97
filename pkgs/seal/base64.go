// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"encoding/base64"
	"strings"
)

// Unbase64 reads text that is base64 from its first character to its last. Package base64 by itself
// skips line ends wherever they stand, even in Strict, so that one value would have many texts and a
// text of the right length too few bytes. Its error is that of base64 and names a place, not the text.
func Unbase64(e *base64.Encoding, text string) ([]byte, error) {
	if i := strings.IndexAny(text, "\r\n"); i >= 0 {
		return nil, base64.CorruptInputError(i)
	}
	return e.DecodeString(text)
}
