// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
)

const refusedConfig = "config latchkey 'main'\n\toption enabled '1'\n\toption interface 'dsl'\n\tlist door 'x'\n\nconfig door 'nas'\n\toption port '70000'\n"

func TestFirewallTellsWhetherARefusedConfigurationIsSwitchedOn(t *testing.T) {
	for text, want := range map[string]string{
		refusedConfig: "enabled 1\n",
		strings.Replace(refusedConfig, "enabled '1'", "enabled '0'", 1): "enabled 0\n",
		"": "enabled 0\n",
	} {
		out, said, code := invoke("firewall", file(t, text))
		if out != want || code != exitError || !strings.HasPrefix(said, "error: ") {
			t.Errorf("returned %d, printed %q and %q for\n%s", code, out, said, text)
		}
	}
	if out, said, code := invoke("firewall", "/none"); out != "" || code != exitError {
		t.Errorf("without a file: returned %d, printed %q and %q", code, out, said)
	}
}

// What is silent is decided in pkgs/uplink.
func TestSilencePrintsValues(t *testing.T) {
	firewall := file(t, `config zone 'outside'
	option name 'internet'
	option network 'dsl'
	option masq '1'

config rule 'ping'
	option src 'internet'
	list icmp_type '8'
	list icmp_type '3'
	list icmp_type 'packet-too-big'
	option target 'ACCEPT'

config rule 'office'
	option src 'wan'
	list icmp_type '8'
	list icmp_type '3'
	option target 'ACCEPT'
`)
	for _, test := range []struct{ section, option, want string }{
		{"outside", "input", "DROP\n"},
		{"ping", "icmp_type", "3\npacket-too-big\n"},
		{"office", "icmp_type", ""},
		{"--help", "input", ""},
	} {
		out, said, code := invoke("silence", "--", test.section, test.option, firewall)
		if out != test.want || (code == exitOK) != (test.want != "") || (said == "") != (test.want != "") {
			t.Errorf("%s of %s: returned %d, printed %q and %q", test.option, test.section, code, out, said)
		}
	}
	out, said, code := invoke("silence", "ping", "icmp_type", "/none")
	if out != "" || code == exitOK || !strings.Contains(said, "error: option 'icmp_type' of section 'ping' of the firewall") || !strings.Contains(said, "hint: change it at Network") {
		t.Errorf("without a firewall: returned %d, printed %q and %q", code, out, said)
	}
}

// The plugin of rpcd passes on what the daemon answers, or this, and LuCI reads both.
func TestCheckPrintsWhatTheDaemonAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		text string
		code int
		want []control.Problem
	}{
		"refused": {refusedConfig, exitError, []control.Problem{
			{Text: "section 'latchkey' (main) specifies unknown option 'door': known are", Line: 4, Section: "main", Option: "door"},
			{Text: "section 'door' (nas) option 'port' specifies invalid value '70000': ports end at 65535 (line 7)", Line: 7, Section: "nas", Option: "port"},
		}},
		"doubtful": {"config latchkey 'main'\n\nconfig door 'nas'\n\toption port '22'\n", exitOK, []control.Problem{
			{Text: "section 'door' (nas) is opened by nobody", Line: 3, Section: "nas", Warning: true},
		}},
		"good": {"config latchkey 'main'\n", exitOK, []control.Problem{}},
	} {
		out, said, code := invoke("check", "--json", file(t, test.text))
		var got []control.Problem
		if err := control.Unmarshal([]byte(out), &got); err != nil || code != test.code || strings.Contains(said, "section") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: returned %d, printed %q and %q: %v", name, code, out, said, err)
		}
		for i := range min(len(got), len(test.want)) {
			if strings.HasPrefix(got[i].Text, test.want[i].Text) {
				got[i].Text = test.want[i].Text
			}
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	const step = "config latchkey 'main'\n\nconfig sequence 'home'\n\tlist step '7000/x'\n"
	for reader, args := range map[daemon.Reader][]string{daemon.ForOwner: {"check", "--json"}, daemon.ForEverybody: {"check", "--json", "--public"}} {
		if out, _, _ := invoke(append(args, file(t, step))...); strings.Contains(out, "7000") != (reader == daemon.ForOwner) {
			t.Errorf("%q prints %q", args, out)
		}
	}
}
