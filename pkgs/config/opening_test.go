// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/wire"
)

func ports(first, last uint16) wire.PortRange { return wire.PortRange{First: first, Last: last} }

// same is an opening whose ports are the same outside and inside.
func same(proto wire.Proto, first, last uint16) config.Opening {
	return config.Opening{Proto: proto, Outside: ports(first, last), Inside: ports(first, last)}
}

// areOpenings reports whether a list is what Parse promises.
func areOpenings(list []config.Opening) bool {
	for i, o := range list {
		if o.Outside.First == 0 || o.Inside.First == 0 || o.Outside.First > o.Outside.Last || o.Inside.Count() != o.Outside.Count() ||
			o.Proto != wire.TCP && o.Proto != wire.UDP {
			return false
		}
		for _, p := range list[:i] {
			if p.Proto == o.Proto && p.Outside.First <= o.Outside.Last && o.Outside.First <= p.Outside.Last {
				return false
			}
		}
	}
	return len(list) > 0
}

func TestParse_ports_of_a_door(t *testing.T) {
	const tcp, udp = wire.TCP, wire.UDP
	moved := func(proto wire.Proto, outside, inside wire.PortRange) config.Opening {
		return config.Opening{Proto: proto, Outside: outside, Inside: inside}
	}
	for lines, want := range map[string][]config.Opening{
		"option port '80 443'":                                      {same(tcp, 80, 80), same(tcp, 443, 443)},
		"list port '80'\nlist port '443'":                           {same(tcp, 80, 80), same(tcp, 443, 443)},
		"list port '22'\nlist port '60000-61000/udp'":               {same(tcp, 22, 22), same(udp, 60000, 61000)},
		"option port '53'\noption proto 'udp tcp'":                  {same(tcp, 53, 53), same(udp, 53, 53)},
		"option port '53 853/tcp'\noption proto 'tcp udp'":          {same(tcp, 53, 53), same(udp, 53, 53), same(tcp, 853, 853)},
		"option port '53/udp 53/tcp'":                               {same(udp, 53, 53), same(tcp, 53, 53)},
		"option port '1-65535'":                                     {same(tcp, 1, 65535)},
		"option port '7-7'":                                         {same(tcp, 7, 7)},
		"option port '80-89 90-99'":                                 {same(tcp, 80, 89), same(tcp, 90, 99)},
		"option port '8000-8010 22'\n" + lan:                        {same(tcp, 8000, 8010), same(tcp, 22, 22)},
		"option port '8000-8002'\noption dest_port '80-82'\n" + lan: {moved(tcp, ports(8000, 8002), ports(80, 82))},
		"option port '8080 8443'\nlist dest_port 80\nlist dest_port 443\n" + lan: {
			moved(tcp, ports(8080, 8080), ports(80, 80)), moved(tcp, ports(8443, 8443), ports(443, 443))},
		"option port '8080 8081'\noption dest_port '80 80'\n" + lan: {
			moved(tcp, ports(8080, 8080), ports(80, 80)), moved(tcp, ports(8081, 8081), ports(80, 80))},
		"option port '7000-7063 8000-8063/udp'\noption dest_port '9000-9063 9000-9063'\n" + lan: {
			moved(tcp, ports(7000, 7063), ports(9000, 9063)), moved(udp, ports(8000, 8063), ports(9000, 9063))},
		"option port '6000-7000'\noption dest_port '7000-8000'\noption dest lan\noption dest_ip6 ::22\n": {moved(tcp, ports(6000, 7000), ports(7000, 8000))},
	} {
		got, problems := config.Parse("config latchkey 'main'\nconfig door 'a'\n" + lines + "\n")
		if errs := problems.Errors(); len(errs) > 0 {
			t.Errorf("%s: %v", lines, errs)
			continue
		}
		if diff := cmp.Diff(want, got.Doors[0].Openings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", lines, diff)
		}
	}
}

func TestParse_takes_as_many_ports_of_a_door_as_a_link_tells(t *testing.T) {
	list := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, "list port %d\n", 1000+i)
		}
		return b.String()
	}
	if _, problems := config.Parse("config latchkey 'main'\nconfig door 'a'\n" + list(config.MaxPorts)); len(problems.Errors()) > 0 {
		t.Error(problems)
	}
	_, problems := config.Parse("config latchkey 'main'\nconfig door 'a'\n" + list(config.MaxPorts+1))
	want := fmt.Sprintf("section 'door' (a) option 'port' specifies invalid value '%d': the list ends at %d entries (line %d)", 1000+config.MaxPorts, config.MaxPorts, 3+config.MaxPorts)
	if got := problems.Errors().Error(); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

func TestOpening(t *testing.T) {
	o := config.Opening{Proto: wire.UDP, Outside: ports(7000, 7010), Inside: ports(65525, 65535)}
	if got := o.PortInside(7010); got != 65535 {
		t.Errorf("7010 leads to %d", got)
	}
	for port, want := range map[uint16]bool{6999: false, 7000: true, 7010: true, 7011: false} {
		if o.Has(wire.UDP, port) != want || o.Has(wire.TCP, port) {
			t.Errorf("port %d: want %v for UDP, and false for TCP", port, want)
		}
	}
	d := config.Door{Openings: []config.Opening{same(wire.TCP, 22, 22), o}}
	if got, ok := d.Opening(wire.UDP, 7005); !ok || got != o {
		t.Errorf("7005/udp: %v, %v", got, ok)
	}
	if got, ok := d.Opening(wire.TCP, 7005); ok {
		t.Errorf("7005/tcp: %v", got)
	}
}
