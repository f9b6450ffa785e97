// SPDX-License-Identifier: Apache-2.0

package nft_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestRules(t *testing.T) {
	fw := start(t)
	script(t, sets("a_latchkey1_web")+`
add chain inet fw4 input_wan
add rule inet fw4 input_wan meta nfproto ipv4 tcp dport 22 ip saddr @latchkey1_nas_4 counter accept comment "!fw4: ubus:latchkey[main] rule 1"
add rule inet fw4 input_wan meta nfproto ipv6 tcp dport 22 ip6 saddr @latchkey1_a_latchkey1_web_6 counter accept comment "latchkey1_nas_6"
add set inet fw4 latchkey2_nas_6 { type ipv6_addr; flags interval,timeout; }
add rule inet fw4 input_wan meta nfproto ipv6 tcp dport 22 ip6 saddr @latchkey2_nas_6 counter accept
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
		if got := [2]bool{refers(name, false, false), refers(name, true, false)}; got != want {
			t.Errorf("%s: rules for IPv4 and IPv6: %v, want %v", name, got, want)
		}
	}
	if got := [2]bool{refers("nas", false, true), refers("nas", true, true)}; got != [2]bool{false, true} {
		t.Errorf("nas: rules for networks of IPv4 and IPv6: %v", got)
	}
	script(t, "delete table inet fw4")
	if refers, err = fw.Rules(); err != nil || refers("nas", false, false) {
		t.Errorf("without the table: %v", err)
	}
}

// TestRules_beside_10000_others also opens a door there.
func TestRules_beside_10000_others(t *testing.T) {
	fw := start(t)
	script(t, "add chain inet fw4 input_wan\nadd rule inet fw4 input_wan ip saddr @latchkey1_nas_4 accept\n")
	const many = 10_000
	for range many / 250 { // a socket of an ordinary user takes no more at once
		script(t, rules(250))
	}
	script(t, "add chain inet fw4 last\nadd rule inet fw4 last ip6 saddr @latchkey1_web_6 accept\n")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	refers, err := fw.Rules()
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if !refers("nas", false, false) || !refers("web", true, false) || refers("web", false, false) {
		t.Error("the doors' rules are not found among the others")
	}
	const most = 256 << 10
	if took := after.TotalAlloc - before.TotalAlloc; took > most {
		t.Errorf("%d kB to read %d rules, want at most %d kB however many there are", took>>10, many, most>>10)
	}
	if err := fw.Open(time.Now(), nas, grant(four, time.Minute)); err != nil {
		t.Fatal(err)
	}
	if left := list(t, "latchkey1_nas_4"); len(left) != 1 {
		t.Errorf("elements %v, want one", left)
	}
	lab.Withstood(t, "firewall", "10000 rules of others in the firewall", "doors open as ever, and to read them all takes no memory for each")
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
