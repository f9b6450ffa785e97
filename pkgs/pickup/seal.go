// SPDX-License-Identifier: Apache-2.0

package pickup

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// MaxText is the length of the longest text that can be sealed, in bytes: that of the longest link.
const MaxText = 4096

// MaxSealed is the length of the longest sealed text.
var MaxSealed = base64.RawURLEncoding.EncodedLen(tagSize + MaxText)

const tagSize = 16

// The labels that keep what is made of a code apart, and from what is made of a key (package seal).
const (
	labelName = "latchkey1 pickup name"
	labelTag  = "latchkey1 pickup tag"
	labelBox  = "latchkey1 pickup box"
)

// errDamaged is why a sealed text does not open. It does not say more: nobody but the router that
// made the code can make one that does.
var errDamaged = errors.New("the sealed link is damaged, or was sealed for another code")

// Name returns the name under which the router offers what was sealed for the code. Who knows the
// name learns nothing of the code.
func (c Code) Name() string {
	return hex.EncodeToString(c.derive(labelName)[:nameLength/2])
}

// Seal returns the text, at most MaxText bytes, as only the code opens it. The same code and text
// always make the same: a code must seal one text only.
func (c Code) Seal(text string) string {
	b := make([]byte, tagSize, tagSize+len(text))
	copy(b, c.tagOf([]byte(text)))
	b = append(b, text...)
	c.mask(b[:tagSize], b[tagSize:])
	return base64.RawURLEncoding.EncodeToString(b)
}

// Open returns the text that Seal sealed.
func (c Code) Open(sealed string) (string, error) {
	if len(sealed) > MaxSealed {
		return "", errDamaged
	}
	b, err := seal.Unbase64(base64.RawURLEncoding.Strict(), sealed)
	if err != nil || len(b) < tagSize {
		return "", errDamaged
	}
	tag, text := b[:tagSize], b[tagSize:]
	c.mask(tag, text)
	if subtle.ConstantTimeCompare(tag, c.tagOf(text)) != 1 {
		return "", errDamaged
	}
	return string(text), nil
}

func (c Code) tagOf(text []byte) []byte {
	return sum(c.derive(labelTag), text)[:tagSize]
}

// mask XORs text with HMACs of the tag and a counter, which makes the box of the text and the text
// of the box.
func (c Code) mask(tag, text []byte) {
	key := c.derive(labelBox)
	for n := uint32(0); len(text) > 0; n++ {
		done := subtle.XORBytes(text, text, sum(key, binary.BigEndian.AppendUint32(tag[:tagSize:tagSize], n)))
		text = text[done:]
	}
}

func (c Code) derive(label string) []byte { return sum(c[:], []byte(label)) }

func sum(key, message []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(message)
	return mac.Sum(nil)
}
