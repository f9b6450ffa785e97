// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"hash"
	"time"
)

// Epoch is how long a hint lives: two messages of one client can be linked within it only.
const Epoch = time.Minute

// The layout of a message: hint, tag, box. The box is as long as the body.
const (
	hintSize = 3
	tagSize  = 11
	headSize = hintSize + tagSize

	// ShortSize and LongSize are the lengths of a message in bytes, without and with an address.
	ShortSize = headSize + shortBody
	LongSize  = headSize + longBody
)

const epochMillis = uint64(Epoch / time.Millisecond)

// Seal makes a message: 24 bytes, or 40 if b has an address. The same key and body always make
// the same bytes. A stamp above MaxStamp is taken for MaxStamp.
func Seal(key Key, b Body) []byte {
	s := newSealer(key)
	b.Stamp = min(b.Stamp, MaxStamp)
	hint := s.hintOf(b.Stamp / epochMillis)
	msg := make([]byte, headSize, LongSize)
	copy(msg, hint[:])
	body := appendBody(msg[headSize:], b)
	msg = msg[:headSize+len(body)] // body lies in msg, which has room for the longest
	copy(msg[hintSize:], s.tagOf(hint[:], body))
	subtle.XORBytes(body, body, s.padFor(msg[hintSize:headSize]))
	return msg
}

// sealer is a key made ready: the three keyed HMAC states, which are kept because setting one up
// costs as much as using it. It is not safe for concurrent use.
type sealer struct {
	hint, tag, box hash.Hash
	scratch        struct { // on the heap with the sealer, so that nothing escapes per message
		epoch [8]byte
		sum   [sha256.Size]byte
	}
}

// The labels that keep the three derived keys apart from each other, and from other protocols.
const (
	labelHint = "latchkey1 hint"
	labelTag  = "latchkey1 tag"
	labelBox  = "latchkey1 box"
)

func newSealer(key Key) *sealer {
	derive := func(label string) hash.Hash {
		mac := hmac.New(sha256.New, key[:])
		mac.Write([]byte(label))
		return hmac.New(sha256.New, mac.Sum(nil))
	}
	return &sealer{hint: derive(labelHint), tag: derive(labelTag), box: derive(labelBox)}
}

// hintOf returns the hint of the messages of one epoch.
func (s *sealer) hintOf(epoch uint64) [hintSize]byte {
	binary.BigEndian.PutUint64(s.scratch.epoch[:], epoch)
	return [hintSize]byte(s.sum(s.hint, s.scratch.epoch[:], nil))
}

// tagOf returns the tag over hint and body; the next call on s overwrites it.
func (s *sealer) tagOf(hint, body []byte) []byte { return s.sum(s.tag, hint, body)[:tagSize] }

// padFor returns what a body is XORed with; the next call on s overwrites it.
func (s *sealer) padFor(tag []byte) []byte { return s.sum(s.box, tag, nil) }

func (s *sealer) sum(mac hash.Hash, a, b []byte) []byte {
	mac.Reset()
	mac.Write(a)
	mac.Write(b)
	return mac.Sum(s.scratch.sum[:0])
}

// open opens a message of a right length into body, which has room for it, and tells whether it
// was sealed with this key. It does not look at the hint's epoch.
func (s *sealer) open(body, msg []byte) bool {
	hint, tag, box := msg[:hintSize], msg[hintSize:headSize], msg[headSize:]
	subtle.XORBytes(body, box, s.padFor(tag)[:len(box)])
	return subtle.ConstantTimeCompare(tag, s.tagOf(hint, body[:len(box)])) == 1
}
