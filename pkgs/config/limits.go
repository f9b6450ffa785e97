// SPDX-License-Identifier: Apache-2.0

package config

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/link"
)

// Bounds on how much a configuration may hold. A home needs a few of each; the bounds keep the
// tables that the daemon makes of them small.
const (
	MaxDoors      = 256
	MaxClients    = 256
	MaxSequences  = 256
	MaxOnce       = 256 // one-time entries of one sequence
	MaxInterfaces = 16
	MaxPortGroups = 64
	// MaxPorts is how many ports and ranges a door has: as many as a link names of one.
	MaxPorts = link.MaxPorts
	// MaxMoved is how many ports of ranges a door leads to other ports of a host behind DNAT, for each
	// protocol: firewall4 needs a rule for each of them.
	MaxMoved = 64
	// MaxHosts is a name and as many addresses as a link has.
	MaxHosts = 1 + link.MaxAddresses
	// MaxProblems is how many problems are listed.
	MaxProblems = 500
)

// Bounds on texts, in bytes.
const (
	// MaxName is that of the names of doors, clients and sequences. A door's name is a part of
	// the names of its nftables sets.
	MaxName  = 32
	MaxTitle = 128
	// MaxInterfaceName is IFNAMSIZ - 1 (linux/if.h).
	MaxInterfaceName = 15
	maxZoneName      = 32
)

// Limits and defaults of times.
const (
	// MinOpenFor and MaxOpenFor limit open_for and max_open: nothing is open for more than a day.
	MinOpenFor = time.Second
	MaxOpenFor = 24 * time.Hour
	// DefaultOpenFor is enough to connect; a connection outlives the door.
	DefaultOpenFor = 30 * time.Second
	// DefaultMaxOpen is max_open if open_for is not longer itself.
	DefaultMaxOpen = time.Hour

	MinWithin     = time.Second
	MaxWithin     = 5 * time.Minute
	DefaultWithin = 15 * time.Second

	MinSkew     = time.Second
	MaxSkew     = time.Hour
	DefaultSkew = 90 * time.Second
)

// Limits of width4 and width6, in bits. The widest are what providers route as one: 256 addresses of IPv4, and of IPv6
// what a site gets at the most (RFC 6177). All bits are one address, the default.
const (
	MinWidth4 = 24
	MaxWidth4 = 32
	MinWidth6 = 48
	MaxWidth6 = 128
)

// Lengths of a fwknop client's keys in bytes: what libfko takes.
const (
	MaxSPAKey  = 32
	MaxSPAHMAC = 136
)

// FirstFreePort is the lowest port to which every browser connects: the highest one that the WHATWG Fetch standard
// ("port blocking") forbids is 10080.
const FirstFreePort = 10081

// minDigits is the smallest number of ports in the groups of the ordered layout: digits of radix
// 2. With one port there is nothing to tell apart.
const minDigits = 2

// The words that stand for the layout of a section 'ports', and for a door whose service links shall not name.
const (
	layoutOrdered = "ordered"
	serviceNone   = "none"
)
