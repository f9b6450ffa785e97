// SPDX-License-Identifier: Apache-2.0

package seal

import (
	"encoding/binary"
	"net/netip"
)

// Body is what a message says, before it is sealed and after it was opened.
type Body struct {
	Stamp   uint64     // milliseconds since 1970 UTC, 48 bits; a client never uses one twice and never goes back
	Door    DoorTag    // which door; zero is every door of this client
	Close   bool       // close instead of open
	Minutes uint8      // wished time; 0 is the door's own
	Address netip.Addr // who gets in; invalid means the sender
}

// DoorTag names a door in a message: the first 2 bytes of SHA-256("latchkey door" ‖ 0x00 ‖ name).
type DoorTag [2]byte

// MaxStamp is the greatest stamp that a message can carry; it is in the year 10889.
const MaxStamp = 1<<48 - 1

// The lengths of a body in bytes, without and with an address.
const (
	shortBody = 10
	longBody  = shortBody + 16
)

// flagClose is bit 0 of a body's flags. The other bits must be zero.
const flagClose = 1

// appendBody appends b, whose stamp is at most MaxStamp, as bytes.
func appendBody(dst []byte, b Body) []byte {
	stamp := binary.BigEndian.AppendUint64(nil, b.Stamp)
	dst = append(dst, stamp[2:]...)
	dst = append(dst, b.Door[:]...)
	var flags byte
	if b.Close {
		flags |= flagClose
	}
	dst = append(dst, flags, b.Minutes)
	if b.Address.IsValid() {
		a := b.Address.As16() // maps IPv4
		dst = append(dst, a[:]...)
	}
	return dst
}

// parseBody reads the 10 or 26 bytes of a body. It is false for flags that version 1 does not
// have, and for an address that no packet can come from.
func parseBody(p []byte) (Body, bool) {
	b := Body{
		Stamp:   uint64(binary.BigEndian.Uint16(p))<<32 | uint64(binary.BigEndian.Uint32(p[2:])),
		Door:    DoorTag(p[6:8]),
		Close:   p[8]&flagClose != 0,
		Minutes: p[9],
	}
	if p[8]&^flagClose != 0 {
		return Body{}, false
	}
	if len(p) == longBody {
		b.Address = netip.AddrFrom16([16]byte(p[shortBody:])).Unmap()
		if b.Address.IsUnspecified() || b.Address.IsMulticast() {
			return Body{}, false
		}
	}
	return b, true
}
