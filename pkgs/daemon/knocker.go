// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"net/netip"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/rate"
)

// knocks limits accepted knocks of one client: a press of a button is up to four messages, and each accepted
// one is a write to flash. A sequence has it for each of the networks that it is known from, and once for all
// others together.
var knocks = rate.Limit{Every: time.Second, Burst: 40}

// knownNetworks is by how many networks a sequence is known: 80 bytes each.
const knownNetworks = 8

// knocker is who knocks, as far as that has a limit.
type knocker struct {
	used  rate.Bucket // but for known
	known []network
}

// network is where accepted knocks came from.
type network struct {
	name        string        // of a share
	first, last time.Duration // since Daemon.start
	used        rate.Bucket
}

// keepKnockers forgets whom the configuration does not have any more.
func (d *Daemon) keepKnockers() {
	for name := range d.knockers {
		if d.policy.clients[name] == nil && d.policy.sequences[strings.TrimPrefix(name, sequencePrefix)] == nil {
			delete(d.knockers, name)
		}
	}
}

// takeFrom counts a knock that anybody can make who saw one, in any name. So that strangers, who do that from
// everywhere, do not use up what is there for who comes from where he always came from, each network that it
// was let in from for a while has a share of its own: a limit, and as many grants. Of those networks the one
// gives way whose first and last knocks are least apart: somebody new pushes out nobody who comes again.
func (k *knocker) takeFrom(now time.Duration, from netip.Addr) (share string, ok bool) {
	size := 48
	if from.Is4() {
		size = 24
	}
	share = netip.PrefixFrom(from, size).Masked().String()
	var newest *network
	for i := range k.known {
		n := &k.known[i]
		if n.name == share {
			if ok = n.used.Take(knocks, now, 1); ok {
				n.last = now
			}
			return share, ok
		}
		if newest == nil || n.span() < newest.span() || n.span() == newest.span() && n.last < newest.last {
			newest = n
		}
	}
	if !k.used.Take(knocks, now, 1) {
		return "", false
	}
	if len(k.known) < knownNetworks {
		k.known = append(k.known, network{})
		newest = &k.known[len(k.known)-1]
	}
	*newest = network{name: share, first: now, last: now}
	newest.used.Take(knocks, now, 1)
	return "others", true
}

func (n *network) span() time.Duration { return n.last - n.first }
