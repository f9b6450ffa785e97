// SPDX-License-Identifier: Apache-2.0

package pickup

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/latchkey/latchkey/pkgs/seal"
)

const (
	// codeSize is the length of a code in bytes: too many to be guessed, online or offline.
	codeSize = 16
	// codeLength is the length of a code as text.
	codeLength = 22
	// nameLength is the length of a name: 16 bytes in lower-case hex.
	nameLength = 32
)

// Code is what stands behind the # of a pick-up address: random bytes that one device uses once.
// Whatever prints it prints "(code)"; only Text gives it away.
type Code [codeSize]byte

// ParseCode reads a code as Text writes it. Its errors never repeat the text.
func ParseCode(s string) (Code, error) {
	if len(s) != codeLength {
		return Code{}, fmt.Errorf("a pick-up code has %d characters, this one has %d", codeLength, len(s))
	}
	b, err := seal.Unbase64(base64.RawURLEncoding.Strict(), s)
	if err != nil {
		return Code{}, errors.New("a pick-up code is made of A-Z a-z 0-9 - and _")
	}
	return Code(b), nil
}

// Text returns the code as unpadded URL-safe base64, for addresses.
func (c Code) Text() string { return base64.RawURLEncoding.EncodeToString(c[:]) }

// String hides the code, so that no log or error can show it.
func (Code) String() string { return "(code)" }

// Format hides the code from every verb of package fmt; %d would print its bytes else.
func (c Code) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(c.String())) }

// IsName reports whether s can be the name of an offer.
func IsName(s string) bool {
	for _, c := range []byte(s) {
		if !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') {
			return false
		}
	}
	return len(s) == nameLength
}
