// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/offer/offertest"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

// newPickupRouter returns a router with three clients, whose latchkeyd is the real one. The key of phone is the one that
// offertest listens for.
func newPickupRouter(t *testing.T) *router {
	t.Helper()
	r := newRouter(t)
	r.write("etc/config/latchkey", oneDoor+`
config client 'phone'
	option key '3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs='
	list door 'nas'

config client 'laptop'
	option key 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
	list door 'nas'

config client 'app'
	option kind 'fwknop'
	option key 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
	option hmac_key 'AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='

config client 'useless'
	option key 'AgIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA='
`)
	r.write("etc/config/system", "config system\n\toption hostname 'home'\n")
	if err := os.Remove(r.path("bin/latchkeyd")); err != nil {
		t.Fatal(err)
	}
	build := exec.Command("go", "build", "-o", r.path("bin/latchkeyd"), "../../cmd/latchkeyd")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return r
}

// handsOut returns a router whose plugin and program are the real ones, behind a stand-in for its web server.
func handsOut(t *testing.T) *offertest.Router {
	r := newPickupRouter(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ear := offertest.Serve(t, l, &offertest.Web{PickUp: func(name string) map[string]any {
		return r.call("pickup", map[string]any{"name": name})
	}})
	return &offertest.Router{
		URL: "http://" + l.Addr().String(), Client: http.DefaultClient, Ear: ear, Folder: r.path("var/run/latchkey.offers"),
		Offer: func(t *testing.T, client, link string) string {
			return offerWith(t, r.path("bin/latchkeyd"), r.path("var/run/latchkey.offers"), client, link)
		},
	}
}

func testOffer(t *testing.T) {
	r := newPickupRouter(t)
	r.write("etc/config/latchkey", r.read("etc/config/latchkey")+mainWith("home.example.net 203.0.113.7 2001:db8::1")+"\toption name 'Mum & Dad'\n")
	args := map[string]any{"client": "phone", "page": "http://192.168.1.1/latchkey/"}
	want, ok := r.call("link", args)["link"].(string)
	if !ok {
		t.Fatal("there is no link")
	}
	if l, err := link.Parse(want); err != nil || l.Name != "Mum & Dad" || l.Host != "home.example.net" || len(l.Addresses) != 2 {
		t.Errorf("link %v, %v", l, err)
	}
	got := r.call("offer", args)
	address, _ := got["address"].(string)
	text, found := strings.CutPrefix(address, "http://192.168.1.1/latchkey/#")
	code, err := pickup.ParseCode(text)
	if !found || err != nil || got["minutes"] != 15.0 || len(got["warnings"].([]any)) != 0 || len(got) != 3 {
		t.Fatalf("offer answers %v: %v", got, err)
	}
	answer, _ := r.call("pickup", map[string]any{"name": code.Name()})["answer"].(string)
	if opened, err := code.Open(answer); err != nil || opened != want {
		t.Errorf("picked up %q, %v; want %q", opened, err, want)
	}
	if _, err := os.Stat(r.path("var/run/latchkey.rpc")); !os.IsNotExist(err) {
		t.Errorf("the link is left in a file: %v", err)
	}
	for name, client := range map[string]any{
		"none": nil, "nobody": "nobody", "a door": "nas", "of another kind": "app", "a command": "phone; id", "lines": "phone\n; id",
	} {
		if got := r.call("offer", map[string]any{"client": client, "page": "http://192.168.1.1/latchkey/"}); got["error"] == nil || got["address"] != nil {
			t.Errorf("%s: offer answers %v", name, got)
		}
	}
	if got := r.call("link", map[string]any{"client": "app"}); got["hint"] != "give the fwknop client its keys by hand" {
		t.Errorf("of another kind: link answers %v", got)
	}
	if got := r.call("offer", map[string]any{"client": "phone"}); got["error"] == nil {
		t.Errorf("without a page, offer answers %v", got)
	}
	for _, page := range []string{"javascript:alert(1)", "file:///x.html", "http://a b/"} {
		if got := r.call("offer", map[string]any{"client": "phone", "page": page}); got["error"] == nil || got["address"] != nil {
			t.Errorf("at the page %q, offer answers %v", page, got)
		}
		if got := r.call("link", map[string]any{"client": "phone", "page": page}); got["error"] == nil || got["link"] != nil {
			t.Errorf("with the page %q, link answers %v", page, got)
		}
	}
}

// mainWith returns a section main with the hosts that are given, with spaces between.
func mainWith(hosts string) string {
	return "\nconfig latchkey 'main'\n\toption host '" + hosts + "'\n"
}

// What latchkeyd says of a link is in the answers, and a link that no device can use is not offered.
func testLinkWarnings(t *testing.T) {
	r := newPickupRouter(t)
	words := func(answer map[string]any) (words []string) {
		list, _ := answer["warnings"].([]any)
		for _, w := range list {
			entry := w.(map[string]any)
			if entry["text"] == "" || entry["text"] == nil {
				t.Errorf("a warning without words: %v", entry)
			}
			words = append(words, entry["word"].(string))
		}
		return words
	}
	text, system := r.read("etc/config/latchkey"), r.read("etc/config/system")
	for name, test := range map[string]struct {
		client   string
		hosts    string // in section main
		ddns     string
		hostname string
		want     []string
		offered  bool
	}{
		"a name":             {client: "phone", hosts: "home.example.net", offered: true},
		"an address":         {client: "phone", hosts: "203.0.113.7", want: []string{"may-change"}, offered: true},
		"an address, a name": {client: "phone", hosts: "203.0.113.7", ddns: "home.example.net", offered: true},
		"a private one":      {client: "phone", hosts: "192.168.2.2", want: []string{"private-address"}, offered: true},
		"a carrier's":        {client: "phone", hosts: "100.64.2.2", want: []string{"carrier-address"}, offered: true},
		"nothing":            {client: "phone", want: []string{"no-address"}},
		"no door":            {client: "useless", hosts: "home.example.net", want: []string{"no-door"}},
		"nothing at all":     {client: "useless", want: []string{"no-door", "no-address"}},
		"a local name":       {client: "phone", hosts: "router.lan", want: []string{"local-name"}, offered: true},
		"a hostile host":     {client: "phone", ddns: "x\nconfig door 'all", want: []string{"no-address"}},
		"a hostile name":     {client: "phone", ddns: "x.example", hostname: "$(id)`id`\n"},
		"too many hosts":     {client: "phone", hosts: "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8 1.1.1.9 1.1.1.10"},
		"a second name":      {client: "phone", hosts: "a.example b.example"},
	} {
		r.write("etc/config/latchkey", text+mainWith(test.hosts))
		r.write("etc/config/system", system)
		if test.hostname != "" {
			r.write("etc/config/system", "config system\n\toption hostname \""+test.hostname+"\"\n")
		}
		r.write("etc/config/ddns", "config service 'mine'\n\toption enabled '1'\n\toption lookup_host \""+test.ddns+"\"\n")
		args := map[string]any{"client": test.client, "page": "http://192.168.1.1/latchkey/"}
		made, offered := r.call("link", args), r.call("offer", args)
		if test.want != nil && made["link"] == nil || !slices.Equal(words(made), test.want) || !slices.Equal(words(offered), test.want) {
			t.Errorf("%s: link answers %v, offer %v, want %q", name, made, offered, test.want)
		}
		if (offered["address"] != nil) != test.offered || (offered["error"] == nil) != test.offered {
			t.Errorf("%s: offer answers %v", name, offered)
		}
	}
}

// The section main says what links have; what it leaves open is looked up.
func testLinkFromConfiguration(t *testing.T) {
	r := newPickupRouter(t)
	text := r.read("etc/config/latchkey")
	get := func(args map[string]any) link.Link {
		t.Helper()
		args["client"] = "phone"
		answer := r.call("link", args)
		made, _ := answer["link"].(string)
		l, err := link.Parse(made)
		if err != nil {
			t.Fatalf("link answers %v: %v", answer, err)
		}
		return l
	}
	const own = "http://192.168.1.1/latchkey/"
	r.write("etc/config/ddns", "config service 'mine'\n\toption enabled '1'\n\toption lookup_host 'ddns.example.net'\n")
	if l := get(map[string]any{"page": own}); l.Host != "ddns.example.net" || l.Name != "home" || l.Page != own {
		t.Errorf("looked up: %q, %q, %q", l.Host, l.Name, l.Page)
	}
	r.write("etc/config/latchkey", text+"\nconfig latchkey 'main'\n\toption host 'a.example.net'\n\tlist host '203.0.113.9'\n\toption name 'Attic'\n\toption page 'https://app.example.net/'\n")
	l := get(map[string]any{"page": own})
	if l.Host != "a.example.net" || len(l.Addresses) != 1 || l.Addresses[0].String() != "203.0.113.9" || l.Name != "Attic" || l.Page != "https://app.example.net/" {
		t.Errorf("configured: %q, %v, %q, %q", l.Host, l.Addresses, l.Name, l.Page)
	}
	if l := get(map[string]any{"page": "x"}); l.Page != "https://app.example.net/" {
		t.Errorf("a page that is not used: %q", l.Page)
	}
	r.write("etc/config/system", "config system\n\toption hostname '"+strings.Repeat("h", 65)+"'\n")
	if l := get(map[string]any{"page": own}); l.Name != "Attic" {
		t.Errorf("a hostname that is not used: %q", l.Name)
	}
	offered := r.call("offer", map[string]any{"client": "phone", "page": own})
	if address, _ := offered["address"].(string); !strings.HasPrefix(address, own+"#") {
		t.Errorf("the link is to be picked up at %v, not at the router's own page", offered)
	}
	for _, page := range []string{"javascript:alert(1)", "http://a b/", "x\nhttp://192.168.1.1/"} { // the link has another one
		if got := r.call("offer", map[string]any{"client": "phone", "page": page}); got["error"] == nil || got["address"] != nil {
			t.Errorf("to be picked up at %q, offer answers %v", page, got)
		}
	}
	app := r.call("link", map[string]any{"client": "phone", "page": own, "app": true})
	if made, _ := app["link"].(string); !strings.HasPrefix(made, "latchkey:v=1&") {
		t.Errorf("the app's code is %v", app)
	}
	r.write("etc/config/latchkey", text+"\nconfig door 'bad'\n\toption port 'x'\n")
	if got := r.call("link", map[string]any{"client": "phone", "page": own}); got["link"] != nil || !strings.Contains(fmt.Sprint(got["error"]), "option 'port' specifies invalid value 'x'") ||
		got["hint"] != "latchkeyd check tells what is wrong with the configuration" {
		t.Errorf("of a configuration that is refused, link answers %v", got)
	}
}

// What is found, and is no host, stays out of the link: the owner typed none of it.
func testLinkFoundHosts(t *testing.T) {
	r := newPickupRouter(t)
	text := r.read("etc/config/latchkey")
	const dump = `{ interface: [ { interface: 'wan', l3_device: 'pppoe-wan', 'ipv4-address': [ { address: 'odd' }, { address: '203.0.113.9' } ], 'ipv6-address': [ { address: 'fe80::1%wan' } ] },
		{ interface: 'wan_6', l3_device: 'pppoe-wan', 'ipv6-address': [ { address: '2001:db8::9' } ] },
		{ interface: 'lan', l3_device: 'br-lan', 'ipv4-address': [ { address: '192.0.2.1' } ] }, { interface: 'off', 'ipv4-address': [ { address: '192.0.2.2' } ] } ] }`
	for name, tt := range map[string]struct {
		lookup, main string
		host         string
		addresses    int
	}{
		"an_account":          {"me@home.example", "", "second.example.net", 2},
		"a_URL":               {"https://home.example/", "", "second.example.net", 2},
		"a_line":              {"x\nconfig door 'all", "", "second.example.net", 2},
		"an_address":          {"203.0.113.77", "", "second.example.net", 2},
		"empty_label":         {"a..b", "", "second.example.net", 2},
		"a_hyphen_at_its_end": {"a-.example", "", "second.example.net", 2},
		"a_long_label":        {strings.Repeat("a", 64) + ".example", "", "second.example.net", 2},
		"a_name":              {"my_home-1.example.", "", "my_home-1.example", 2},
		"eight_are_typed":     {"home.example", "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4 1.1.1.5 1.1.1.6 1.1.1.7 1.1.1.8", "home.example", 8},
		"typed_is_an_account": {"home.example", "me@home.example", "", -1},
	} {
		t.Run(name, func(t *testing.T) {
			r.write("etc/config/ddns", "config service 'one'\n\toption enabled '1'\n\toption lookup_host '"+strings.ReplaceAll(tt.lookup, "'", `'\''`)+
				"'\n\nconfig service 'two'\n\toption enabled '1'\n\toption lookup_host 'second.example.net'\n")
			r.write("etc/config/latchkey", text+"\nconfig latchkey 'main'\n\toption host '"+tt.main+"'\n")
			r.plugin("import { connect as ubus } from 'ubus';", "function ubus() { return { call: (object, method) => method == 'dump' ? "+dump+" : null }; }")
			r.write("call.uc", "printf('%J', loadfile('"+r.path("plugin.uc")+"', { raw_mode: true })().latchkey.link.call({ args: { client: 'phone', page: 'http://192.168.1.1/latchkey/' } }));")
			got := r.ucode()
			made, _ := got["link"].(string)
			l, err := link.Parse(made)
			if tt.addresses < 0 {
				if got["error"] == nil || made != "" {
					t.Errorf("answers %v", got)
				}
				return
			}
			if err != nil || l.Host != tt.host || len(l.Addresses) != tt.addresses {
				t.Errorf("answers %v: %v, host %q, addresses %v", got, err, l.Host, l.Addresses)
			}
		})
	}
}

// What dynamic DNS keeps for this router is in its links, by the rule that LuCI shows it by.
func testLinkDDNS(t *testing.T) {
	r := newPickupRouter(t)
	for _, field := range table(t, "ddns.tsv") {
		r.write("etc/config/ddns", strings.ReplaceAll(field[2], " | ", "\n"))
		made, _ := r.call("link", map[string]any{"client": "phone", "page": "http://192.168.1.1/latchkey/"})["link"].(string)
		l, _ := link.Parse(made) // without a name it has no address, and no client takes it
		if l.Host != field[1] {
			t.Errorf("%s: the link has the name %q, want %q", field[0], l.Host, field[1])
		}
	}
}

// So are the addresses that face the Internet.
func testLinkFacing(t *testing.T) {
	r := newPickupRouter(t)
	text := r.read("etc/config/latchkey")
	for _, field := range table(t, "facing.tsv") {
		type address struct {
			Address string `json:"address"`
		}
		type network struct {
			Name   string    `json:"interface"`
			Device string    `json:"l3_device,omitempty"`
			Four   []address `json:"ipv4-address"`
			Six    []address `json:"ipv6-address"`
		}
		var dump struct {
			Networks []network `json:"interface"`
		}
		for part := range strings.SplitSeq(field[3], "; ") {
			at, addresses, _ := strings.Cut(part, ": ")
			var n network
			n.Name, n.Device, _ = strings.Cut(at, " ")
			for _, a := range strings.Fields(addresses) {
				if strings.Contains(a, ":") {
					n.Six = append(n.Six, address{a})
				} else {
					n.Four = append(n.Four, address{a})
				}
			}
			dump.Networks = append(dump.Networks, n)
		}
		known, err := json.Marshal(dump)
		if err != nil {
			t.Fatal(err)
		}
		r.write("etc/config/latchkey", text+"\nconfig latchkey 'main'\n\toption interface '"+field[1]+"'\n")
		r.plugin("import { connect as ubus } from 'ubus';", "function ubus() { return { call: (object, method) => method == 'dump' ? "+string(known)+" : null }; }")
		r.write("call.uc", "printf('%J', loadfile('"+r.path("plugin.uc")+"', { raw_mode: true })().latchkey.link.call({ args: { client: 'phone', page: 'http://192.168.1.1/latchkey/' } }));")
		made, _ := r.ucode()["link"].(string)
		l, _ := link.Parse(made) // one without addresses is useless
		if got := strings.Trim(fmt.Sprint(l.Addresses), "[]"); got != field[2] {
			t.Errorf("%s: the link has the addresses %q, want %q", field[0], got, field[2])
		}
	}
}

// table returns the lines of a table that LuCI's tests read, too. Of its fields "-" is nothing.
func table(t *testing.T, name string) (lines [][]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../testdata/uplink", name))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		for i := range fields {
			fields[i] = strings.TrimPrefix(fields[i], "-")
		}
		lines = append(lines, fields)
	}
	return lines
}

// webVariable names the address of a router's web server whose latchkeyd and /var/run are this machine's, such
// as http://127.0.0.1:8088: see CONTRIBUTING.md.
const webVariable = "LATCHKEY_WEB"

// What the stand-in for uhttpd, rpcd and the access list does is what the real ones do.
func TestPickUpFromWebServer(t *testing.T) {
	url := os.Getenv(webVariable)
	if url == "" {
		t.Skip("SKIP: no web server of OpenWrt here (" + webVariable + ")")
	}
	offertest.Conformance(t, func(t *testing.T) *offertest.Router {
		folder := "/var/run/latchkey.offers"
		if err := os.RemoveAll(folder); err != nil {
			t.Fatal(err)
		}
		return &offertest.Router{URL: url, Client: http.DefaultClient, Folder: folder, Offer: func(t *testing.T, client, link string) string {
			return offerWith(t, "/usr/bin/latchkeyd", folder, client, link)
		}}
	})
}

// offerWith offers a link with the real program, and returns the code.
func offerWith(t *testing.T, program, folder, client, link string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(path, []byte(link), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(program, "offer", "--folder", folder, client, path).Output()
	if err != nil {
		t.Fatal(err)
	}
	code, _, _ := strings.Cut(string(out), " ")
	return code
}
