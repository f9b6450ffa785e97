// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
)

// reserve is work that is kept for clients where they were heard last, so that a flood from anywhere
// else does not use it up. Each client has a share for its last address of each family, and another
// one for the network around it, where a phone gets its next address: 100 bytes each.
//
// Only the newest knock of a client says where it is: whoever sends an old one again does not count.
type reserve struct {
	base    time.Time
	all     rate.Limit
	share   rate.Limit
	used    rate.Bucket
	clients [][2]home // by client, IPv4 and IPv6
}

// home is where a client was heard last.
type home struct {
	address    netip.Addr
	network    netip.Prefix
	used, near rate.Bucket // by the address, and by the rest of the network
}

// newReserve makes a reserve of so many units per second, and at once so many or what there is for 50 ms, of
// which one address or network may use a fifth per second, and a quarter at once.
func newReserve(now time.Time, clients, perSecond, burst int) *reserve {
	burst = max(burst, perSecond/20)
	every := time.Second / time.Duration(perSecond)
	return &reserve{
		base:    now,
		all:     rate.Limit{Every: every, Burst: burst},
		share:   rate.Limit{Every: 5 * every, Burst: burst / 4},
		clients: make([][2]home, clients),
	}
}

// take reports whether a client was heard last near this sender and there is still work kept for it,
// and counts n units if there is.
func (r *reserve) take(now time.Time, client int, from netip.Addr, n int) bool {
	h := &r.clients[client][familyOf(from)]
	if !h.network.Contains(from) {
		return false
	}
	used := &h.near
	if h.address == from {
		used = &h.used
	}
	clock := now.Sub(r.base)
	return used.Take(r.share, clock, n) && r.used.Take(r.all, clock, n)
}

// heard notes where a client's newest knock came from.
func (r *reserve) heard(client int, from netip.Addr) {
	h := &r.clients[client][familyOf(from)]
	h.address = from
	if !h.network.Contains(from) {
		size := 48
		if from.Is4() {
			size = 24
		}
		h.network = netip.PrefixFrom(from, size).Masked()
		h.near = rate.Bucket{}
	}
}

func familyOf(a netip.Addr) int {
	if a.Is4() {
		return 0
	}
	return 1
}
