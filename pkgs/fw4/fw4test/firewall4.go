// SPDX-License-Identifier: Apache-2.0

package fw4test

import (
	"bytes"
	"encoding/json"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/latchkey/latchkey/pkgs/fw4"
)

// Firewall4 is Render by firewall4 itself, on the same router. It skips the test where there is none: its sources,
// which have what plays uci, ubus and files for its own tests, are the folder LATCHKEY_FIREWALL4, and
// LATCHKEY_UCODE is OpenWrt's ucode.
func Firewall4(t testing.TB, objects []fw4.Object, wan ...netip.Addr) string {
	t.Helper()
	sources, ucode := os.Getenv("LATCHKEY_FIREWALL4"), os.Getenv("LATCHKEY_UCODE")
	if sources == "" || ucode == "" {
		t.Skip("SKIP: no firewall4 of OpenWrt here (hint: LATCHKEY_FIREWALL4=FOLDER LATCHKEY_UCODE=/usr/bin/ucode)")
	}
	mocks := t.TempDir()
	for name, content := range map[string]any{
		"uci/firewall.json":                           stockFirewall(),
		"ubus/service~get_data~type-firewall.json":    map[string]any{"latchkey": map[string]any{"main": map[string]any{"firewall": published(objects)}}},
		"ubus/network.interface~dump.json":            map[string]any{"interface": interfaces(wan)},
		"uci/helpers.json":                            map[string]any{}, // of protocols whose modules are not everywhere
		"ubus/network.device~status.json":             map[string]any{},
		"fs/open~_proc_version.txt":                   "Linux version 5.10.0", // the oldest with firewall4; before 5.6 there are no sets of networks
		"fs/opendir~_usr_share_nftables_d.json":       []string{},
		"fs/opendir~_usr_share_nftables_d_chain.json": []string{},
	} {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if plain, is := content.(string); is {
			text = []byte(plain)
		}
		file := filepath.Join(mocks, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const program = `{% include("./root/usr/share/firewall4/main.uc", { getenv: name => (name == "ACTION") ? "print" : null }) %}`
	search, err := json.Marshal([]string{mocks, "./tests/mocks"})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(ucode, "-S", "-T,", "-L./tests/lib", "-L./root/usr/share/ucode", "-D", "MOCK_SEARCH_PATH="+string(search), "-l", "mocklib", "-l", "fw4", "-")
	cmd.Dir = sources
	cmd.Stdin = bytes.NewBufferString(program)
	var warnings bytes.Buffer
	cmd.Stderr = &warnings
	out, err := cmd.Output()
	if err != nil || !bytes.Contains(out, []byte("chain input_wan")) {
		t.Fatalf("firewall4: %v\n%s\n%s", err, warnings.String(), out)
	}
	return string(out)
}

// stockFirewall is OpenWrt's own configuration with a network for guests, and zones that drop what comes from outside.
func stockFirewall() map[string]any {
	type options = map[string]any
	return options{
		"defaults": options{"input": "DROP", "output": "ACCEPT", "forward": "DROP"},
		"zone": []options{
			{"name": "lan", "input": "ACCEPT", "output": "ACCEPT", "forward": "ACCEPT", "network": []string{"lan"}},
			{"name": "guest", "input": "DROP", "output": "ACCEPT", "forward": "DROP", "network": []string{"guest"}},
			{"name": "wan", "input": "DROP", "output": "ACCEPT", "forward": "DROP", "masq": "1", "network": []string{"wan", "wan2"}},
		},
		"forwarding": []options{{"src": "lan", "dest": "wan"}, {"src": "guest", "dest": "wan"}},
		"rule": []options{{"name": "Allow-ICMPv6-Input", "src": "wan", "proto": "icmp", "family": "ipv6", "target": "ACCEPT",
			"icmp_type": []string{"router-solicitation", "neighbour-solicitation", "router-advertisement", "neighbour-advertisement"}}},
	}
}

// published is what the init script makes of objects.
func published(objects []fw4.Object) (list []map[string]string) {
	for _, o := range objects {
		options := map[string]string{}
		for _, x := range o {
			options[x.Name] = x.Value
		}
		list = append(list, options)
	}
	return list
}

// interfaces is what netifd says: the first address outside is of wan, the second of wan2.
func interfaces(wan []netip.Addr) (list []map[string]any) {
	add := func(name string, addresses ...netip.Prefix) {
		v4 := []map[string]any{}
		for _, a := range addresses {
			v4 = append(v4, map[string]any{"address": a.Addr().String(), "mask": a.Bits()})
		}
		list = append(list, map[string]any{"interface": name, "up": true, "device": name, "l3_device": name,
			"ipv4-address": v4, "ipv6-address": []any{}, "ipv6-prefix-assignment": []any{}, "data": map[string]any{}})
	}
	add("lan", netip.PrefixFrom(LAN, LANNetwork.Bits()))
	add("guest", GuestRouter)
	for i, a := range wan {
		add([]string{"wan", "wan2"}[i], netip.PrefixFrom(a, 24))
	}
	return list
}
