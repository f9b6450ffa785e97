// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// admitSPA maps a fwknop packet onto configured doors: each port it names must be the outside port
// of a door of its client. A target to forward to must be where that door leads anyway: the router
// decides, and who asks for another machine must not believe that he got it.
func (d *Daemon) admitSPA(now time.Time, r knock.Request, was seal.Verdict) decision {
	c := d.policy.clients[r.Name]
	if no, blocked := d.blocked(d.saidBy(now, c, r), c); blocked {
		return no
	}
	if r.From.Is6() {
		// No client sends it, and a copy over the other family would count once more: see seal.Stamps.
		return refuse(c, knock.NotAllowed, "a fwknop packet over IPv6")
	}
	if no, stands := d.fresh(now, c, r, was); !stands {
		return no
	}
	yes := decision{client: c, address: r.From, wish: r.SPA.Timeout}
	if r.SPA.Allow.IsValid() {
		yes.address = r.SPA.Allow
	}
	for _, want := range r.SPA.Ports {
		i := slices.IndexFunc(c.Doors, func(name string) bool {
			_, has := d.policy.doors[name].Opening(want.Proto, want.Port)
			return has
		})
		if i < 0 {
			return refuse(c, knock.NotAllowed, "client %q has no door with %s port %d", c.Name, want.Proto, want.Port)
		}
		door := d.policy.doors[c.Doors[i]]
		if o, _ := door.Opening(want.Proto, want.Port); !leadsTo(door, o.PortInside(want.Port), r.SPA.Target) {
			return refuse(c, knock.NotAllowed, "client %q asks to be forwarded to %s, but door %q leads to %s",
				c.Name, describeTarget(r.SPA.Target), door.Name, describeTarget(targetOf(door, o.PortInside(want.Port))))
		}
		if !slices.Contains(yes.doors, c.Doors[i]) {
			yes.doors = append(yes.doors, c.Doors[i])
		}
	}
	return d.doors(now, r, yes)
}

// targetOf says where a door leads that has a port inside, over IPv4, in the words of a fwknop packet.
func targetOf(door *config.Door, inside uint16) knock.SPATarget {
	if door.Dest == "" {
		return knock.SPATarget{Port: inside, Local: true}
	}
	return knock.SPATarget{Host: door.DestIP.String(), Port: inside}
}

// leadsTo reports whether a door with a port inside leads to the target of a fwknop packet, if it has one. What a client
// calls the router does not count. Of a door that leads nowhere over IPv4 something else is reported.
func leadsTo(door *config.Door, inside uint16, want knock.SPATarget) bool {
	if want.Local {
		want.Host = ""
	}
	return want.Port == 0 || want == targetOf(door, inside) || !door.ServesFamily(false)
}

func describeTarget(t knock.SPATarget) string {
	if t.Local {
		return fmt.Sprintf("port %d of the router", t.Port)
	}
	return fmt.Sprintf("port %d of %s", t.Port, t.Host)
}
