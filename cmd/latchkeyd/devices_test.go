// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// patiently is lab.Wait for what may take long on a machine that is busy.
func patiently(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited a minute for: %s", what)
		}
	}
}

// batch runs lines of ip(8) on the router in one go.
func batch(t *testing.T, lines ...string) {
	t.Helper()
	cmd := lab.On("router", "ip", "-batch", "-")
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("ip: %v\n%s", err, out)
	}
}

// The router's addresses in another network, as after a new lease.
const (
	moved  = "198.51.100.1"
	moved6 = "2001:db8:9::1"
)

// addressed gives the WAN device its addresses again, which some changes take away.
var addressed = []string{
	"link set wan up", "addr flush dev wan",
	"addr add " + router + "/24 dev wan", "addr add " + router6 + "/64 dev wan", "addr add fe80::1/64 dev wan",
}

// recreateWAN removes the WAN device and creates it again, as a PPPoE session does that is set up again.
func recreateWAN(t *testing.T) {
	t.Helper()
	lab.Run(t, "router", "ip", "link", "del", "wan")
	lab.Script(t, "wan")
}

// moveAddresses gives the router other addresses, and the phone a way there.
func moveAddresses(t *testing.T) {
	t.Helper()
	batch(t, "addr flush dev wan", "addr add "+moved+"/24 dev wan", "addr add "+moved6+"/64 dev wan", "addr add fe80::1/64 dev wan",
		"route add 203.0.113.0/24 dev wan", "route add 2001:db8:1::/64 dev wan")
	for _, host := range []string{"phone", "neighbour"} {
		lab.Run(t, host, "sh", "-ec", "ip route add "+moved+"/32 dev eth0; ip route add "+moved6+"/128 dev eth0")
	}
	t.Cleanup(func() {
		for _, host := range []string{"phone", "neighbour"} {
			lab.On(host, "sh", "-c", "ip route del "+moved+"/32 dev eth0; ip route del "+moved6+"/128 dev eth0").Run()
		}
		batch(t, addressed...)
	})
}

// openWithin is how long a door that shall be open is tried, on a machine that is busy.
const openWithin = 5 * time.Second

// What happens to devices, in the words of SECURITY.md.
const (
	faultFlaps   = "WAN device that goes down and up in a tight loop"
	faultAnew    = "WAN device deleted and made again (PPPoE)"
	faultAddress = "WAN gets another address and IPv6 prefix"
)

func TestDevicesThatChange(t *testing.T) {
	d := start(t, strings.Replace(everyKind, "list device 'wan'\n", "list device 'wan'\n\tlist device 'wtun'\n", 1), "--clock", "synchronised")
	lab.Serve(t, "router", ":8443")
	web := func(host, at string) bool { return tryPort(host, at+":8443", time.Second) == nil }
	d.knock("phone", router, sorted...)
	patiently(t, "the web opens", func() bool { return web("phone", router) })
	// hears tells that a knock at an address is heard, that the phone's grant lives, and nobody else's does.
	hears := func(t *testing.T, at string) {
		t.Helper()
		before := d.count("opened", phone) + d.count("extended", phone)
		patiently(t, "a knock is heard", func() bool {
			lab.On("phone", "knock", append([]string{"-d", "30", at}, toNAS...)...).Run()
			return d.count("opened", phone)+d.count("extended", phone) > before
		})
		patiently(t, "the phone's grant of before lets it in", func() bool { return web("phone", at) })
		if web("neighbour", at) {
			t.Error("open for the neighbour")
		}
	}
	t.Run("up_and_down_in_a_tight_loop", func(t *testing.T) {
		lines := func() int { return strings.Count(d.log.String(), "device wan is ") }
		before, begin := lines(), time.Now()
		batch(t, flaps()...)
		hears(t, router)
		patiently(t, "the last state is told", func() bool {
			said := d.log.String()
			return strings.HasPrefix(said[strings.LastIndex(said, "device wan is "):], "device wan is up")
		})
		if n, most := lines()-before, 14+int(time.Since(begin)/(5*time.Second)); n > most {
			t.Errorf("%d lines tell of it, want %d at the most", n, most)
		}
		lab.Withstood(t, "network", faultFlaps, "heard again; grants stay; the log gets 12 lines at once, then one in 5 s")
	})
	t.Run("deleted_and_made_again", func(t *testing.T) {
		for range 3 {
			recreateWAN(t)
		}
		hears(t, router)
		lab.Withstood(t, "network", faultAnew, "heard again, grants stay")
	})
	t.Run("renamed", func(t *testing.T) {
		batch(t, "link set wan down", "link set wan name wan9", "link set wan9 up")
		patiently(t, "status says missing", func() bool { return must(d.status()).Devices[0].State == "missing" })
		batch(t, append([]string{"link set wan9 down", "link set wan9 name wan"}, addressed...)...)
		hears(t, router)
		lab.Withstood(t, "network", "WAN device renamed and named back", "told as missing, then heard again, grants stay")
	})
	t.Run("moved_into_another_network_namespace", func(t *testing.T) {
		lab.Run(t, "router", "ip", "link", "set", "wan", "netns", "nas")
		patiently(t, "status says missing", func() bool { return must(d.status()).Devices[0].State == "missing" })
		lab.Run(t, "nas", "ip", "link", "set", "wan", "netns", "router")
		batch(t, addressed...)
		hears(t, router)
		lab.Withstood(t, "network", "WAN device moved into another network namespace and back", "told as missing, then heard again, grants stay")
	})
	t.Run("with_another_MTU_and_promiscuous", func(t *testing.T) {
		var lines []string
		for i := range 100 {
			lines = append(lines, fmt.Sprintf("link set wan mtu %d", 1300+i), "link set wan promisc on", "link set wan promisc off")
		}
		batch(t, append(lines, "link set wan mtu 1500 promisc on")...)
		ignoresOthers(t, d, func() { hears(t, router) })
		batch(t, "link set wan promisc off")
		lab.Withstood(t, "network", "MTU and promiscuous mode of the WAN device changed all the time", "nothing is missed; a knock of any kind in frames for another machine opens nothing")
	})
	t.Run("with_other_addresses", func(t *testing.T) {
		moveAddresses(t)
		hears(t, moved)
		before := d.count("opened", phone6) + d.count("extended", phone6)
		patiently(t, "a knock at the new prefix is heard", func() bool {
			lab.On("phone", "knock", append([]string{"-6", "-d", "30", moved6}, toNAS...)...).Run()
			return d.count("opened", phone6)+d.count("extended", phone6) > before
		})
		lab.Withstood(t, "network", faultAddress, "knocks at the new ones are heard, grants stay")
	})
	t.Run("of_another_kind,_without_Ethernet_header", func(t *testing.T) {
		tun := lab.TUN(t, "router", "wtun")
		batch(t, "link set wtun up")
		from := netip.MustParseAddr("192.0.2.9")
		step := func(proto wire.Proto, port uint16) []byte {
			src, dst := netip.AddrPortFrom(from, 50000+port%1000), netip.AddrPortFrom(netip.MustParseAddr(router), port)
			if proto == wire.UDP {
				return wire.AppendUDP(nil, src, dst, []byte("x"))
			}
			return wire.AppendTCP(nil, src, dst, uint32(time.Now().UnixNano()), wire.SYN, nil)
		}
		patiently(t, "a knock is heard", func() bool {
			for _, p := range [][]byte{step(wire.TCP, 7431), step(wire.UDP, 2951), step(wire.TCP, 8812)} {
				if _, err := tun.Write(p); err != nil {
					t.Fatal(err)
				}
			}
			return d.count("opened", from.String())+d.count("extended", from.String()) > 0
		})
		tun.Close()
		patiently(t, "status says missing", func() bool { return must(d.status()).Devices[1].State == "missing" })
		hears(t, router)
		lab.Withstood(t, "network", "WAN device without Ethernet headers (PPP, tunnels) that comes and goes", "knocks are heard as soon as it is there")
	})
	t.Run("among_100_others", func(t *testing.T) {
		var make, flap, remove []string
		for i := range 50 {
			make = append(make, fmt.Sprintf("link add a%d type veth peer name b%d", i, i))
			flap = append(flap, fmt.Sprintf("link set a%d up", i), fmt.Sprintf("link set b%d up", i), fmt.Sprintf("link set a%d down", i))
			remove = append(remove, fmt.Sprintf("link del a%d", i))
		}
		batch(t, make...)
		for range 5 {
			batch(t, flap...)
		}
		hears(t, router)
		batch(t, remove...)
		hears(t, router)
		lab.Withstood(t, "network", "100 other devices that come, change and go", "nothing is missed")
	})
	for _, name := range peers {
		t.Run("beside_"+name, func(t *testing.T) {
			installed(t, name)
			d.stop()
			p := startPeer(t, name)
			tell := func(fault string) {
				outcome := "keeps working"
				if !p.opens() {
					outcome = "hears nothing any more"
				}
				lab.Peer(t, name, fault, outcome)
				p.shut()
			}
			batch(t, flaps()...)
			tell(faultFlaps)
			moveAddresses(t)
			p.to = moved
			tell(faultAddress)
			p.to = router
			batch(t, addressed...)
			recreateWAN(t)
			tell(faultAnew)
		})
	}
}

// ignoresOthers sends a knock of each kind in frames for another machine, which open nothing until the same packets come
// in frames for the router. Hears returns when what was sent before it was read.
func ignoresOthers(t *testing.T, d *latchkeydProcess, hears func()) {
	send, next := d.wire(), strangers()
	next(false) // which will be the router's, see moved
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			k := newKnocker(t)
			for _, family := range kind.families {
				from := next(netip.MustParseAddr(family).Is6())
				knock := frames(kind.packets(k, from))
				for _, frame := range knock {
					other := bytes.Clone(frame)
					other[5] = 0x77 // the last byte of whom it is for
					send(other)
				}
				hears()
				if n := d.count("opened", from.String()); n > 0 {
					t.Errorf("what was for another machine has opened %d times for %s", n, from)
				}
				send(knock...)
				patiently(t, "the same for the router opens", func() bool { return d.count("opened", from.String()) > 0 })
			}
		})
	}
}

// flaps takes the WAN device down and up many times.
func flaps() (lines []string) {
	for range 300 {
		lines = append(lines, "link set wan down", "link set wan up")
	}
	return append(lines, addressed...)
}
