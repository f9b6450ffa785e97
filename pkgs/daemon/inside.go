// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// Who has set up a phone presses the door's button at once, at home in his Wi-Fi. That knock never
// comes to the devices that knocks come in at: it opens nothing, and nothing else would explain that.

// insideAgain is for how long no more is reported of a client's knocks from inside.
const insideAgain = 10 * time.Minute

// fromInside is what is recognised of knocks from inside: what takes no table of senders, and no
// kernel filter that lets the LAN's own connections through. A press of a button has a message by STUN
// in it.
func fromInside(k knock.Config) knock.Config {
	return knock.Config{Clients: k.Clients, Ring: k.Ring, STUNPorts: k.STUNPorts, SPAPort: k.SPAPort, SPA: k.SPA, Speed: k.Speed}
}

// FromInside takes a batch of IP packets that was read at about now from a device inside. They open
// nothing.
func (d *Daemon) FromInside(now time.Time, device string, packets [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now, d.inside = now, device
	for _, b := range packets {
		if d.stopped || d.packet.Decode(b) != nil {
			continue
		}
		for _, detector := range d.policy.inside {
			detector.Observe(now, &d.packet, d.emitInside)
		}
	}
}

// foundInside uses up a knock from inside, since the router has received it, and explains it to its
// owner.
func (d *Daemon) foundInside(now time.Time, device string, f knock.Finding) {
	c := d.policy.clients[f.Name]
	if f.Reason != knock.OK || c == nil {
		return
	}
	d.clockRight = d.sys.ClockSynced()
	if d.receive(now, f.Request) != seal.Fresh {
		return
	}
	dev := d.device(c)
	if !dev.inside.IsZero() && now.Sub(dev.inside) < insideAgain {
		return
	}
	dev.inside = now
	e := control.Event{
		Kind: inside, Client: c.Name, Address: f.From.String(), Knock: knockName(f.Request),
		Detail: "it came from inside (" + device + ") and opens nothing: a door is for the outside; to try it, switch Wi-Fi off",
	}
	if f.Kind == knock.KindMessage {
		if doors := d.policy.doorsByTag(c, f.Body.Door); len(doors) == 1 {
			e.Door = doors[0]
		}
	}
	d.events.add(now, e)
}

// captureInside sets what the capture inside reads: no device, while nothing is recognised there.
func (d *Daemon) captureInside(devices []string, f wire.Filter) error {
	if d.sys.Inside == nil {
		return nil
	}
	if len(f.STUN.Ports) == 0 && len(f.Text) == 0 {
		devices = nil
	}
	return d.sys.Inside.Set(devices, f)
}
