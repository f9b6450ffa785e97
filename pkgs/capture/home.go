// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net"
	"net/netip"
	"slices"
)

// Home tells whose an address is that no packet from outside can have: "the router", or "the network at
// lan" of a device that is not among those that are listened to. Any other address is "".
func Home(devices []string, a netip.Addr) string {
	all, err := net.InterfaceAddrs()
	if err != nil || !slices.ContainsFunc(all, func(own net.Addr) bool { return prefixOf(own).Contains(a) }) {
		return ""
	}
	list, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, device := range list {
		own, err := device.Addrs()
		if err != nil {
			continue // it is gone
		}
		for _, o := range own {
			p := prefixOf(o)
			if p.Addr() == a {
				return "the router"
			}
			if p.Contains(a) && !slices.Contains(devices, device.Name) {
				return "the network at " + device.Name
			}
		}
	}
	return ""
}

// prefixOf is the zero Prefix, which contains nothing, for what is no network.
func prefixOf(a net.Addr) netip.Prefix {
	p, _ := netip.ParsePrefix(a.String())
	return p
}
