// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Config is what the detectors have to recognise.
type Config struct {
	Sequences []Sequence
	Clients   []Client       // of kind message; their order is that of the keys in Ring
	Ring      *seal.Ring     // keys of Clients; nil = no messages
	STUNPorts []uint16       // UDP ports of carrier stun, none = off
	Ports     wire.PortRange // of carrier ports in 24 slots, zero = off
	Ordered   *Ordered       // the ordered form of carrier ports, nil = off
	SPAPort   uint16         // UDP port of kind fwknop, 0 = off
	SPA       []SPAClient

	// Speed is how many times more hashes may be computed for strangers than on the slowest router, see
	// the function Speed; 0 = as many.
	Speed int

	// Follow is by how many senders attempts at sequences are reported, besides the ends of knocks: so
	// many sets of 8, of 112 bytes each; a power of two, 0 = none.
	Follow int
}

// Client is one device that sends messages.
type Client struct{ Name string }

// Step is one packet of a sequence.
type Step struct {
	Proto wire.Proto    // TCP, UDP or ICMP; ICMP stands for ICMPv6 too
	Port  uint16        // TCP and UDP
	Flags wire.TCPFlags // TCP: flags that must be set
	Mask  wire.TCPFlags // TCP: flags that are looked at; Flags is a subset of it
	Size  uint16        // ICMP: payload size of an echo request in bytes
}

// Sequence is a knock of ordered steps.
type Sequence struct {
	Name   string
	Steps  []Step        // 1 to MaxSteps
	Within time.Duration // from the first step to the last
	Once   string        // if not empty, this is a one-time sequence, and this is its text
}

// Ordered is the classic form of carrier ports: digits as SYNs to a row of port groups, in order.
type Ordered struct {
	Groups         []wire.PortRange // sorted, not overlapping, at least two ports in all
	Header, Footer []uint16         // ports that begin and end a knock; outside of the groups
}

// SPAClient is one device that sends fwknop packets.
type SPAClient struct {
	Name string
	Keys SPAKeys
}

// SPAKeys are the two secrets of a fwknop client.
type SPAKeys struct {
	Key  []byte // encryption, 1 to 32 bytes
	HMAC []byte // authentication, 1 to 136 bytes
}

// String hides the keys, so that no log or error can show them.
func (SPAKeys) String() string { return "(keys)" }

// GoString hides the keys from %#v.
func (k SPAKeys) GoString() string { return k.String() }

// MarshalText hides the keys from encoders.
func (k SPAKeys) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
