// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// network calls a method of the ubus object latchkey.network as rpcd does, until its answer is no longer
// that it waits for one.
func (r *router) network(method string, args any) map[string]any {
	r.t.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("args.json", string(text))
	r.networkPlugin("", "")
	r.write("call.uc", `
		import { readfile } from 'fs';
		import { init, run, timer } from 'uloop';
		init();
		const plugin = loadfile('`+r.path("plugin.uc")+`', { raw_mode: true })()['latchkey.network'];
		function ask() {
			const answer = plugin['`+method+`'].call({ args: json(readfile('`+r.path("args.json")+`')) });
			if (answer.pending)
				return timer(20, ask);
			printf('%J', answer);
			exit(0);
		}
		ask();
		run();
	`)
	return r.ucode()
}

// networkPlugin makes plugin.uc of network.uc with this router's paths, and with one more text changed.
func (r *router) networkPlugin(old, new string) {
	r.t.Helper()
	plugin := script(r.t, "network.uc")
	if !strings.Contains(plugin, old) {
		r.t.Fatalf("the plugin has no %q", old)
	}
	r.write("plugin.uc", strings.NewReplacer(
		"'latchkey.change'", "'"+r.changeModule()+"'",
		"'/etc/config'", "'"+r.path("etc/config")+"'",
		"'/tmp/dhcp.leases'", "'"+r.path("tmp/dhcp.leases")+"'",
	).Replace(strings.Replace(plugin, old, new, 1)))
}

func TestNetwork(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	t.Run("resolve", func(t *testing.T) { testResolve(t) })
	t.Run("resolve_of_two_at_a_time", func(t *testing.T) { testResolveTwo(t) })
	t.Run("resolve_of_a_name_server_that_is_silent", func(t *testing.T) { testResolveSilent(t) })
	t.Run("leases", func(t *testing.T) { testLeases(t) })
	t.Run("reserve", func(t *testing.T) { testReserve(t) })
}

func testResolve(t *testing.T) {
	r := newRouter(t)
	got := r.network("resolve", map[string]any{"host": "localhost"})
	if list, _ := got["addresses"].([]any); len(list) == 0 || list[0] != "127.0.0.1" && list[0] != "::1" {
		t.Errorf("localhost: answers %v", got)
	}
	// A name that cannot be, RFC 6761. Without any name server the router cannot know.
	got = r.network("resolve", map[string]any{"host": "nobody.invalid"})
	if list, ok := got["addresses"].([]any); len(list) != 0 || !ok && got["error"] == nil {
		t.Errorf("nobody.invalid: answers %v", got)
	}
	for _, host := range []any{"", "a b", "-x", "x;reboot", "$(id)", "home\nexample", strings.Repeat("x", 254), nil, []string{"localhost"}} {
		if got := r.network("resolve", map[string]any{"host": host}); got["error"] == nil || got["addresses"] != nil {
			t.Errorf("%q: answers %v", host, got)
		}
	}
}

// slowResolver stands in for the system's resolver, which is slow with one name, until the file go is there.
func (r *router) slowResolver() string {
	return `import { error, SOCK_STREAM } from 'socket';
	import { stat } from 'fs';
	function addrinfo(host) {
		while (host == 'slow.example' && !stat('` + r.path("go") + `'))
			sleep(5);
		return [ { addr: { address: host == 'slow.example' ? '203.0.113.1' : '203.0.113.2' } } ];
	}`
}

// Whoever asks for another name meanwhile waits, and takes nobody's answer away.
func testResolveTwo(t *testing.T) {
	r := newRouter(t)
	r.networkPlugin("import { addrinfo, error, SOCK_STREAM } from 'socket';", r.slowResolver())
	r.write("call.uc", `
		import { writefile } from 'fs';
		import { init, run, timer } from 'uloop';
		init();
		const plugin = loadfile('`+r.path("plugin.uc")+`', { raw_mode: true })()['latchkey.network'];
		const ask = host => plugin.resolve.call({ args: { host } });
		const first = [ ask('slow.example'), ask('fast.example'), ask('slow.example') ];
		let fast;
		writefile('`+r.path("go")+`', '');
		function again() {
			fast = ask('fast.example');
			if (fast.pending)
				return timer(20, again);
			printf('%J', { first, fast, slow: ask('slow.example') });
			exit(0);
		}
		timer(20, again);
		run();
	`)
	waits := map[string]any{"pending": true}
	want := map[string]any{
		"first": []any{waits, waits, waits},
		"fast":  map[string]any{"addresses": []any{"203.0.113.2"}}, "slow": map[string]any{"addresses": []any{"203.0.113.1"}},
	}
	if diff := cmp.Diff(want, r.ucode()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

// A name server that does not answer holds the next name up for as long as one lookup may take.
func testResolveSilent(t *testing.T) {
	r := newRouter(t)
	r.networkPlugin("import { addrinfo, error, SOCK_STREAM } from 'socket';", r.slowResolver())
	r.write("plugin.uc", strings.Replace(r.read("plugin.uc"), "PATIENCE = 15000", "PATIENCE = 100", 1))
	r.write("call.uc", `
		import { init, run, timer } from 'uloop';
		init();
		const plugin = loadfile('`+r.path("plugin.uc")+`', { raw_mode: true })()['latchkey.network'];
		const ask = host => plugin.resolve.call({ args: { host } });
		ask('slow.example');
		function again() {
			const slow = ask('slow.example');
			if (slow.pending)
				return timer(20, again);
			printf('%J', { slow: slow.error, next: ask('fast.example') });
			exit(0);
		}
		timer(20, again);
		run();
	`)
	want := map[string]any{"slow": "the router’s name server does not answer", "next": map[string]any{"pending": true}}
	if diff := cmp.Diff(want, r.ucode()); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

const leases = `1764100000 aa:bb:cc:00:00:01 192.168.1.22 nas 01:aa:bb:cc:00:00:01
0 aa:bb:cc:00:00:02 192.168.1.23 * *
1764100000 aa:bb:cc:00:00:03 192.168.1.24 printer *
1764100000 aa:bb:cc:00:00:04 192.168.1.25 tv *
1764100000 aa:bb:cc:00:00:06 192.168.1.27 box *
1764100000 aa:bb:cc:00:00:07 192.168.1.28 camera *
duid 00:01:00:01
1764100000 7 2001:db8::7 nas 00:01
nonsense
`

const reserved = `config dnsmasq
	option domain 'lan'

config host
	option name 'printer'
	option mac 'AA:BB:CC:00:00:03'
	option ip '192.168.1.99'

config host
	list mac 'aa:bb:cc:00:00:09'
	option ip '192.168.1.25'

config host 'box'
	option name 'box'
	option mac 'aa:bb:cc:00:00:0a AA-BB-CC-00-00-06'

config host
	option mac 'AA:BB:CC:00:00:07'
	option ip '192.168.1.28'
`

func testLeases(t *testing.T) {
	lease := func(n int, name string, reserved bool) any {
		return map[string]any{"address": fmt.Sprintf("192.168.1.%d", 21+n), "mac": fmt.Sprintf("aa:bb:cc:00:00:%02d", n), "name": name, "reserved": reserved}
	}
	r := newRouter(t)
	if diff := cmp.Diff(map[string]any{"leases": []any{}}, r.network("leases", nil)); diff != "" {
		t.Errorf("without any (-want +got):\n%s", diff)
	}
	r.write("tmp/dhcp.leases", leases)
	r.write("etc/config/dhcp", reserved)
	want := map[string]any{"leases": []any{lease(1, "nas", false), lease(2, "", false), lease(3, "printer", false), lease(4, "tv", false), lease(6, "box", false), lease(7, "camera", true)}}
	if diff := cmp.Diff(want, r.network("leases", nil)); diff != "" {
		t.Errorf("leases (-want +got):\n%s", diff)
	}
	r.write("elsewhere", "1764100000 aa:bb:cc:00:00:05 192.168.1.26 other *\n")
	r.write("etc/config/dhcp", "config dnsmasq\n\toption leasefile '"+r.path("elsewhere")+"'\n")
	want = map[string]any{"leases": []any{lease(5, "other", false)}}
	if diff := cmp.Diff(want, r.network("leases", nil)); diff != "" {
		t.Errorf("in another file (-want +got):\n%s", diff)
	}
}

func testReserve(t *testing.T) {
	r := newRouter(t)
	r.write("tmp/dhcp.leases", leases)
	r.write("etc/config/dhcp", reserved)
	for _, address := range []any{"192.168.1.77", "", nil, "192.168.1.22\n192.168.1.23", "*", "192.168.1.24", "192.168.1.25"} {
		if got := r.network("reserve", map[string]any{"address": address}); got["error"] == nil || got["hint"] == "" || got["reserved"] != nil {
			t.Errorf("reserve %q answers %v", address, got)
		}
	}
	if got := r.network("reserve", map[string]any{"address": "192.168.1.28"}); got["reserved"] != true {
		t.Errorf("one that has a lease already: %v", got)
	}
	if diff := cmp.Diff(reserved, r.read("etc/config/dhcp")); diff != "" {
		t.Fatalf("the configuration changed (-want +got):\n%s", diff)
	}
	for _, address := range []string{"192.168.1.22", "192.168.1.23", "192.168.1.22", "192.168.1.27"} {
		if got := r.network("reserve", map[string]any{"address": address}); got["reserved"] != true || got["address"] != address {
			t.Errorf("reserve %s answers %v", address, got)
		}
	}
	parsed, errs := uci.Parse(r.read("etc/config/dhcp"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var hosts []string
	for _, s := range parsed.Sections[3:] { // ours, after two that are theirs
		host := s.Type
		for _, o := range s.Options {
			host += " " + o.Name + "=" + o.Values[0].Text
		}
		hosts = append(hosts, host)
	}
	want := []string{"host name=box mac=aa:bb:cc:00:00:0a AA-BB-CC-00-00-06 ip=192.168.1.27", "host mac=AA:BB:CC:00:00:07 ip=192.168.1.28",
		"host name=nas mac=AA:BB:CC:00:00:01 ip=192.168.1.22", "host mac=AA:BB:CC:00:00:02 ip=192.168.1.23"}
	if diff := cmp.Diff("config.change dhcp\nconfig.change dhcp\nconfig.change dhcp\n", r.read("events")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("sections (-want +got):\n%s", diff)
	}
}
