// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// admitSPA maps a fwknop packet onto configured doors: each port it names must be the outside port
// of a door of its client. What else it wishes (a target behind NAT, another port) does not count:
// the router decides.
func (d *Daemon) admitSPA(now time.Time, r knock.Request, was seal.Verdict) leave {
	c := d.policy.clients[r.Name]
	if no, barred := d.barred(now, c); barred {
		return no
	}
	if r.From.Is6() {
		// No client sends it, and a copy over the other family would count once more: see seal.Stamps.
		return refuse(c, knock.NotAllowed, "a fwknop packet over IPv6")
	}
	if no, stands := d.fresh(now, c, r, was); !stands {
		return no
	}
	yes := leave{client: c, address: r.From, wish: r.SPA.Timeout}
	if r.SPA.Allow.IsValid() {
		yes.address = r.SPA.Allow
	}
	for _, want := range r.SPA.Ports {
		i := slices.IndexFunc(c.Doors, func(name string) bool {
			door := d.policy.doors[name]
			return door.Port == want.Port && slices.Contains(door.Protos, want.Proto)
		})
		if i < 0 {
			return refuse(c, knock.NotAllowed, "client %q has no door with %s port %d", c.Name, want.Proto, want.Port)
		}
		if !slices.Contains(yes.doors, c.Doors[i]) {
			yes.doors = append(yes.doors, c.Doors[i])
		}
	}
	return d.doors(now, r, yes)
}
