// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const stockFirewall = `
config defaults 'd'
	option input 'REJECT'
	option forward 'REJECT'

config zone 'inside'
	option name 'lan'
	option network 'lan'
	option input 'ACCEPT'

config zone 'outside'
	option name 'wan'
	list network 'wan'
	option input 'REJECT'

config rule 'ping'
	option src 'wan'
	option proto 'icmp'
	list icmp_type 'echo-request'
	option target 'ACCEPT'

config rule 'icmp6'
	option src 'wan'
	option proto 'icmp'
	list icmp_type 'echo-request'
	list icmp_type 'packet-too-big'
	option target 'ACCEPT'

config rule 'numbers'
	option src 'wan'
	option proto 'icmp'
	option icmp_type '8 3 4'
	option target 'ACCEPT'

config rule 'refuse'
	option src 'wan'
	option target 'REJECT'

config redirect 'nas'
	option src 'wan'
	option dest_ip '192.168.1.22'
`

// An account of the pages may make the firewall silent to strangers, and change nothing else in it: pkgs/uplink tests
// what that is.
func TestPluginSilence(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	for name, tt := range map[string]struct {
		section, option, old, new string // new "" = it is refused
	}{
		"zone":                  {"outside", "input", "'wan'\n\toption input 'REJECT'", "'wan'\n\toption input 'DROP'"},
		"defaults":              {"d", "forward", "forward 'REJECT'", "forward 'DROP'"},
		"ping":                  {"ping", "enabled", "'ACCEPT'\n\nconfig rule 'icmp6'", "'ACCEPT'\n\toption enabled '0'\n\nconfig rule 'icmp6'"},
		"ping_of_more":          {"icmp6", "icmp_type", "\tlist icmp_type 'echo-request'\n\tlist icmp_type 'packet-too-big'\n\toption target 'ACCEPT'\n", "\toption target 'ACCEPT'\n\tlist icmp_type 'packet-too-big'\n"},
		"ping_of_more_in_one":   {"numbers", "icmp_type", "'8 3 4'", "'3 4'"},
		"rule_that_refuses":     {"refuse", "target", "target 'REJECT'", "target 'DROP'"},
		"port_forward":          {"nas", "enabled", "'192.168.1.22'\n", "'192.168.1.22'\n\toption enabled '0'\n"},
		"not_the_LAN":           {"inside", "input", "", ""},
		"not_what_refuses":      {"refuse", "enabled", "", ""},
		"not_another_option":    {"outside", "masq", "", ""},
		"not_a_new_section":     {"new", "enabled", "", ""},
		"not_nothing":           {"", "", "", ""},
		"not_a_command":         {"ping'; touch reboot; '", "enabled", "", ""},
		"not_an_option_of_ours": {"--help", "enabled", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", oneDoor)
			r.write("etc/config/firewall", stockFirewall)
			got := r.call("silence", map[string]any{"section": tt.section, "option": tt.option})
			after := r.read("etc/config/firewall")
			if tt.new == "" {
				if why, _ := got["error"].(string); !strings.HasSuffix(why, "is not one that answers strangers alone") || after != stockFirewall {
					t.Errorf("answers %v; %s", got, cmp.Diff(stockFirewall, after))
				}
				return
			}
			want := strings.Replace(stockFirewall, tt.old, tt.new, 1) + "\n" // as uci ends a file
			if got["error"] != nil || after != want {
				t.Errorf("answers %v; the firewall (-want +got):\n%s", got, cmp.Diff(want, after))
			}
		})
	}
	t.Run("whatever_our_configuration_says", func(t *testing.T) {
		for name, ours := range map[string]string{
			"nothing":                         "",
			"nonsense":                        oneDoor + "\toption nonsense '1'\n",
			"that_knocks_come_in_from_inside": "config latchkey 'main'\n\tlist interface 'lan'\n",
		} {
			t.Run(name, func(t *testing.T) {
				r := newRouter(t)
				r.write("etc/config/latchkey", ours)
				dsl := strings.Replace(stockFirewall, "option name 'wan'\n\tlist network 'wan'\n", "option name 'internet'\n\toption masq '1'\n\toption network 'dsl'\n", 1)
				r.write("etc/config/firewall", dsl)
				if got := r.call("silence", map[string]any{"section": "inside", "option": "input"}); got["error"] == nil {
					t.Errorf("for the LAN, too: %v", got)
				}
				got := r.call("silence", map[string]any{"section": "outside", "option": "input"})
				if after := r.read("etc/config/firewall"); got["error"] != nil || !strings.Contains(after, "'dsl'\n\toption input 'DROP'") {
					t.Errorf("answers %v; %s", got, cmp.Diff(dsl, after))
				}
			})
		}
	})
	for name, confirmed := range map[string]bool{"is_taken_back": false, "is_kept_when_confirmed": true} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", oneDoor)
			r.write("etc/config/firewall", stockFirewall)
			r.plugin("UNDO = 30000", "UNDO = 50")
			r.write("call.uc", fmt.Sprintf(`
				import * as uloop from 'uloop';
				uloop.init();
				const methods = loadfile('%s', { raw_mode: true })().latchkey;
				const first = methods.silence.call({ args: { section: 'outside', option: 'input' } });
				const second = methods.silence.call({ args: { section: 'd', option: 'forward' } });
				const kept = %v ? methods.keep.call({}) : null;
				uloop.timer(200, () => uloop.end());
				uloop.run();
				printf('%%J', { first, second, kept, later: methods.keep.call({}) });
			`, r.path("plugin.uc"), confirmed))
			got := r.ucode()
			after := r.read("etc/config/firewall")
			if silent := strings.Contains(after, "'DROP'"); silent != confirmed {
				t.Errorf("silent in the end: %v, want %v\n%s", silent, confirmed, after)
			}
			if got["second"].(map[string]any)["error"] == nil {
				t.Errorf("a second change while one waits: %v", got)
			}
			if later := got["later"].(map[string]any)["kept"]; later != false {
				t.Errorf("confirmed too late: kept %v", later)
			}
			if !confirmed && !strings.Contains(after, "option input 'REJECT'") {
				t.Errorf("not as it was:\n%s", after)
			}
		})
	}
}
