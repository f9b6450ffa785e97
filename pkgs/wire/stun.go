// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// What STUN.Decode refuses, besides ErrShort and ErrMalformed.
var (
	ErrNotSTUN    = errors.New("payload is no STUN Binding request")
	ErrNoUsername = errors.New("STUN Binding request without a USERNAME")
)

// STUN message and attribute numbers (RFC 8489, sections 5, 14 and 18; RFC 8445, section 16.1).
const (
	bindingRequest = 0x0001
	magicCookie    = 0x2112a442

	attrUsername         = 0x0006
	attrMessageIntegrity = 0x0008
	attrPriority         = 0x0024
	attrFingerprint      = 0x8028
	attrICEControlling   = 0x802a
)

const (
	stunHeader = 20
	attrHeader = 4
)

// STUN is what matters of a STUN Binding request (RFC 8489).
type STUN struct {
	Username []byte // aliases the payload that Decode was given
}

// Decode reads the payload of a UDP packet. It allocates nothing.
//
// USERNAME may stand anywhere among the attributes, but for behind MESSAGE-INTEGRITY; of several
// the first counts (RFC 8489, sections 14 and 14.5). MESSAGE-INTEGRITY and FINGERPRINT are not
// checked: what the user name carries authenticates itself. After an error s is zero.
func (s *STUN) Decode(payload []byte) error {
	*s = STUN{}
	if !isBindingRequest(payload) {
		return ErrNotSTUN
	}
	length := int(binary.BigEndian.Uint16(payload[2:]))
	attrs := payload[stunHeader:]
	switch {
	case length%4 != 0 || length < len(attrs):
		return ErrMalformed
	case length > len(attrs):
		return ErrShort
	}
	var username []byte
	protected := false // MESSAGE-INTEGRITY was passed
	// Each turn takes at least 4 bytes, so a packet of 1500 bytes takes at most 363 of them.
	for len(attrs) > 0 {
		if len(attrs) < attrHeader {
			return ErrMalformed
		}
		kind, size := binary.BigEndian.Uint16(attrs), int(binary.BigEndian.Uint16(attrs[2:]))
		if padded(size) > len(attrs)-attrHeader {
			return ErrMalformed
		}
		value := attrs[attrHeader : attrHeader+size]
		attrs = attrs[attrHeader+padded(size):]
		switch kind {
		case attrUsername:
			if username == nil && !protected {
				username = value
			}
		case attrMessageIntegrity:
			protected = true
		}
	}
	if username == nil {
		return ErrNoUsername
	}
	s.Username = username
	return nil
}

func isBindingRequest(payload []byte) bool {
	return len(payload) >= stunHeader &&
		binary.BigEndian.Uint16(payload) == bindingRequest &&
		binary.BigEndian.Uint32(payload[4:]) == magicCookie
}

// padded is a length rounded up to the 4 bytes that attributes are aligned to.
func padded(n int) int { return (n + 3) &^ 3 }

// usernameHint returns the first 4 characters of USERNAME if the attribute stands at one of the
// places where the kernel filter looks for it.
//
// Chromium and Firefox put USERNAME first (payload offset 20) in every check that was captured.
// That is a habit and not a promise, so it may also be second, behind an attribute that ICE has a
// use for: USE-CANDIDATE with no value (then it is at 24), PRIORITY or Chromium's
// GOOG-NETWORK-INFO with 4 bytes (28), ICE-CONTROLLING or ICE-CONTROLLED with 8 bytes (32).
func usernameHint(payload []byte) (hint [4]byte, ok bool) {
	if !isBindingRequest(payload) || len(payload) < stunHeader+attrHeader {
		return hint, false
	}
	at := stunHeader
	if binary.BigEndian.Uint16(payload[at:]) != attrUsername {
		first := int(binary.BigEndian.Uint16(payload[at+2:]))
		if first != 0 && first != 4 && first != 8 {
			return hint, false
		}
		at += attrHeader + first
	}
	if len(payload) < at+attrHeader+len(hint) ||
		binary.BigEndian.Uint16(payload[at:]) != attrUsername ||
		int(binary.BigEndian.Uint16(payload[at+2:])) < len(hint) {
		return hint, false
	}
	return [4]byte(payload[at+attrHeader:]), true
}

// AppendBindingRequest appends the UDP payload of a STUN Binding request as browsers send it for
// an ICE check: USERNAME, PRIORITY, ICE-CONTROLLING, MESSAGE-INTEGRITY keyed with password, and
// FINGERPRINT. Username is the whole attribute, at most 508 bytes (RFC 8489, section 14.3).
func AppendBindingRequest(b []byte, txid [12]byte, username, password string) []byte {
	start := len(b)
	b = binary.BigEndian.AppendUint16(b, bindingRequest)
	b = binary.BigEndian.AppendUint16(b, 0) // the length: appendSums knows it
	b = binary.BigEndian.AppendUint32(b, magicCookie)
	b = append(b, txid[:]...)
	b = appendAttr(b, attrUsername, []byte(username))
	b = appendAttr(b, attrPriority, []byte{0x6e, 0x00, 0x1e, 0xff}) // host candidate, as Chromium's
	b = appendAttr(b, attrICEControlling, txid[:8])                 // tie breaker: any number will do
	return appendSums(b, start, password)
}

// appendSums ends the request that begins at start with MESSAGE-INTEGRITY and FINGERPRINT. Each
// is made with a length field that ends right behind it (RFC 8489, sections 14.5 and 14.7).
func appendSums(b []byte, start int, password string) []byte {
	setLength := func(more int) {
		binary.BigEndian.PutUint16(b[start+2:], uint16(len(b)-start-stunHeader+more))
	}
	setLength(attrHeader + sha1.Size)
	mac := hmac.New(sha1.New, []byte(password))
	mac.Write(b[start:])
	b = appendAttr(b, attrMessageIntegrity, mac.Sum(nil))

	setLength(attrHeader + crc32.Size)
	sum := crc32.ChecksumIEEE(b[start:]) ^ 0x5354554e // "STUN"
	return appendAttr(b, attrFingerprint, binary.BigEndian.AppendUint32(nil, sum))
}

func appendAttr(b []byte, kind uint16, value []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, kind)
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	b = append(b, value...)
	return append(b, make([]byte, padded(len(value))-len(value))...)
}
