// SPDX-License-Identifier: Apache-2.0

package share_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/share"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	keyText  = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
	carriers = "\toption stun_port '41641'\n\toption ports '20480-26623'\n"
	doors    = `
config door 'web'
	option title 'The web page: router'
	option port '443'
	option proto 'udp tcp'

config door 'nas'
	option port '2022'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'
	option dest_port '22'
`
	phone = "\nconfig client 'phone'\n\toption key '" + keyText + "'\n\toption door 'nas web'\n"
	rest  = doors + phone
)

var now = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// parse reads a configuration whose section main has some more lines.
func parse(t *testing.T, main, rest string) *config.Config {
	t.Helper()
	c, problems := config.Parse("config latchkey 'main'\n" + main + rest)
	if c == nil {
		t.Fatal(problems)
	}
	return c
}

func hosts(list ...string) string {
	if len(list) == 0 {
		return ""
	}
	return "\toption host '" + strings.Join(list, " ") + "'\n"
}

func TestMake(t *testing.T) {
	c := parse(t, carriers+hosts("home.example.net", "203.0.113.7", "2001:db8::7")+"\toption name 'Mum & Dad'\n\toption page 'https://knock.example.net/'\n",
		rest+"config ports\n\toption ports '500-600,700-854'\n\tlist header '9001'\n")
	got, warnings, err := share.Make(now, c, "phone")
	if err != nil || len(warnings) > 0 {
		t.Errorf("warnings %v, %v", warnings, err)
	}
	want := link.Link{
		Page: "https://knock.example.net/", Name: "Mum & Dad", Host: "home.example.net",
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::7")},
		STUNPorts: []uint16{41641}, Ports: 20480, Key: c.Clients[0].Key, Doors: []string{"nas", "web"},
		Ordered: &knock.Ordered{Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 854}}, Header: []uint16{9001}},
		About: []link.Door{
			{Name: "nas", TCP: true, Ports: []wire.PortRange{{First: 2022, Last: 2022}}, Service: "ssh"},
			{Name: "web", TCP: true, UDP: true, Ports: []wire.PortRange{{First: 443, Last: 443}}, Service: "https", Title: "The web page: router"},
		},
		Times: []link.Time{{Door: "nas", Usual: 30 * time.Second, Most: time.Hour}, {Door: "web", Usual: 30 * time.Second, Most: time.Hour}},
	}
	same := cmpopts.EquateComparable(netip.Addr{}, seal.Key{})
	if diff := cmp.Diff(want, got, same); diff != "" {
		t.Errorf("link (-want +got):\n%s", diff)
	}
	several := parse(t, "\tlist stun_port '41641'\n\tlist stun_port '443'\n"+hosts("home.example.net"), rest)
	if l, _, err := share.Make(now, several, "phone"); err != nil || !slices.Equal(l.STUNPorts, []uint16{41641, 443}) {
		t.Errorf("ports %v, %v: want those of stun_port, in their order", l.STUNPorts, err)
	}
	read, err := link.Parse(got.Text())
	if diff := cmp.Diff(want, read, same); err != nil || diff != "" {
		t.Errorf("its text reads as %v (-want +got):\n%s", err, diff)
	}
}

// A link is true for readers that know part 'i' alone: that has the port that clients connect to.
func TestMake_tells_all_ports(t *testing.T) {
	ports := func(list ...uint16) (ranges []wire.PortRange) {
		for i := 0; i < len(list); i += 2 {
			ranges = append(ranges, wire.PortRange{First: list[i], Last: list[i+1]})
		}
		return ranges
	}
	for option, want := range map[string]link.Door{
		"'80 8000-8010'":          {TCP: true, Ports: ports(80, 80, 8000, 8010), Service: "http"},
		"'22 60000-61000/udp'":    {TCP: true, Ports: ports(22, 22), Other: ports(60000, 61000), Service: "ssh"},
		"'60000-61000/udp 22'":    {UDP: true, Ports: ports(60000, 61000), Other: ports(22, 22)},
		"'53/tcp 853/tcp 53/udp'": {TCP: true, Ports: ports(53, 53, 853, 853), Other: ports(53, 53)},
		"'53/udp 53/tcp'":         {TCP: true, UDP: true, Ports: ports(53, 53)},
		"'7/udp'":                 {UDP: true, Ports: ports(7, 7)},
	} {
		c := parse(t, "config latchkey 'main'\n\toption stun_port '41641'\n\toption host 'home.example.net'\n", "config door 'a'\n\toption port "+option+
			"\nconfig client 'phone'\n\toption key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n\tlist door 'a'\n")
		l, _, err := share.Make(now, c, "phone")
		if err != nil {
			t.Fatal(err)
		}
		read, err := link.Parse(l.Text())
		want.Name = "a"
		if diff := cmp.Diff([]link.Door{want}, read.About); err != nil || diff != "" {
			t.Errorf("port %s: %v (-want +got):\n%s", option, err, diff)
		}
	}
}

func TestMake_calls_a_router_without_a_name_home(t *testing.T) {
	for name, want := range map[string]string{"": "home", "\toption name 'OpenWrt'\n": "home", "\toption name 'Attic'\n": "Attic"} {
		if l, _, err := share.Make(now, parse(t, carriers+name, rest), "phone"); err != nil || l.Name != want {
			t.Errorf("%q: called %q, %v; want %q", name, l.Name, err, want)
		}
	}
}

// Which hosts a link has, and what is said of them.
func TestMake_hosts(t *testing.T) {
	for name, test := range map[string]struct {
		hosts    []string
		host     string
		address  string
		warnings []string // word, and what the text must have
	}{
		"nothing":                   {warnings: []string{share.NoAddress, "option host"}},
		"a name":                    {hosts: []string{"home.example.net"}, host: "home.example.net"},
		"a name and addresses":      {hosts: []string{"203.0.113.7", "home.example.net", "2001:db8::7"}, host: "home.example.net", address: "[203.0.113.7 2001:db8::7]"},
		"an address":                {hosts: []string{"203.0.113.7"}, address: "[203.0.113.7]", warnings: []string{share.MayChange, "addresses only"}},
		"IPv6 only":                 {hosts: []string{"2001:db8::7"}, address: "[2001:db8::7]", warnings: []string{share.MayChange, ""}},
		"10/8":                      {hosts: []string{"10.0.0.2"}, address: "[10.0.0.2]", warnings: []string{share.PrivateAddress, "10.0.0.2"}},
		"172.16/12":                 {hosts: []string{"172.16.0.2"}, address: "[172.16.0.2]", warnings: []string{share.PrivateAddress, "172.16.0.2"}},
		"192.168/16":                {hosts: []string{"192.168.0.2"}, address: "[192.168.0.2]", warnings: []string{share.PrivateAddress, ""}},
		"100.64/10":                 {hosts: []string{"100.64.0.2"}, address: "[100.64.0.2]", warnings: []string{share.CarrierAddress, "100.64.0.2"}},
		"the end of 100.64/10":      {hosts: []string{"100.127.255.254"}, address: "[100.127.255.254]", warnings: []string{share.CarrierAddress, ""}},
		"DS-Lite":                   {hosts: []string{"192.0.0.2"}, address: "[192.0.0.2]", warnings: []string{share.CarrierAddress, ""}},
		"link-local":                {hosts: []string{"169.254.1.1", "fe80::1"}, address: "[169.254.1.1 fe80::1]", warnings: []string{share.PrivateAddress, "[169.254.1.1 fe80::1]"}},
		"ULA":                       {hosts: []string{"fd12::1"}, address: "[fd12::1]", warnings: []string{share.PrivateAddress, ""}},
		"mapped":                    {hosts: []string{"::ffff:192.168.0.2"}, address: "[192.168.0.2]", warnings: []string{share.PrivateAddress, ""}},
		"private and carrier's":     {hosts: []string{"fd12::1", "100.64.0.2"}, address: "[fd12::1 100.64.0.2]", warnings: []string{share.CarrierAddress, ""}},
		"carrier's and private":     {hosts: []string{"100.64.0.2", "fd12::1"}, address: "[100.64.0.2 fd12::1]", warnings: []string{share.CarrierAddress, ""}},
		"carrier's and public IPv6": {hosts: []string{"100.64.0.2", "2001:db8::7"}, address: "[2001:db8::7]", warnings: []string{share.MayChange, ""}},
		"a name, and private":       {hosts: []string{"home.example.net", "192.168.0.2"}, host: "home.example.net", warnings: []string{share.PrivateAddress, "192.168.0.2"}},
		"a name, and carrier's":     {hosts: []string{"home.example.net", "100.64.0.2"}, host: "home.example.net", warnings: []string{share.CarrierAddress, ""}},
		"a local name":              {hosts: []string{"router.lan"}, host: "router.lan", warnings: []string{share.LocalName, "router.lan"}},
		"a short name, and public":  {hosts: []string{"router", "203.0.113.7"}, host: "router", address: "[203.0.113.7]", warnings: []string{share.LocalName, ""}},
	} {
		l, warnings, err := share.Make(now, parse(t, carriers+hosts(test.hosts...), rest), "phone")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if test.address == "" {
			test.address = "[]"
		}
		if l.Host != test.host || fmt.Sprint(l.Addresses) != test.address {
			t.Errorf("%s: host %q, addresses %v, want %q, %s", name, l.Host, l.Addresses, test.host, test.address)
		}
		if test.warnings == nil && len(warnings) > 0 ||
			test.warnings != nil && (len(warnings) != 1 || warnings[0].Word != test.warnings[0] || !strings.Contains(warnings[0].Text, test.warnings[1])) {
			t.Errorf("%s: warnings %q, want %q", name, warnings, test.warnings)
		}
	}
}

func TestMake_has_up_to_8_addresses(t *testing.T) {
	var many []string
	for i := range config.MaxHosts {
		many = append(many, fmt.Sprintf("203.0.113.%d", i+1))
	}
	l, _, err := share.Make(now, parse(t, carriers+hosts(many...), rest), "phone")
	if err != nil || len(l.Addresses) != link.MaxAddresses {
		t.Errorf("%d addresses, %v", len(l.Addresses), err)
	}
	if _, err := link.Parse(l.Text()); err != nil {
		t.Error(err)
	}
}

// What no client takes is marked, too.
func TestMake_marks_what_is_of_no_use(t *testing.T) {
	const known = "\toption host 'home.example.net'\n"
	for name, test := range map[string]struct{ main, rest, word string }{
		"no door":    {carriers + known, "config client 'phone'\n\toption key '" + keyText + "'\n", share.NoDoor},
		"no carrier": {known, rest, share.NoCarrier},
		"no address": {carriers, rest, share.NoAddress},
		"both off":   {"\toption stun_port '0'\n" + known, rest, share.NoCarrier},
	} {
		l, warnings, err := share.Make(now, parse(t, test.main, test.rest), "phone")
		if err != nil || len(warnings) != 1 || warnings[0].Word != test.word || !warnings[0].Useless() {
			t.Errorf("%s: warnings %q, %v", name, warnings, err)
		}
		if _, err := link.Parse(l.Text()); err == nil {
			t.Errorf("%s: a client takes the link: it needs no such warning", name)
		}
	}
	for name, main := range map[string]string{"stun": "\toption stun_port '1'\n", "ports": "\toption ports '20480-26623'\n"} {
		if _, warnings, err := share.Make(now, parse(t, main+known, rest), "phone"); err != nil || len(warnings) > 0 {
			t.Errorf("%s only: warnings %q, %v", name, warnings, err)
		}
	}
}

// What the router would refuse is not handed out as if it opened.
func TestMake_marks_what_the_router_refuses(t *testing.T) {
	const known = carriers + "\toption host 'home.example.net'\n"
	off := strings.Replace(doors, "config door 'nas'\n", "config door 'nas'\n\toption enabled '0'\n", 1)
	for name, test := range map[string]struct{ main, rest, doors, word, text string }{
		"all is well":              {known, rest, "nas web", "", ""},
		"a client that is off":     {known, doors + phone + "\toption enabled '0'\n", "nas web", share.ClientOff, "'phone'"},
		"a client that was":        {known, doors + phone + "\toption expires '2026-11-24'\n", "nas web", share.ClientOff, "'phone'"},
		"a client on its last day": {known, doors + phone + "\toption expires '2026-11-25'\n", "nas web", "", ""},
		"one door that is off":     {known, off + phone, "web", "", ""},
		"the only door is off":     {known, off + strings.Replace(phone, "nas web", "nas", 1), "", share.NoDoor, "no door that it may open"},
		"an IPv4 host by IPv6": {carriers + hosts("2001:db8::7"), strings.Replace(rest, "\toption dest_ip6 '::22'\n", "", 1),
			"nas web", share.NoFamily, "refused: nas (give"},
		"an IPv6 host by IPv4": {carriers + hosts("203.0.113.7"), strings.Replace(rest, "\toption dest_ip '192.168.1.22'\n", "", 1),
			"nas web", share.NoFamily, "refused: nas (give"},
		"an IPv4 host by both": {carriers + hosts("203.0.113.7", "2001:db8::7"), strings.Replace(rest, "\toption dest_ip6 '::22'\n", "", 1),
			"nas web", "", ""},
		"an IPv4 host by a name": {known, strings.Replace(rest, "\toption dest_ip6 '::22'\n", "", 1), "nas web", "", ""},
	} {
		l, warnings, err := share.Make(now, parse(t, test.main, test.rest), "phone")
		warnings = slices.DeleteFunc(warnings, func(w share.Warning) bool { return w.Word == share.MayChange })
		said := ""
		for _, w := range warnings {
			said += w.Word
			if _, err := link.Parse(l.Text()); w.Useless() != (err != nil) {
				t.Errorf("%s: %s says that no client takes the link: %v, but %v", name, w.Word, w.Useless(), err)
			}
		}
		if err != nil || said != test.word || said != "" && !strings.Contains(warnings[0].Text, test.text) || strings.Join(l.Doors, " ") != test.doors {
			t.Errorf("%s: doors %q, warnings %q, %v", name, l.Doors, warnings, err)
		}
	}
}

func TestMake_leaves_out_doors_that_have_no_room(t *testing.T) {
	var all strings.Builder
	all.WriteString(phone)
	for i := range link.MaxDoors + 3 {
		fmt.Fprintf(&all, "\tlist door 'd%d'\n", i)
	}
	all.WriteString(doors)
	for i := range link.MaxDoors + 3 {
		fmt.Fprintf(&all, "config door 'd%d'\n\toption port '%d'\n\toption title '%s'\n", i, 1000+i, strings.Repeat("t", config.MaxTitle))
	}
	l, warnings, err := share.Make(now, parse(t, carriers+hosts("home.example.net"), all.String()), "phone")
	if err != nil || len(l.Doors) != link.MaxDoors || len(warnings) != 1 || warnings[0].Word != share.TooManyDoors || !strings.Contains(warnings[0].Text, "first 64 of 69") {
		t.Errorf("%d doors, warnings %q, %v", len(l.Doors), warnings, err)
	}
	if _, err := link.Parse(l.Text()); err != nil {
		t.Error(err)
	}
}

func TestMake_refuses(t *testing.T) {
	c := parse(t, carriers, rest+`
config client 'app'
	option kind 'fwknop'
	option key 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
	option hmac_key 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
`)
	for client, want := range map[string]string{"": "no client ''", "nas": "no client 'nas'", "app": "is of kind 'fwknop'"} {
		l, _, err := share.Make(now, c, client)
		if err == nil || !strings.Contains(err.Error(), want) || l.Doors != nil {
			t.Errorf("%q: %v, %v", client, l, err)
		}
	}
	var many strings.Builder
	many.WriteString(phone)
	for i := range link.MaxDoors - 2 {
		fmt.Fprintf(&many, "\tlist door '%s%02d'\n", strings.Repeat("e", config.MaxName-2), i)
	}
	many.WriteString(doors)
	for i := range link.MaxDoors - 2 {
		fmt.Fprintf(&many, "config door '%s%02d'\n\toption port '%d'\n", strings.Repeat("e", config.MaxName-2), i, 1000+i)
	}
	page := "\toption page 'http://" + strings.Repeat("x", 1000) + "'\n\toption name '" + strings.Repeat("&", link.MaxName) + "'\n"
	groups := strings.Builder{}
	for i := range config.MaxPortGroups {
		fmt.Fprintf(&groups, "%d-%d,", 30000+100*i, 30010+100*i)
	}
	ports := "config ports\n\toption ports '" + strings.TrimSuffix(groups.String(), ",") + "'\n"
	var addresses []string
	for i := range link.MaxAddresses {
		addresses = append(addresses, fmt.Sprintf("2001:db8:1111:2222:3333:4444:5555:666%d", i))
	}
	if _, _, err := share.Make(now, parse(t, carriers+page+hosts(addresses...), many.String()+ports), "phone"); err == nil || !strings.Contains(err.Error(), "the limit is 4096") {
		t.Errorf("a link that is too long: %v", err)
	}
}
