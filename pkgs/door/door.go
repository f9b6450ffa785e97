// SPDX-License-Identifier: Apache-2.0

package door

import (
	"errors"
	"net/netip"
	"time"
)

// Door is a service that can be opened.
type Door struct {
	Name    string
	OpenFor time.Duration // how long a grant lasts if the knock does not say
	MaxOpen time.Duration // how long a grant lasts at the most
}

// Grant lets one address use one door until a time.
type Grant struct {
	Door    string
	Address netip.Addr
	Since   time.Time // when the firewall took it first; zero if it never did
	Until   time.Time
	Client  string // who knocked; "" for the owner at the router
	Knock   string // how: "sequence NAME", "message stun", "fwknop", "control"
	Pending bool   // not in force: the firewall cannot serve this door yet

	Share string // as in Ask
}

// ErrPending is wrapped by Firewall.Open when the firewall does not have the door's sets (yet).
var ErrPending = errors.New("the firewall has no set for this door yet")

// ErrFamily is wrapped by Firewall.Open when the firewall has the door's set for the other family of
// addresses only: behind DNAT without a pinhole, a door is for IPv4.
var ErrFamily = errors.New("the door is not for this family of addresses")

// ErrWrongSet is wrapped by Firewall.Open when what the firewall has for the door would let in others
// than the address of a grant, or for longer. The text says which set it is and how it must be.
var ErrWrongSet = errors.New("wrong kind of set")

// Unserved is a door that the firewall cannot serve: nothing of it is in force.
type Unserved struct {
	Door   string
	Reason error // wraps ErrPending or ErrWrongSet
}

// Firewall stores grants where the kernel enforces and ends them. It never decides.
type Firewall interface {
	// Sync makes the firewall hold exactly these grants for exactly these doors, each for what
	// is left of it at now, and returns the doors that it cannot serve: those that have no
	// set at all, and those with one that is of the wrong kind, which it does not touch.
	Sync(now time.Time, doors []string, grants []Grant) (unserved []Unserved, err error)
	// Open adds a grant, or sets a new end for one that is there. It wraps ErrPending if the
	// door has no set, ErrFamily if it has one for the other family only, and ErrWrongSet if
	// either is of the wrong kind.
	Open(now time.Time, g Grant) error
	// Close ends a grant. Closing one that is not there is no error.
	Close(door string, address netip.Addr) error
}
