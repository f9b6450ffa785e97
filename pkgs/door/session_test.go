// SPDX-License-Identifier: Apache-2.0

package door_test

import (
	"net/netip"
	"testing"

	"github.com/latchkey/latchkey/pkgs/door"
)

func TestFlow(t *testing.T) {
	const tcp, udp = 6, 17
	ap := netip.MustParseAddrPort
	dnat := door.Flow{From: alone(four), Ports: []door.Ports{{tcp, 2222, 2222, 22}}, Server: netip.MustParseAddr("192.168.1.22")}
	pinhole := door.Flow{From: alone(six), Ports: []door.Ports{{tcp, 22, 22, 22}}, Server: netip.MustParseAddr("2001:db8:2::22")}
	suffix := pinhole
	suffix.Server = netip.MustParseAddr("::22")
	own := door.Flow{From: alone(four), Ports: []door.Ports{{tcp, 8443, 8443, 8443}, {udp, 8443, 8443, 8443}, {udp, 60000, 60010, 60000}}}
	moved := door.Flow{From: alone(four), Ports: []door.Ports{{tcp, 2222, 2222, 22}, {tcp, 7000, 7010, 9000}}, Server: netip.MustParseAddr("192.168.1.22")}
	wide := dnat
	wide.From = netip.MustParsePrefix("192.0.2.0/24")
	own6 := own
	own6.From = alone(six)

	through := door.Session{Proto: tcp, From: ap("192.0.2.1:50000"), To: ap("203.0.113.1:2222"), Server: ap("192.168.1.22:22"), Local: true}
	toHost := door.Session{Proto: tcp, From: ap("[2001:db8::1]:50000"), To: ap("[2001:db8:2::22]:22"), Server: ap("[2001:db8:2::22]:22")}
	toRouter := door.Session{Proto: udp, From: ap("192.0.2.1:50000"), To: ap("203.0.113.1:8443"), Server: ap("203.0.113.1:8443"), Local: true}
	with := func(s door.Session, change func(*door.Session)) door.Session { change(&s); return s }
	server := func(a string) func(*door.Session) { return func(s *door.Session) { s.Server = ap(a) } }
	both := func(a string) func(*door.Session) { return func(s *door.Session) { s.To, s.Server = ap(a), ap(a) } }

	tests := []struct {
		name string
		flow door.Flow
		s    door.Session
		want bool
	}{
		{"behind_DNAT", dnat, through, true},
		{"of_another_address", dnat, with(through, func(s *door.Session) { s.From = ap("192.0.2.2:50000") }), false},
		{"of_another_address_of_the_network", wide, with(through, func(s *door.Session) { s.From = ap("192.0.2.255:50000") }), true},
		{"of_an_address_beside_the_network", wide, with(through, func(s *door.Session) { s.From = ap("192.0.3.0:50000") }), false},
		{"of_another_protocol", dnat, with(through, func(s *door.Session) { s.Proto = udp }), false},
		{"by_another_door_to_the_same_host", dnat, with(through, func(s *door.Session) { s.To = ap("203.0.113.1:2223") }), false},
		{"by_the_same_port_to_another_host", dnat, with(through, server("192.168.1.23:22")), false},
		{"by_the_same_port_to_another_port", dnat, with(through, server("192.168.1.22:23")), false},
		{"by_the_same_port_to_the_router", dnat, with(through, server("203.0.113.1:2222")), false},
		{"to_the_host_without_DNAT", dnat, with(through, both("192.168.1.22:2222")), false},
		{"behind_a_pinhole", pinhole, toHost, true},
		{"behind_a_pinhole_to_another_host", pinhole, with(toHost, both("[2001:db8:2::23]:22")), false},
		{"behind_a_pinhole_to_another_port", pinhole, with(toHost, both("[2001:db8:2::22]:23")), false},
		{"behind_a_pinhole_of_another_network", pinhole, with(toHost, both("[2001:db8:3::22]:22")), false},
		{"behind_a_pinhole_by_the_end_of_an_address", suffix, toHost, true},
		{"behind_a_pinhole_by_the_end_in_another_network", suffix, with(toHost, both("[2001:db8:3::22]:22")), true},
		{"behind_a_pinhole_by_another_end", suffix, with(toHost, both("[2001:db8:2::1:22]:22")), false},
		{"of_the_router", own, toRouter, true},
		{"of_the_router_by_its_other_protocol", own, with(toRouter, func(s *door.Session) { s.Proto = tcp }), true},
		{"of_the_router_over_IPv6", own6, door.Session{Proto: tcp, From: ap("[2001:db8::1]:1"), To: ap("[2001:db8:1::1]:8443"), Server: ap("[2001:db8:1::1]:8443"), Local: true}, true},
		{"of_the_router_by_a_port_of_a_range", own, with(toRouter, both("203.0.113.1:60010")), true},
		{"of_the_router_by_a_port_behind_a_range", own, with(toRouter, both("203.0.113.1:60011")), false},
		{"of_the_router_by_another_protocol's_port_of_a_range", own, with(toRouter, func(s *door.Session) {
			both("203.0.113.1:60005")(s)
			s.Proto = tcp
		}), false},
		{"behind_DNAT_by_a_port_of_a_range", moved, with(through, func(s *door.Session) { s.To, s.Server = ap("203.0.113.1:7010"), ap("192.168.1.22:9010") }), true},
		{"behind_DNAT_by_a_port_of_a_range_to_another_of_it", moved, with(through, func(s *door.Session) { s.To, s.Server = ap("203.0.113.1:7010"), ap("192.168.1.22:9000") }), false},
		{"that_the_router_forwards", own, with(toRouter, func(s *door.Session) { s.Local = false }), false},
		{"that_the_router_translates", own, with(toRouter, server("192.168.1.22:8443")), false},
	}
	for _, test := range tests {
		if got := test.flow.Has(test.s); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
