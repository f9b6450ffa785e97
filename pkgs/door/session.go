// SPDX-License-Identifier: Apache-2.0

package door

import (
	"net/netip"
	"slices"
)

// Session is a connection, or what looks like one over UDP, as the kernel tracks it.
type Session struct {
	Proto  uint8          // of the IP header
	From   netip.AddrPort // who began it
	To     netip.AddrPort // whom he asked for
	Server netip.AddrPort // who answers: behind DNAT another than To
	Local  bool           // To is an address of this machine
	Over   bool           // both or one side ended it; the kernel remembers it for a while
}

// Flow is the sessions that one address can have through one door. Its ports are never 0.
type Flow struct {
	From   netip.Addr
	Protos []uint8 // of the IP header
	Port   uint16  // that is asked for
	// Server is who answers: behind DNAT if it is of IPv4, behind a pinhole if it is of IPv6, where it
	// may be the last 64 bits only, such as ::22. This machine if it is not valid.
	Server     netip.Addr
	ServerPort uint16
}

// Has tells whether a session is one of the flow's.
func (f Flow) Has(s Session) bool {
	if s.From.Addr() != f.From || s.To.Port() != f.Port || !slices.Contains(f.Protos, s.Proto) {
		return false
	}
	translated := s.To != s.Server
	switch {
	case !f.Server.IsValid():
		return s.Local && !translated
	case f.Server.Is4():
		return translated && s.Server == netip.AddrPortFrom(f.Server, f.ServerPort)
	}
	return !translated && endsIn(s.Server.Addr(), f.Server)
}

// endsIn tells whether an address of IPv6 is another one or, if that is only the last 64 bits of
// one, ends in it.
func endsIn(a, end netip.Addr) bool {
	x, y := a.As16(), end.As16()
	return a == end || a.Is6() && [8]byte(y[:8]) == [8]byte{} && [8]byte(x[8:]) == [8]byte(y[8:])
}
