// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding"
	"encoding/binary"
	"hash"
	"time"
)

// epochLength is how long a hint lives: two messages of one client can be linked within it only.
const epochLength = time.Minute

// The layout of a message: hint, tag, box. The box is as long as the body.
const (
	hintSize = 3
	tagSize  = 11
	headSize = hintSize + tagSize

	// ShortSize and LongSize are the lengths of a message in bytes, without and with an address.
	ShortSize = headSize + shortBody
	LongSize  = headSize + longBody
)

const epochMillis = uint64(epochLength / time.Millisecond)

// Seal makes a message: 24 bytes, or 40 if b has an address. The same key and body always make
// the same bytes. A stamp above MaxStamp is taken for MaxStamp.
func Seal(key Key, b Body) []byte {
	s := newSealer(newHasher(), key)
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

// sealer is a key made ready: the three keyed HMACs, which are kept because setting one up
// costs as much as using it. It is not safe for concurrent use, nor are those that share a hasher.
type sealer struct {
	*hasher
	hint, tag, box keyed
}

// hasher is SHA-256 with its scratch: on the heap, so that nothing escapes per message. All keys share one.
type hasher struct {
	hash  hash.Hash
	epoch [8]byte
	out   [sha256.Size]byte
}

func newHasher() *hasher { return &hasher{hash: sha256.New()} }

// keyed is an HMAC-SHA256 (RFC 2104) that has its key: the two hashes after their first blocks, as they are
// marshalled, half the size of what crypto/hmac keeps.
type keyed struct{ inner, outer []byte }

// key returns an HMAC with a key of up to 64 bytes.
func (h *hasher) key(key []byte) keyed {
	const ipad, opad = 0x36, 0x5c
	begin := func(pad byte) []byte {
		var block [sha256.BlockSize]byte
		copy(block[:], key)
		for i := range block {
			block[i] ^= pad
		}
		h.hash.Reset()
		h.hash.Write(block[:])
		state, _ := h.hash.(encoding.BinaryAppender).AppendBinary(make([]byte, 0, 108)) // it never fails
		return state
	}
	return keyed{begin(ipad), begin(opad)}
}

// sum returns the HMAC of a and b; the next call on h overwrites it.
func (h *hasher) sum(k keyed, a, b []byte) []byte {
	h.resume(k.inner)
	h.hash.Write(a)
	h.hash.Write(b)
	inner := h.hash.Sum(h.out[:0])
	h.resume(k.outer)
	h.hash.Write(inner)
	return h.hash.Sum(h.out[:0])
}

func (h *hasher) resume(state []byte) {
	_ = h.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(state) // it is of the same hash
}

// The labels that keep the three derived keys apart from each other, and from other protocols.
const (
	labelHint = "latchkey1 hint"
	labelTag  = "latchkey1 tag"
	labelBox  = "latchkey1 box"
)

func newSealer(h *hasher, key Key) sealer {
	of := h.key(key[:])
	derive := func(label string) keyed { return h.key(h.sum(of, []byte(label), nil)) }
	return sealer{h, derive(labelHint), derive(labelTag), derive(labelBox)}
}

// hintOf returns the hint of the messages of one epoch.
func (s *sealer) hintOf(epoch uint64) [hintSize]byte {
	binary.BigEndian.PutUint64(s.epoch[:], epoch)
	return [hintSize]byte(s.sum(s.hint, s.epoch[:], nil))
}

// tagOf returns the tag over hint and body; the next call on s overwrites it.
func (s *sealer) tagOf(hint, body []byte) []byte { return s.sum(s.tag, hint, body)[:tagSize] }

// padFor returns what a body is XORed with; the next call on s overwrites it.
func (s *sealer) padFor(tag []byte) []byte { return s.sum(s.box, tag, nil) }

// open opens a message of a right length into body, which has room for it, and reports whether it
// was sealed with this key. It does not look at the hint's epoch.
func (s *sealer) open(body, msg []byte) bool {
	hint, tag, box := msg[:hintSize], msg[hintSize:headSize], msg[headSize:]
	subtle.XORBytes(body, box, s.padFor(tag)[:len(box)])
	return subtle.ConstantTimeCompare(tag, s.tagOf(hint, body[:len(box)])) == 1
}
