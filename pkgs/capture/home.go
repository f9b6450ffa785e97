// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net"
	"net/netip"
	"slices"
)

// Home tells whose an address is that no packet from outside can have: "the router", or "the network at
// lan" of a device that is not among those that are listened to. Any other address is "".
//
// Of networks that contain each other the smallest counts, as for the kernel that sends the answers, and of
// two that are the same the one outside: a router must not turn away whoever stands before it because a
// tunnel has all of 10.0.0.0/8.
func Home(devices []string, a netip.Addr) (whose string) {
	all, err := net.InterfaceAddrs()
	if err != nil || !slices.ContainsFunc(all, func(own net.Addr) bool { return prefixOf(own).Contains(a) }) {
		return ""
	}
	list, err := net.Interfaces()
	if err != nil {
		return ""
	}
	smallest := -1
	for _, device := range list {
		own, err := device.Addrs()
		if err != nil {
			continue // it is gone
		}
		outside := slices.Contains(devices, device.Name)
		for _, o := range own {
			p := prefixOf(o)
			switch {
			case p.Addr() == a:
				return "the router"
			case !p.Contains(a), p.Bits() < smallest, p.Bits() == smallest && !outside:
				continue
			case outside:
				whose = ""
			default:
				whose = "the network at " + device.Name
			}
			smallest = p.Bits()
		}
	}
	return whose
}

// prefixOf is the zero Prefix, which contains nothing, for what is no network.
func prefixOf(a net.Addr) netip.Prefix {
	p, _ := netip.ParsePrefix(a.String())
	return p
}
