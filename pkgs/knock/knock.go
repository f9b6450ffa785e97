// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Kind is a kind of knock.
type Kind string

// The kinds of knock.
const (
	KindSequence Kind = "sequence"
	KindMessage  Kind = "message"
	KindFwknop   Kind = "fwknop"
)

// Carrier is how a message travelled; it is empty for the other kinds.
type Carrier string

// The carriers of a message.
const (
	CarrierSTUN  Carrier = "stun"
	CarrierPorts Carrier = "ports"
)

// Reason is why a knock was refused: one word of a fixed vocabulary, the same in events, logs, LuCI and test vectors.
type Reason string

// The vocabulary of reasons.
const (
	OK         Reason = "ok"          // not refused
	UnknownKey Reason = "unknown-key" // no client's key fits
	BadMessage Reason = "bad-message" // a key's hint fits, the rest does not
	Replayed   Reason = "replayed"    // a copy of a message that was used before
	Stale      Reason = "stale"       // the sender's clock and ours differ too much
	NotAllowed Reason = "not-allowed" // the client may not use that door
	Expired    Reason = "expired"     // the client's time is over
	Disabled   Reason = "disabled"    // the client or the door is switched off
	TooMany    Reason = "too-many"    // a limit on grants or on the rate of knocks
	TripWire   Reason = "trip-wire"   // a packet to a neighbour of a step's port: a scan
	WrongOrder Reason = "wrong-order" // a step's port, but neither the next one nor the latest again
	TooSlow    Reason = "too-slow"    // the steps took longer than the time window
	UsedUp     Reason = "used-up"     // every sequence of a one-time list was used
	Firewall   Reason = "firewall"    // the firewall refused the change
	Memory     Reason = "memory"      // it could not be written down that the knock is used up

	// Only of an Attempt, never of a knock that was refused.
	WrongProtocol Reason = "wrong-protocol" // a step's port, but UDP instead of TCP or the other way round
	WrongFlags    Reason = "wrong-flags"    // every step's port in its order, but not with the steps' TCP flags
	Unfinished    Reason = "unfinished"     // the next step did not come
)

// Request is what a recognised knock asks for. Nothing in it is authorised yet.
type Request struct {
	Kind    Kind
	Carrier Carrier    // of a message
	Name    string     // the configuration section that recognised it: a sequence's or a client's name; "" if none did
	From    netip.Addr // the sender
	Body    seal.Body  // of a message
	Once    string     // of a one-time sequence: its text, to be remembered as used
	SPA     SPA        // of kind fwknop
}

// SPA is what a fwknop packet asks for.
type SPA struct {
	Allow   netip.Addr    // who gets in; invalid means the sender
	Stamp   uint64        // the client's clock in milliseconds since 1970 UTC
	Random  uint64        // the packet's 16 decimal digits: with Stamp they tell a copy from a new packet
	Ports   []SPAPort     // what shall be opened
	Timeout time.Duration // wished time; 0 is the door's own
	Target  SPATarget     // where the ports shall lead; zero = it does not say
}

// SPATarget is where a fwknop packet wants to be forwarded.
type SPATarget struct {
	Host  string // an address or a name; if Local, what the client calls the router
	Port  uint16 // 0 = there is no target
	Local bool   // to the router itself
}

// SPAPort is one proto/port pair of a fwknop access message.
type SPAPort struct {
	Proto wire.Proto
	Port  uint16
}

// Finding is one end of one knock: recognised, or given up with a reason; or an Attempt.
type Finding struct {
	Request
	Reason  Reason  // OK for a recognised knock
	Step    int     // of a sequence: how many steps were right before it ended
	Whole   bool    // of a sequence: every step was right; with TripWire it opens when it comes once more
	Attempt Attempt // if its Steps are not 0, this is no end of a knock
	Fault   error   // of a fwknop packet that has a client's HMAC: what is wrong inside, without secrets
}

// Detector recognises one kind of knock. It is called from one goroutine at a time.
type Detector interface {
	// Observe looks at one packet and calls emit for each knock that ends with it. It must not
	// keep p or emit, and allocates nothing for a packet that ends no knock.
	Observe(now time.Time, p *wire.Packet, emit func(Finding))
	// AddFilter adds to f what this detector has to see from now on until the end of the
	// current epoch (one minute).
	AddFilter(f *wire.Filter)
}
