// SPDX-License-Identifier: Apache-2.0

package seal

import "net/netip"

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
