// SPDX-License-Identifier: Apache-2.0

// Package fw4test makes of the objects for firewall4 what firewall4 makes of them, on a router with the zones
// wan, which drops, and lan: for tests with real packets where there is no firewall4.
//
// It was written after firewall4's templates (ruleset.uc, rule.uc, redirect.uc of b6e5157).
package fw4test

import (
	"fmt"
	"strings"

	"github.com/latchkey/latchkey/pkgs/fw4"
)

// Render returns the ruleset with these objects, for nft -f. Like firewall4 it keeps the elements of sets that
// are there already.
func Render(objects []fw4.Object) string {
	var sets, input, forward, dstnat strings.Builder
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
		case option["dest"] != "":
			fmt.Fprintf(&forward, "\t\tip6 daddr %s %s dport %s ip6 saddr @%s counter accept\n",
				hostOf(option["dest_ip"]), option["proto"], option["dest_port"], option["ipset"])
		default:
			ip := map[string]string{"ipv4": "ip", "ipv6": "ip6"}[option["family"]]
			fmt.Fprintf(&input, "\t\tmeta nfproto %s %s dport %s %s saddr @%s counter accept\n",
				option["family"], option["proto"], option["dest_port"], ip, option["ipset"])
		}
	}
	return fmt.Sprintf(ruleset, sets.String(), input.String(), forward.String(), dstnat.String())
}

// kindOf is what firewall4 makes of a set's match: with src_net it is one of ranges.
func kindOf(option map[string]string) string {
	kind := "type " + option["family"] + "_addr; flags timeout;"
	if option["match"] == "src_net" {
		kind = "type " + option["family"] + "_addr; flags interval, timeout; auto-merge;"
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
		iifname "wan*" jump dstnat_wan
	}

	chain dstnat_wan {
%s	}

	chain srcnat {
		type nat hook postrouting priority srcnat; policy accept;
		oifname "wan*" meta nfproto ipv4 masquerade
	}
}
`
