// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the length of a key in bytes.
const KeySize = 32

// Key is one client's secret. Whatever prints it prints "(key)"; only Text gives it away.
type Key [KeySize]byte

var errZeroKey = errors.New("key is all zeros, so it is no secret: make one with `head -c32 /dev/urandom | base64`")

// ParseKey reads a key as base64 text, in the standard or the URL alphabet, padded or not, with
// or without white space around it. Its errors never repeat the text.
func ParseKey(s string) (Key, error) {
	text := strings.TrimRight(strings.TrimSpace(s), "=")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "-", "+"), "_", "/")
	b, err := Unbase64(base64.RawStdEncoding, text)
	if err != nil {
		return Key{}, fmt.Errorf("key is not base64: it must be %d characters of A-Z a-z 0-9 + / (or - _)", base64.RawStdEncoding.EncodedLen(KeySize))
	}
	if len(b) != KeySize {
		return Key{}, fmt.Errorf("key is %d bytes long, but must be %d", len(b), KeySize)
	}
	k := Key(b)
	if k == (Key{}) {
		return Key{}, errZeroKey
	}
	return k, nil
}

// Text returns the secret as unpadded URL-safe base64, for links.
func (k Key) Text() string { return base64.RawURLEncoding.EncodeToString(k[:]) }

// String hides the key, so that no log or error can show it.
func (Key) String() string { return "(key)" }

// Format hides the key from every verb of package fmt; %d would print its bytes else.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText hides the key from JSON and from structured logs.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Tag returns the tag of the door of this name. For one name in 65 536 that is zero, which means
// every door, and some names share a tag: a configuration must refuse both.
func Tag(name string) DoorTag {
	sum := sha256.Sum256([]byte("latchkey door\x00" + name))
	return DoorTag(sum[:2])
}
