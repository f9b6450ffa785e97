// SPDX-License-Identifier: Apache-2.0

package fw4_test

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/fw4"
	"github.com/latchkey/latchkey/pkgs/fw4/fw4test"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// renderers are firewall4, and what plays it where it is not.
var renderers = map[string]func(testing.TB, []fw4.Object, ...netip.Addr) string{
	"played": func(_ testing.TB, objects []fw4.Object, wan ...netip.Addr) string {
		return fw4test.Render(objects, wan...)
	},
	"itself": fw4test.Firewall4,
}

var house sync.Once

// reload makes the router's firewall that of a configuration, as a reload does: what is in its sets stays.
func reload(t *testing.T, render func(testing.TB, []fw4.Object, ...netip.Addr) string, text string, wan ...netip.Addr) {
	t.Helper()
	c, problems := config.Parse("config latchkey 'main'\n" + text)
	if c == nil {
		t.Fatal(problems)
	}
	nft := lab.On("router", "nft", "-f", "-")
	nft.Stdin = strings.NewReader(render(t, fw4.Objects(c), wan...))
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
}

// soon is how long is waited for what must not come; a machine that takes longer lets a fault pass, and no right thing fail.
const soon = 150 * time.Millisecond

// A door's name and port lead where they lead from outside, without a knock, in the zone of its host, and nowhere else.
func TestReflection(t *testing.T) {
	lab.Enter(t)
	house.Do(func() { lab.Script(t, "house") })
	const doors = `
config door 'nas'
	option port '2222 60000-60003/udp 7000-7001'
	option dest_port '22 60000-60003 9000-9001'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'

config door 'router'
	option port '8443'
`
	say(t, "nas", "tcp", 9001)
	say(t, "nas", "udp", 60002)
	say(t, "router", "tcp", 8443)
	say(t, "neighbour", "tcp", 2222) // somebody else's service on the Internet, at the door's port
	lab.SSHD(t)
	second := netip.MustParseAddr("203.0.113.2")
	lab.Run(t, "router", "ip", "addr", "add", second.String()+"/24", "dev", "wan")
	t.Cleanup(func() { lab.Run(t, "router", "ip", "addr", "del", second.String()+"/24", "dev", "wan") })

	for name, render := range renderers {
		t.Run(name, func(t *testing.T) {
			lab.Run(t, "router", "nft", "flush ruleset")
			reload(t, render, doors, fw4test.WAN)
			closed := func(host, network, to string) {
				t.Helper()
				if got := ask(t, host, network, to, soon); got != "" {
					t.Errorf("%s reaches %s %s: %q", host, network, to, got)
				}
			}
			home := func(address string) {
				t.Helper()
				if got := lab.Script(t, "ssh", "laptop", "-p", "2222", address, "hostname"); got != "nas\n" {
					t.Errorf("ssh -p 2222 %s leads to %q", address, got)
				}
				for _, x := range []struct{ network, to, port string }{
					{"tcp", address + ":7001", "9001"}, {"udp", address + ":60002", "60002"},
					{"tcp", address + ":8443", "8443"}, // of the router itself: zone lan accepts input
				} {
					var got string
					lab.Wait(t, x.network+" "+x.to+" answers", func() bool { got = ask(t, "laptop", x.network, x.to, 5*time.Second); return got != "" })
					if got != x.port {
						t.Errorf("%s %s answers as port %q, want %s", x.network, x.to, got, x.port)
					}
				}
			}
			home(fw4test.WAN.String())
			// The host itself reaches its own door, too.
			if !lab.Reach(t, "nas", "203.0.113.1:2222", 30*time.Second) {
				t.Error("the nas does not reach its own door")
			}
			// IPv6 has no address in between: whoever is in the LAN is beside the host.
			if !lab.Reach(t, "laptop", "[2001:db8:2::22]:22", 30*time.Second) {
				t.Error("the laptop does not reach the nas over IPv6")
			}
			// What is not the router's stays where it is: no rule may catch the port at any address.
			if got := ask(t, "laptop", "tcp", "203.0.113.66:2222", 30*time.Second); got != "2222" {
				t.Errorf("port 2222 of a host on the Internet answers as %q", got)
			}

			everybodyElse := func() {
				t.Helper()
				for _, host := range []string{"visitor", "phone"} {
					for _, to := range []string{"203.0.113.1:2222", "203.0.113.1:7001", "203.0.113.1:8443", "[2001:db8:2::22]:22", "192.168.1.22:22"} {
						closed(host, "tcp", to)
					}
					closed(host, "udp", "203.0.113.1:60002")
				}
			}
			everybodyElse()
			// Guests have the way out that such a network is for.
			if got := ask(t, "visitor", "tcp", "203.0.113.66:2222", 30*time.Second); got != "2222" {
				t.Errorf("the visitor reaches the Internet's port 2222 as %q", got)
			}
			// A grant of somebody's address opens nothing to a guest, even if he has it, nor does a guest's own.
			lab.Run(t, "router", "nft", "add element inet fw4 latchkey1_nas_4 { 192.168.2.50, 203.0.113.7 timeout 1h }")
			closed("visitor", "tcp", "203.0.113.1:2222")
			if !lab.Reach(t, "phone", "203.0.113.1:2222", 30*time.Second) {
				t.Error("the phone does not reach the door that is open to it")
			}

			// Another address, by DHCP or PPPoE: firewall4 is told and reloads. The grant stays, the old address is nobody's.
			reload(t, render, doors, second)
			home(second.String())
			closed("laptop", "tcp", fw4test.WAN.String()+":7001")
			if !lab.Reach(t, "phone", second.String()+":2222", 30*time.Second) {
				t.Error("after the reload the phone is locked out")
			}
			// Two ways to the Internet.
			reload(t, render, doors, fw4test.WAN, second)
			home(fw4test.WAN.String())
			home(second.String())
			lab.Run(t, "router", "nft", "flush set inet fw4 latchkey1_nas_4")
			everybodyElse()

			// An owner who does not want it.
			reload(t, render, strings.Replace(doors, "option dest 'lan'", "option dest 'lan'\n\toption reflection '0'", 1), fw4test.WAN)
			closed("laptop", "tcp", "203.0.113.1:2222")
			closed("laptop", "tcp", "203.0.113.1:7001")
			everybodyElse()
		})
	}
}
