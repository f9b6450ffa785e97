// SPDX-License-Identifier: Apache-2.0

package wire

import "strconv"

// PortRange is the ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Count returns how many ports there are from First to Last.
func (r PortRange) Count() int { return int(r.Last) - int(r.First) + 1 }

// String returns the range as configurations write it: "22", "60000-61000".
func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}

// Filter says in header terms which packets a reader wants. The zero value wants nothing.
// It is the one description that the kernel filter is made from and tested against.
type Filter struct {
	SYN  []PortRange  // TCP with SYN set and ACK, RST and FIN clear, to these ports
	TCP  []PortRange  // TCP with any flags, to these ports
	UDP  []PortRange  // UDP to these ports
	Echo []PortRange  // ICMP and ICMPv6 echo requests with these payload sizes, in bytes
	STUN STUNFilter   // STUN Binding requests
	Text []TextFilter // UDP by how the payload looks
}

// TextFilter wants UDP packets to one port whose payload has more than so many bytes, and one of these values
// as its first byte.
type TextFilter struct {
	Port  uint16
	Over  uint16
	First []PortRange
}

// STUNFilter wants STUN Binding requests (RFC 8489) to some UDP ports, the same at all of them.
type STUNFilter struct {
	Ports []PortRange
	// Hints are the wanted first 4 characters of USERNAME. Nil wants every request that has a
	// USERNAME of at least 4 characters; empty but not nil wants none. See Filter.Match for
	// the places at which USERNAME is found.
	Hints [][4]byte
}
