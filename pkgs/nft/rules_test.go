// SPDX-License-Identifier: Apache-2.0

package nft_test

import "testing"

func TestRules(t *testing.T) {
	fw := start(t)
	script(t, sets("a_latchkey1_web")+`
add chain inet fw4 input_wan
add rule inet fw4 input_wan meta nfproto ipv4 tcp dport 22 ip saddr @latchkey1_nas_4 counter accept comment "!fw4: ubus:latchkey[main] rule 1"
add rule inet fw4 input_wan meta nfproto ipv6 tcp dport 22 ip6 saddr @latchkey1_a_latchkey1_web_6 counter accept comment "latchkey1_nas_6"
add table inet other
add set inet other latchkey1_web_4 { type ipv4_addr; }
add chain inet other input
add rule inet other input ip saddr @latchkey1_web_4 accept
`)
	refers, err := fw.Rules()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]bool{
		"nas":             {true, false}, // a comment is no use of a set
		"a_latchkey1_web": {false, true},
		"web":             {false, false}, // a rule of another table, and the end of another name
		"nobody":          {false, false},
	} {
		if got := [2]bool{refers(name, false), refers(name, true)}; got != want {
			t.Errorf("%s: rules for IPv4 and IPv6: %v, want %v", name, got, want)
		}
	}
	script(t, "delete table inet fw4")
	if refers, err = fw.Rules(); err != nil || refers("nas", false) {
		t.Errorf("without the table: %v", err)
	}
}

func BenchmarkRules_of_300(b *testing.B) {
	fw := start(b)
	script(b, "add chain inet fw4 c\n"+rules(300))
	for b.Loop() {
		if _, err := fw.Rules(); err != nil {
			b.Fatal(err)
		}
	}
}
