// SPDX-License-Identifier: Apache-2.0

package door

import "net/netip"

// Session is a connection, or what looks like one over UDP, as the kernel tracks it.
type Session struct {
	Proto  uint8          // of the IP header
	From   netip.AddrPort // who began it
	To     netip.AddrPort // whom he asked for
	Server netip.AddrPort // who answers: behind DNAT another than To
	Local  bool           // To is an address of this machine
	Over   bool           // both or one side ended it; the kernel remembers it for a while
}

// Flow is the sessions that the addresses of one network can have through one door.
type Flow struct {
	From  netip.Prefix
	Ports []Ports // where they may go to
	// Server is who answers: behind DNAT if it is of IPv4, behind a pinhole if it is of IPv6, where it
	// may be the last 64 bits only, such as ::22. This machine if it is not valid.
	Server netip.Addr
}

// Ports are ports that are asked for, and where they lead.
type Ports struct {
	Proto       uint8  // of the IP header
	First, Last uint16 // that are asked for; never 0
	Server      uint16 // where First leads; the others to those behind it
}

// to returns the port of the server to which a session's port leads, if it is one of the flow's.
func (f *Flow) to(s Session) (server uint16, is bool) {
	for _, p := range f.Ports {
		if port := s.To.Port(); p.Proto == s.Proto && p.First <= port && port <= p.Last {
			return p.Server + (port - p.First), true
		}
	}
	return 0, false
}

// Has reports whether a session is one of the flow's.
func (f Flow) Has(s Session) bool {
	port, is := f.to(s)
	if !is || !f.From.Contains(s.From.Addr()) {
		return false
	}
	translated := s.To != s.Server
	switch {
	case !f.Server.IsValid():
		return s.Local && !translated
	case f.Server.Is4():
		return translated && s.Server == netip.AddrPortFrom(f.Server, port)
	}
	return !translated && endsIn(s.Server.Addr(), f.Server)
}

// endsIn reports whether an address of IPv6 is another one or, if that is only the last 64 bits of
// one, ends in it.
func endsIn(a, end netip.Addr) bool {
	x, y := a.As16(), end.As16()
	return a == end || a.Is6() && [8]byte(y[:8]) == [8]byte{} && [8]byte(x[8:]) == [8]byte(y[8:])
}
