// SPDX-License-Identifier: Apache-2.0

package fw4_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/fw4/fw4test"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/nft"
)

// The sets that firewall4 makes of a door with a width take networks, and its rules let those in, behind DNAT and
// behind a pinhole, also after it loaded everything again.
func TestDoorForNetworks(t *testing.T) {
	lab.Enter(t)
	const doors = `
config door 'nas'
	option port '2222'
	option dest_port '22'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'
	option width4 '28'
	option width6 '122'
`
	d := door.Door{Name: "nas", Width4: 28, Width6: 122}
	lab.SSHD(t)
	for name, render := range renderers {
		t.Run(name, func(t *testing.T) {
			lab.Run(t, "router", "nft", "flush ruleset")
			reload(t, render, doors, fw4test.WAN)
			lab.In(t, "router", func() error {
				fw, err := nft.Open(nft.Config{})
				if err != nil {
					return err
				}
				defer fw.Shutdown()
				for _, a := range []string{"203.0.113.14", "2001:db8:1::e"} { // addresses beside the phone's
					g := door.Grant{Door: "nas", Network: d.Network(netip.MustParseAddr(a)), Until: time.Now().Add(time.Hour)}
					if err := fw.Open(time.Now(), d, g); err != nil {
						return err
					}
				}
				return nil
			})
			for range 2 {
				for _, to := range []string{"203.0.113.1:2222", "[2001:db8:2::22]:22"} {
					if !lab.Reach(t, "phone", to, 30*time.Second) {
						t.Errorf("the phone does not reach %s, which is open to its network", to)
					}
					if lab.Reach(t, "neighbour", to, soon) {
						t.Errorf("the neighbour, who is in another network, reaches %s", to)
					}
				}
				reload(t, render, doors, fw4test.WAN)
			}
		})
	}
}
