// SPDX-License-Identifier: Apache-2.0

package uplink_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/uplink"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// table runs a test for each line of a table that LuCI's tests read, too. Of its fields "-" is nothing.
func table(t *testing.T, name string, test func(t *testing.T, field []string)) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../testdata/uplink", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range field {
			field[i] = strings.TrimPrefix(field[i], "-")
		}
		t.Run(strings.ReplaceAll(field[0], " ", "_"), func(t *testing.T) { test(t, field) })
	}
}

func sections(t *testing.T, text string) []uci.Section {
	t.Helper()
	file, errs := uci.Parse(text)
	if len(errs) > 0 {
		t.Fatalf("%v in\n%s", errs, text)
	}
	return file.Sections
}

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, problems := config.Parse("config latchkey 'main'\n" + text)
	if c == nil {
		t.Fatalf("%v in\n%s", problems, text)
	}
	return c
}

// zones writes zones as firewall4 has them: "zone NAME: NETWORK... [masq] [off]; ...". The networks of every second one,
// from the first on, are in an option, the others' in a list.
func zones(text string) string {
	var b strings.Builder
	inOption := false
	for part := range strings.SplitSeq(text, "; ") {
		name, rest, _ := strings.Cut(strings.TrimPrefix(part, "zone "), ":")
		if part == "" {
			continue
		}
		fmt.Fprintf(&b, "\nconfig zone\n\toption name '%s'\n", name)
		inOption = !inOption
		var networks []string
		for _, word := range strings.Fields(rest) {
			switch word {
			case "masq":
				b.WriteString("\toption masq '1'\n")
			case "off":
				b.WriteString("\toption enabled '0'\n")
			default:
				networks = append(networks, word)
			}
		}
		switch {
		case inOption && networks != nil:
			fmt.Fprintf(&b, "\toption network '%s'\n", strings.Join(networks, " "))
		case networks != nil:
			fmt.Fprintf(&b, "\tlist network '%s'\n", strings.Join(networks, "'\n\tlist network '"))
		}
	}
	return b.String()
}

func TestOutside(t *testing.T) {
	table(t, "outside.tsv", func(t *testing.T, field []string) {
		z := uplink.ReadZones(sections(t, zones(field[4])))
		networks := z.Networks(strings.Fields(field[1]))
		if diff := cmp.Diff(strings.Fields(field[2]), networks); diff != "" {
			t.Errorf("networks (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(strings.Fields(field[3]), z.Outside(networks)); diff != "" {
			t.Errorf("zones (-want +got):\n%s", diff)
		}
	})
}

// Whoever reads a switch of the firewall's takes what is none for one that is not set, as OpenWrt's scripts do.
func TestOutside_of_switches_that_are_no_boolean(t *testing.T) {
	for text, want := range map[string][]string{
		"option enabled 'True'": {"dsl"}, "option enabled ''": {"dsl"}, "option enabled 'no'": {"wan", "wan6"}, "option enabled '0'": {"wan", "wan6"},
	} {
		z := uplink.ReadZones(sections(t, "config zone\n\toption name 'wan'\n\toption network 'dsl'\n\t"+text+"\n"))
		if diff := cmp.Diff(want, z.Networks(nil)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
}

// A configuration that is refused may still say whether it is switched on.
func TestEnabled(t *testing.T) {
	for text, want := range map[string]bool{
		"config latchkey 'main'\n\toption enabled 'yes'\n\toption nonsense '1'\n":                     true,
		"config latchkey 'main'\n\toption enabled '1'\n\nconfig latchkey 'main'\n\toption name 'x'\n": true,
		"config latchkey 'main'\n\toption enabled '0'\n":                                              false,
		"config latchkey 'main'\n\toption enabled '1'\n\toption enabled 'off'\n":                      false,
		"config latchkey 'main'\n\toption enabled 'perhaps'\n":                                        false,
		"config latchkey 'other'\n\toption enabled '1'\n":                                             false,
		"config door 'nas'\n\toption enabled '1'\n":                                                   false,
		"": false,
	} {
		file, _ := uci.Parse(text)
		if got := uplink.Enabled(file.Sections); got != want {
			t.Errorf("%t of\n%s", got, text)
		}
	}
}

// An account of LuCI's may change these options to these values, and no other of the firewall. Our own configuration,
// which such an account may write, has no say in that.
func TestSilence(t *testing.T) {
	table(t, "silence.tsv", func(t *testing.T, field []string) {
		firewall := sections(t, strings.ReplaceAll(field[5], " | ", "\n"))
		name, option, _ := strings.Cut(field[2], " ")
		got := uplink.Silence(firewall, name, option)
		if strings.Join(got, " ") != field[3] || got != nil && len(got) == 0 { // none at all would be written, too
			t.Errorf("values %#v, want %q", got, field[3])
		}
	})
	nameless := sections(t, "config rule\n\toption src 'wan'\n\toption target 'ACCEPT'\n")
	if got := uplink.Silence(nameless, "", "enabled"); got != nil {
		t.Errorf("of a section without a name: %q", got)
	}
}

func TestFind(t *testing.T) {
	const house = "zone lan: lan office; zone wan: wan wan6; zone guest: guest down; zone old: old off; zone vpn:"
	many, manyThere := "zone lan:", ""
	for i := range 20 {
		many += fmt.Sprintf(" n%d", i)
		manyThere += fmt.Sprintf("network n%d br%d\n", i, i)
	}
	doors := `
config door 'nas'
	option port '2222'
	option dest 'attic'
	option dest_ip '192.168.1.22'

config door 'web'
	option src 'wanb'
	option port '443'

config door 'good'
	option port '444'

config door 'off'
	option src 'nowhere'
	option port '445'
	option enabled '0'
`
	for name, tt := range map[string]struct{ config, zones, there, want string }{
		"networks_that_are_there": {"", house, "network wan eth1\nnetwork wan6 eth1\nnetwork lan br-lan\n",
			"list interface 'wan'\nlist interface 'wan6'\nlist device 'eth1' # wan\nlist device 'eth1' # wan6\nlist inside 'br-lan' # lan"},
		"the_usual_wan6_that_is_not_there":         {"", house, "network wan eth1\n", "list interface 'wan'\nlist device 'eth1' # wan"},
		"none_there":                               {"", "zone wan: gone", "network lan br-lan\n", "list interface 'gone'\nlist device 'gone'\nlist missing_interface 'gone'"},
		"one_that_is_down":                         {"", house, "network wan \nnetwork wan6\n\tlist inside 'br-lan' # wan\n\tlist device 'pppoe-wan6' # wan6x\n\tlist device 'pppoe-wan' # wan\n", "list interface 'wan'\nlist interface 'wan6'\nlist device 'pppoe-wan' # wan"},
		"one_that_was_down_and_has_another_device": {"", house, "network wan eth2\n\tlist device 'eth1' # wan\n", "list interface 'wan'\nlist device 'eth2' # wan"},
		"named_ones": {"list interface 'lte'\nlist interface 'eth7'\nlist interface 'wlan'\n", house, "network lte wwan0\ndevice eth7\n\tlist device 'x' # wlan\n",
			"list device 'wwan0' # lte\nlist device 'eth7'\nlist device 'wlan'\nlist missing_interface 'wlan'"},
		"a_name_that_begins_alike": {"list interface 'wan'\n", house, "network wan6 eth1\ndevice wan0\n", "list device 'wan'\nlist missing_interface 'wan'"},
		"zones_that_are_missing":   {doors, house, "network wan eth1\n", "list interface 'wan'\nlist device 'eth1' # wan\nlist missing_zone 'attic'\nlist missing_zone 'wanb'"},
		"inside_is_what_is_not_outside": {"list interface 'wan'\n", house, "network wan eth1\nnetwork wan6 eth2\nnetwork office br-office\nnetwork guest br-guest\nnetwork down \nnetwork old br-old\n",
			"list device 'eth1' # wan\nlist inside 'br-office' # office\nlist inside 'br-guest' # guest"},
		"no_more_inside_than_the_daemon_takes": {"list interface 'wan'\n", many, "network wan eth1\n" + manyThere, "list device 'eth1' # wan\n" +
			"list inside 'br0' # n0\nlist inside 'br1' # n1\nlist inside 'br2' # n2\nlist inside 'br3' # n3\nlist inside 'br4' # n4\nlist inside 'br5' # n5\nlist inside 'br6' # n6\nlist inside 'br7' # n7\n" +
			"list inside 'br8' # n8\nlist inside 'br9' # n9\nlist inside 'br10' # n10\nlist inside 'br11' # n11\nlist inside 'br12' # n12\nlist inside 'br13' # n13\nlist inside 'br14' # n14\nlist inside 'br15' # n15"},
		"nothing": {"list interface 'wan'\n", "", "", "list device 'wan'\nlist missing_interface 'wan'"},
	} {
		t.Run(name, func(t *testing.T) {
			got := uplink.Find(parse(t, tt.config), uplink.ReadZones(sections(t, zones(tt.zones))), uplink.Networks(tt.there))
			if diff := cmp.Diff(tt.want, strings.Join(got, "\n")); diff != "" {
				t.Errorf("found (-want +got):\n%s", diff)
			}
			parse(t, tt.config+"\nconfig latchkey 'main'\n"+strings.Join(got, "\n")) // the daemon takes it
		})
	}
}

// shown turns lines as uci show prints them into configurations, ours and those of others.
func shown(t *testing.T, lines string) (ours, others string) {
	t.Helper()
	order, text := []string{"latchkey.main"}, map[string]string{"latchkey.main": "latchkey 'main'\n"}
	for line := range strings.SplitSeq(lines, " | ") {
		key, value, ok := strings.Cut(line, "=")
		part := strings.SplitN(key, ".", 3)
		if !ok || len(part) < 2 {
			t.Fatalf("line %q", line)
		}
		name := part[0] + "." + part[1]
		if len(part) == 2 {
			order = append(order, name)
			text[name] = value + " '" + strings.Trim(part[1], "@[]0123456789") + fmt.Sprint(len(order)) + "'\n"
			continue
		}
		word := map[bool]string{false: "option", true: "list"}[strings.Contains(value, "' '")]
		for v := range strings.SplitSeq(strings.Trim(value, "'"), "' '") {
			text[name] += "\t" + word + " " + part[2] + " '" + v + "'\n"
		}
	}
	for _, name := range order {
		switch kind, _, _ := strings.Cut(name, "."); kind {
		case "latchkey":
			ours += "config " + text[name]
		case "firewall", "network", "dropbear", "uhttpd":
			others += "config " + text[name]
		}
	}
	return ours, others
}

// dice draw UDP 30000 and TCP 20480-26623.
func dice() func(int) int {
	drawn := []int{30000 - uplink.FirstDrawn, 20480 - uplink.FirstDrawn}
	return func(int) int {
		n := drawn[0]
		drawn = drawn[1:]
		return n
	}
}

var span = wire.PortRange{First: 20480, Last: 26623}

// What is drawn keeps away from what receives here, and from nothing else.
func TestDraw_keeps_away_from_what_is_taken(t *testing.T) {
	table(t, "taken.tsv", func(t *testing.T, field []string) {
		ours, others := shown(t, field[2])
		wanted := strings.Fields(field[1])
		c, problems := config.Parse(ours)
		if c == nil {
			t.Fatal(problems)
		}
		udp, tcp := uplink.ReadTaken(c, sections(t, others)).Draw(dice())
		want := func(what string) bool { return !slices.Contains(wanted, what) && !slices.Contains(wanted, what+"!") }
		all := func(what string) bool { return slices.Contains(wanted, what+"!") }
		if got := udp[0] == 30000; got != (want("30000") || all("30000")) {
			t.Errorf("it takes UDP %d, which is as drawn: %t", udp[0], got)
		}
		if got := slices.Contains(udp[1:], 443); got != want("443") {
			t.Errorf("it takes UDP 443: %t", got)
		}
		if got := tcp == span; got != (want("span") || all("span")) || tcp.Count() != 6144 {
			t.Errorf("it takes TCP %v, which is as drawn: %t", tcp, got)
		}
	})
}

// The kernel tells of services whose configuration nobody here reads, and of those of each protocol apart.
func TestDraw_keeps_away_from_what_listens(t *testing.T) {
	const head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const port443, port30000, port22222 = "01BB", "7530", "56CE"
	any6 := strings.Repeat("0", 32)
	for name, tt := range map[string]struct{ file, socket, taken string }{
		"UDP_443":                      {"udp", "00000000:" + port443 + " 00000000:0000 07", "443"},
		"UDP_443_at_an_address":        {"udp", "0101A8C0:" + port443 + " 00000000:0000 07", "443"},
		"UDP_443_of_IPv6":              {"udp6", any6 + ":" + port443 + " " + any6 + ":0000 07", "443"},
		"UDP_30000":                    {"udp", "00000000:" + port30000 + " 00000000:0000 07", "30000"},
		"UDP_where_the_span_is":        {"udp", "00000000:" + port22222 + " 00000000:0000 07", ""},
		"TCP_in_the_span":              {"tcp", "00000000:" + port22222 + " 00000000:0000 0A", "span"},
		"TCP_of_IPv6_in_the_span":      {"tcp6", any6 + ":" + port22222 + " " + any6 + ":0000 0A", "span"},
		"TCP_443":                      {"tcp", "00000000:" + port443 + " 00000000:0000 0A", ""},
		"a_connection_from_the_span":   {"tcp", "0101A8C0:" + port22222 + " 0201A8C0:0016 01", ""},
		"UDP_that_asks_port_443":       {"udp", "0101A8C0:9C40 08080808:" + port443 + " 01", ""},
		"UDP_that_asks_from_443":       {"udp", "0101A8C0:" + port443 + " 08080808:01BB 01", ""},
		"UDP_443_for_this_machine":     {"udp", "0100007F:" + port443 + " 00000000:0000 07", ""},
		"the_same_on_big_endian":       {"udp", "7F000001:" + port443 + " 00000000:0000 07", ""},
		"the_same_of_IPv6":             {"udp6", "00000000000000000000000001000000:" + port443 + " " + any6 + ":0000 07", ""},
		"it_on_big_endian":             {"udp6", "00000000000000000000000000000001:" + port443 + " " + any6 + ":0000 07", ""},
		"a_socket_that_waits_for_none": {"tcp", "00000000:" + port22222 + " 00000000:0000 02", ""},
		"a_line_that_is_cut":           {"udp", "00000000", ""},
	} {
		t.Run(name, func(t *testing.T) {
			var taken uplink.Taken
			taken.AddSockets(tt.file[:3] + " " + head + tt.file[:3] + "  123: " + tt.socket + " 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n")
			udp, tcp := taken.Draw(dice())
			if (udp[0] != 30000) != (tt.taken == "30000") || (len(udp) == 1) != (tt.taken == "443") || (tcp != span) != (tt.taken == "span") {
				t.Errorf("it takes UDP %v and TCP %v; taken is %q", udp, tcp, tt.taken)
			}
		})
	}
}

func TestDraw_finds_the_only_place(t *testing.T) {
	c := parse(t, "config door 'x'\noption port '1-29999/udp 30001-65535/udp 1-20000/tcp 26145-65535/tcp'\n")
	for _, from := range []int{0, 5000, 16542} { // wherever it begins to look
		udp, tcp := uplink.ReadTaken(c, nil).Draw(func(n int) int { return from % n })
		if want := (wire.PortRange{First: 20001, Last: 26144}); len(udp) != 1 || udp[0] != 30000 || tcp != want {
			t.Errorf("from place %d on it takes UDP %v and TCP %v, want 30000 and %v", from, udp, tcp, want)
		}
	}
}

// Where nothing is free, ports are drawn nevertheless: knocks by one of two kinds arrive, and checks warn.
func TestDraw_where_nothing_is_free(t *testing.T) {
	c := parse(t, "config door 'x'\nlist proto 'tcp'\nlist proto 'udp'\noption port '1-65535'\n")
	udp, tcp := uplink.ReadTaken(c, nil).Draw(func(n int) int { return n - 1 })
	if want := (wire.PortRange{First: 26624, Last: 32767}); len(udp) != 1 || udp[0] != 32767 || tcp != want {
		t.Errorf("it takes UDP %v and TCP %v", udp, tcp)
	}
}
