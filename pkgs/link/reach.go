// SPDX-License-Identifier: Apache-2.0

package link

import (
	"net/netip"
	"strings"
)

// Reach is who can send to an address, or find the host of a name.
type Reach uint8

// The reaches.
const (
	Carrier Reach = iota // the provider's own network only, which translates addresses
	Private              // one network, link or host only
	Public               // everybody on the Internet
)

// IsAddress reports whether a host is given by its address, not by its name.
func IsAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

// ReachOf returns who can send to a host, as far as its name or address says.
func ReachOf(host string) Reach {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return reachOfName(host)
	}
	a = a.Unmap()
	if a.Is4() {
		switch b := a.As4(); {
		case b[0] == 100 && b[1]&0xc0 == 64, b[0] == 192 && b[1] == 0 && b[2] == 0: // RFC 6598; RFC 6333, section 10 (DS-Lite)
			return Carrier
		case b[0] == 0, b[0] >= 240: // RFC 1122: this network; RFC 1112: reserved
			return Private
		}
	} else if b := a.As16(); b[0] == 0xfe && b[1]&0xc0 == 0xc0 { // RFC 3879: site-local
		return Private
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return Private
	}
	return Public
}

// localDomains are not in the DNS of the Internet: RFC 6762 (local), RFC 6761 (localhost), RFC 8375 (home.arpa), ICANN's
// resolution of 2024-07-29 (internal), and what routers call their networks.
const localDomains = " local localhost home.arpa internal lan home localdomain fritz.box "

func reachOfName(host string) Reach {
	_, domain, found := strings.Cut(strings.ToLower(host), ".")
	if !found {
		return Private
	}
	for domain != "" {
		if strings.Contains(localDomains, " "+domain+" ") {
			return Private
		}
		_, domain, _ = strings.Cut(domain, ".")
	}
	return Public
}
