// SPDX-License-Identifier: Apache-2.0

package door

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Door is a service that can be opened.
type Door struct {
	Name    string
	OpenFor time.Duration // how long a grant lasts if the knock does not say
	MaxOpen time.Duration // how long a grant lasts at the most

	// How many leading bits of an address of IPv4 and of IPv6 tell for whom a grant is: all who have these
	// in common. 0 is all bits, that is one address.
	Width4, Width6 int
}

// width returns how many bits count of an address of IPv6 (six) or IPv4, and how many there are.
func (d Door) width(six bool) (width, all int) {
	if six {
		return cmp.Or(d.Width6, 128), 128
	}
	return cmp.Or(d.Width4, 32), 32
}

// Wide reports whether a grant of the door may be for more than one address of IPv6 (six) or IPv4.
func (d Door) Wide(six bool) bool {
	width, all := d.width(six)
	return width < all
}

// Network returns for whom a grant of the door is that an address asks for: the network that it is in, as wide
// as the door says, or the address alone. Two of them are the same, or have no address in common.
//
// In 64:ff9b::/32 (NAT64: RFC 6052, RFC 8215) and 2001::/32 (Teredo: RFC 4380) the last bits are an address of
// IPv4, and the first ones the same for everybody: there, each address stands for itself. Translators with a prefix of
// their own (RFC 6052, 2.2) cannot be told from other networks: with 96 bits or less, one grant behind such a one is for all of IPv4.
func (d Door) Network(a netip.Addr) netip.Prefix {
	a = plain(a)
	width, all := d.width(a.Is6())
	if b := a.As16(); [4]byte(b[:4]) == [4]byte{0, 0x64, 0xff, 0x9b} || [4]byte(b[:4]) == [4]byte{0x20, 0x01, 0, 0} {
		width = all
	}
	n, _ := a.Prefix(width) // the error is of an address that is none
	return n
}

// Name says a network as people do: "203.0.113.0/24", and of one address "203.0.113.7".
func Name(n netip.Prefix) string {
	if n.IsSingleIP() {
		return n.Addr().String()
	}
	return n.String()
}

// Grant lets the addresses of one network, most often one, use one door until a time.
type Grant struct {
	Door    string
	Network netip.Prefix
	Since   time.Time // when the firewall took it first; zero if it never did
	Until   time.Time
	Client  string // who knocked; "" for the owner at the router
	Knock   string // how: "sequence NAME", "message stun", "fwknop", "control"
	Pending bool   // not in force: the firewall cannot serve this door yet, or has no set for the family any more

	Share string // as in Ask
}

// ErrPending is wrapped by Firewall.Open when the firewall does not have the door's sets (yet).
var ErrPending = errors.New("the firewall has no set for this door yet")

// ErrWidth is wrapped by Firewall.Open, with ErrPending, when the firewall has a set for this family of addresses as
// the door would need it with another width: it is about to be replaced. The door's other family may have its own.
var ErrWidth = fmt.Errorf("%w, but one for another width", ErrPending)

// ErrFamily is wrapped by Firewall.Open when the firewall has the door's set for the other family of
// addresses only: behind DNAT without a pinhole, a door is for IPv4.
var ErrFamily = errors.New("the door is not for this family of addresses")

// ErrWrongSet is wrapped by Firewall.Open when what the firewall has for the door would let in others
// than the network of a grant, or for longer. The text says which set it is and how it must be.
var ErrWrongSet = errors.New("wrong kind of set")

// Unserved is a door that the firewall cannot serve: nothing of it is in force. Or, of one family, grants are not.
type Unserved struct {
	Door   string
	Reason error // wraps ErrPending or ErrWrongSet; of one family, ErrFamily or ErrWidth
	Family int   // 4 or 6, where that is the only one; 0 = the door
}

// ByDoor returns the grants of each door, in their order.
func ByDoor(grants []Grant) map[string][]*Grant {
	doors := map[string][]*Grant{}
	for i := range grants {
		g := &grants[i]
		doors[g.Door] = append(doors[g.Door], g)
	}
	return doors
}

// Firewall stores grants where the kernel enforces and ends them. It never decides.
type Firewall interface {
	// Sync makes the firewall hold exactly these grants for exactly these doors, each for what
	// is left of it at now, and returns the doors that it cannot serve: those that have no
	// set at all, and those with one that is of the wrong kind, which it does not touch. It also returns
	// those of which it has no set for one family, if there are grants of that one.
	// Of a door that was wide before, or was not, nothing is left of that.
	Sync(now time.Time, doors []Door, grants []Grant) (unserved []Unserved, err error)
	// Open adds a grant of a door, or sets a new end for one that is there. It wraps ErrPending if
	// the door has no set, ErrWidth if it has none for this family but one that is for another width,
	// ErrFamily if it has one for the other family only, and ErrWrongSet if either is of the wrong kind.
	// A network that has addresses in common with one that is there, and is not the same, is an error.
	Open(now time.Time, d Door, g Grant) error
	// Close ends the grants of a door for these networks, each once, and takes out what somebody else put there
	// that has addresses in common with them, whole: a Sync is to follow then. Closing what is not there is no
	// error. After an error some may be closed.
	Close(d Door, networks ...netip.Prefix) error
}
