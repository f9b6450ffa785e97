// SPDX-License-Identifier: Apache-2.0

package fw4_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/fw4"
)

func TestObjects(t *testing.T) {
	set := func(name, family string) string {
		return "type=ipset name=latchkey1_" + name + "_" + family + " family=ipv" + family + " match=src_ip timeout=0"
	}
	tests := map[string]struct {
		door string
		want []string
	}{
		"the_router_itself_in_both_families": {`
config door 'web'
	option port '8443'
`, []string{
			set("web", "4"),
			"type=rule ipset=latchkey1_web_4 family=ipv4 src=wan proto=tcp dest_port=8443 target=ACCEPT",
			set("web", "6"),
			"type=rule ipset=latchkey1_web_6 family=ipv6 src=wan proto=tcp dest_port=8443 target=ACCEPT",
		}},
		"networks_of_one_family_in_a_set_of_another_kind": {`
config door 'web'
	option port '8443'
	option width6 '64'
`, []string{
			set("web", "4"),
			"type=rule ipset=latchkey1_web_4 family=ipv4 src=wan proto=tcp dest_port=8443 target=ACCEPT",
			"type=ipset name=latchkey2_web_6 family=ipv6 match=src_net timeout=0",
			"type=rule ipset=latchkey2_web_6 family=ipv6 src=wan proto=tcp dest_port=8443 target=ACCEPT",
		}},
		"networks_of_both_families": {`
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'
	option width4 '24'
	option width6 '48'
`, []string{
			"type=ipset name=latchkey2_nas_4 family=ipv4 match=src_net timeout=0",
			"type=redirect ipset=latchkey2_nas_4 family=ipv4 src=wan proto=tcp dest=lan src_dport=2222 dest_ip=192.168.1.22 dest_port=2222 reflection=1 target=DNAT",
			"type=ipset name=latchkey2_nas_6 family=ipv6 match=src_net timeout=0",
			"type=rule ipset=latchkey2_nas_6 family=ipv6 src=wan proto=tcp dest=lan dest_ip=::22/-64 dest_port=2222 target=ACCEPT",
		}},
		"a_rule_for_each_protocol_from_another_zone": {`
config door 'dns'
	option src 'guest'
	list proto 'tcp'
	list proto 'udp'
	option port '53'
	option dest 'lan'
	option dest_ip '192.168.1.53'
`, []string{
			set("dns", "4"),
			"type=redirect ipset=latchkey1_dns_4 family=ipv4 src=guest proto=tcp dest=lan src_dport=53 dest_ip=192.168.1.53 dest_port=53 reflection=1 target=DNAT",
			"type=redirect ipset=latchkey1_dns_4 family=ipv4 src=guest proto=udp dest=lan src_dport=53 dest_ip=192.168.1.53 dest_port=53 reflection=1 target=DNAT",
		}},
		"a_host_by_IPv4_behind_another_port": {`
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_port '22'
`, []string{
			set("nas", "4"),
			"type=redirect ipset=latchkey1_nas_4 family=ipv4 src=wan proto=tcp dest=lan src_dport=2222 dest_ip=192.168.1.22 dest_port=22 reflection=1 target=DNAT",
		}},
		"a_host_by_the_end_of_its_IPv6_address": {`
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip6 '::22'
	option dest_port '22'
`, []string{
			set("nas", "6"),
			"type=rule ipset=latchkey1_nas_6 family=ipv6 src=wan proto=tcp dest=lan dest_ip=::22/-64 dest_port=22 target=ACCEPT",
		}},
		"an_end_in_firewall4's_own_form": {`
config door 'nas'
	option port '22'
	option dest 'lan'
	option dest_ip6 '0:0:0::1:22/-64'
`, []string{
			set("nas", "6"),
			"type=rule ipset=latchkey1_nas_6 family=ipv6 src=wan proto=tcp dest=lan dest_ip=::1:22/-64 dest_port=22 target=ACCEPT",
		}},
		"a_host_by_a_whole_IPv6_address": {`
config door 'vpn'
	option proto 'udp'
	option port '51820'
	option dest 'lan'
	option dest_ip6 '2001:DB8:2::22'
`, []string{
			set("vpn", "6"),
			"type=rule ipset=latchkey1_vpn_6 family=ipv6 src=wan proto=udp dest=lan dest_ip=2001:db8:2::22 dest_port=51820 target=ACCEPT",
		}},
		"several_ports_of_the_router": {`
config door 'mosh'
	option port '22 60000-61000/udp'
`, []string{
			set("mosh", "4"),
			"type=rule ipset=latchkey1_mosh_4 family=ipv4 src=wan proto=tcp dest_port=22 target=ACCEPT",
			"type=rule ipset=latchkey1_mosh_4 family=ipv4 src=wan proto=udp dest_port=60000-61000 target=ACCEPT",
			set("mosh", "6"),
			"type=rule ipset=latchkey1_mosh_6 family=ipv6 src=wan proto=tcp dest_port=22 target=ACCEPT",
			"type=rule ipset=latchkey1_mosh_6 family=ipv6 src=wan proto=udp dest_port=60000-61000 target=ACCEPT",
		}},
		"ranges_that_stay_and_that_move": {`
config door 'nas'
	option port '60000-61000/udp 7000-7001'
	option dest_port '60000-61000 9000-9001'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'
`, []string{
			set("nas", "4"),
			"type=redirect ipset=latchkey1_nas_4 family=ipv4 src=wan proto=udp dest=lan src_dport=60000-61000 dest_ip=192.168.1.22 dest_port=60000-61000 reflection=1 target=DNAT",
			"type=redirect ipset=latchkey1_nas_4 family=ipv4 src=wan proto=tcp dest=lan src_dport=7000 dest_ip=192.168.1.22 dest_port=9000 reflection=1 target=DNAT",
			"type=redirect ipset=latchkey1_nas_4 family=ipv4 src=wan proto=tcp dest=lan src_dport=7001 dest_ip=192.168.1.22 dest_port=9001 reflection=1 target=DNAT",
			set("nas", "6"),
			"type=rule ipset=latchkey1_nas_6 family=ipv6 src=wan proto=udp dest=lan dest_ip=::22/-64 dest_port=60000-61000 target=ACCEPT",
			"type=rule ipset=latchkey1_nas_6 family=ipv6 src=wan proto=tcp dest=lan dest_ip=::22/-64 dest_port=9000-9001 target=ACCEPT",
		}},
		"not_from_inside": {`
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option reflection '0'
`, []string{
			set("nas", "4"),
			"type=redirect ipset=latchkey1_nas_4 family=ipv4 src=wan proto=tcp dest=lan src_dport=2222 dest_ip=192.168.1.22 dest_port=2222 reflection=0 target=DNAT",
		}},
		"nothing_for_a_door_that_is_off": {`
config door 'web'
	option port '8443'
	option enabled '0'
`, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			c, problems := config.Parse("config latchkey 'main'\n" + tt.door)
			if c == nil {
				t.Fatal(problems)
			}
			var got []string
			for _, o := range fw4.Objects(c) {
				got = append(got, o.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("objects (-want +got):\n%s", diff)
			}
		})
	}
}
