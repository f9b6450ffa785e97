// SPDX-License-Identifier: Apache-2.0

// Package fw4test renders the objects for firewall4 as firewall4 does, on a router with the zones wan, which
// drops, lan and guest: for tests with real packets where there is no firewall4.
//
// It was written after firewall4's templates (ruleset.uc, rule.uc, redirect.uc of b6e5157), and its tests run on firewall4 itself where
// LATCHKEY_FIREWALL4 names its sources.
//
// It is not meant for other programs.
package fw4test

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/latchkey/latchkey/pkgs/fw4"
)

// Lab is the lab's router: its addresses on the Internet, and in zone lan with the network behind it. firewall4
// knows them from netifd, and renders them again whenever an interface comes up or gets other addresses.
var (
	WAN        = netip.MustParseAddr("203.0.113.1")
	LAN        = netip.MustParseAddr("192.168.1.1")
	LANNetwork = netip.MustParsePrefix("192.168.1.0/24")
	// GuestRouter is its address in zone guest, which the lab has after `lab.sh house`.
	GuestRouter = netip.MustParsePrefix("192.168.2.1/24")
)

// Render returns the ruleset with these objects, for nft -f, where these are the router's addresses on the Internet.
// Like firewall4 it keeps the elements of sets that are there already.
func Render(objects []fw4.Object, wan ...netip.Addr) string {
	var sets, input, forward, dstnat, insideDstnat, insideSrcnat strings.Builder
	for _, o := range objects {
		option := map[string]string{}
		for _, x := range o {
			option[x.Name] = x.Value
		}
		switch {
		case option["type"] == "ipset":
			fmt.Fprintf(&sets, "\tset %s { %s }\n", option["name"], kindOf(option))
		case option["type"] == "redirect":
			fmt.Fprintf(&dstnat, "\t\tmeta nfproto ipv4 %s dport %s ip saddr @%s counter dnat ip to %s:%s\n",
				option["proto"], option["src_dport"], option["ipset"], option["dest_ip"], option["dest_port"])
			if option["reflection"] == "1" { // which is of zone wan only: firewall4 reflects for zones that masquerade
				for _, a := range wan {
					fmt.Fprintf(&insideDstnat, "\t\tip saddr %s ip daddr %s %s dport %s counter dnat ip to %s:%s\n",
						LANNetwork, a, option["proto"], option["src_dport"], option["dest_ip"], option["dest_port"])
				}
				fmt.Fprintf(&insideSrcnat, "\t\tip saddr %s ip daddr %s %s dport %s counter snat ip to %s\n",
					LANNetwork, option["dest_ip"], option["proto"], option["dest_port"], LAN)
			}
		case option["dest"] != "":
			fmt.Fprintf(&forward, "\t\tip6 daddr %s %s dport %s ip6 saddr @%s counter accept\n",
				hostOf(option["dest_ip"]), option["proto"], option["dest_port"], option["ipset"])
		default:
			ip := map[string]string{"ipv4": "ip", "ipv6": "ip6"}[option["family"]]
			fmt.Fprintf(&input, "\t\tmeta nfproto %s %s dport %s %s saddr @%s counter accept\n",
				option["family"], option["proto"], option["dest_port"], ip, option["ipset"])
		}
	}
	return fmt.Sprintf(ruleset, sets.String(), input.String(), forward.String(), dstnat.String(), insideDstnat.String(), insideSrcnat.String())
}

// kindOf is what firewall4 makes of a set's match: with src_net it is one of ranges.
func kindOf(option map[string]string) string {
	kind := "type " + option["family"] + "_addr; flags timeout;"
	if option["match"] == "src_net" {
		kind = "type " + option["family"] + "_addr; auto-merge; flags interval,timeout;"
	}
	return kind
}

// hostOf is a host's address, or only its end.
func hostOf(address string) string {
	if end, ok := strings.CutSuffix(address, "/-64"); ok {
		return "& ::ffff:ffff:ffff:ffff == " + end
	}
	return address
}

const ruleset = `table inet fw4
flush table inet fw4

table inet fw4 {
%s
	chain input {
		type filter hook input priority filter; policy drop;
		iif "lo" accept
		ct state vmap { established : accept, related : accept }
		icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept
		iifname "lan" accept
		iifname "wan*" jump input_wan
	}

	chain forward {
		type filter hook forward priority filter; policy drop;
		ct state vmap { established : accept, related : accept }
		iifname "lan" accept
		iifname "guest" oifname "wan*" accept
		iifname "wan*" jump forward_wan
	}

	chain input_wan {
%s		ct status dnat accept
		drop
	}

	chain forward_wan {
%s		ct status dnat accept
		drop
	}

	chain dstnat {
		type nat hook prerouting priority dstnat; policy accept;
		iifname "lan" jump dstnat_lan
		iifname "wan*" jump dstnat_wan
	}

	chain dstnat_wan {
%s	}

	chain dstnat_lan {
%s	}

	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "lan" jump srcnat_lan
		oifname "wan*" meta nfproto ipv4 masquerade
	}

	chain srcnat_lan {
%s	}
}
`
