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
	r.write("plugin.uc", strings.NewReplacer(
		"'/etc/config'", "'"+r.path("etc/config")+"'",
		"'/tmp/dhcp.leases'", "'"+r.path("tmp/dhcp.leases")+"'",
	).Replace(script(r.t, "network.uc")))
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

func TestNetwork(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Logf("nothing was tested: %s names no ucode", ucodeVariable)
		return
	}
	t.Run("resolve", func(t *testing.T) { testResolve(t) })
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

const leases = `1764100000 aa:bb:cc:00:00:01 192.168.1.22 nas 01:aa:bb:cc:00:00:01
0 aa:bb:cc:00:00:02 192.168.1.23 * *
1764100000 aa:bb:cc:00:00:03 192.168.1.24 printer *
1764100000 aa:bb:cc:00:00:04 192.168.1.25 tv *
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
	want := map[string]any{"leases": []any{lease(1, "nas", false), lease(2, "", false), lease(3, "printer", true), lease(4, "tv", true)}}
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
	for _, address := range []any{"192.168.1.77", "", nil, "192.168.1.22\n192.168.1.23", "*"} {
		if got := r.network("reserve", map[string]any{"address": address}); got["error"] == nil {
			t.Errorf("reserve %q answers %v", address, got)
		}
	}
	if got := r.network("reserve", map[string]any{"address": "192.168.1.24"}); got["reserved"] != true {
		t.Errorf("one that has a lease already: %v", got)
	}
	if diff := cmp.Diff(reserved, r.read("etc/config/dhcp")); diff != "" {
		t.Fatalf("the configuration changed (-want +got):\n%s", diff)
	}
	for _, address := range []string{"192.168.1.22", "192.168.1.23", "192.168.1.22"} {
		if got := r.network("reserve", map[string]any{"address": address}); got["reserved"] != true || got["address"] != address {
			t.Errorf("reserve %s answers %v", address, got)
		}
	}
	parsed, errs := uci.Parse(r.read("etc/config/dhcp"))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	var hosts []string
	for _, s := range parsed.Sections[3:] { // of ours
		host := s.Type
		for _, o := range s.Options {
			host += " " + o.Name + "=" + o.Values[0].Text
		}
		hosts = append(hosts, host)
	}
	want := []string{"host name=nas mac=AA:BB:CC:00:00:01 ip=192.168.1.22", "host mac=AA:BB:CC:00:00:02 ip=192.168.1.23"}
	if diff := cmp.Diff(want, hosts); diff != "" {
		t.Errorf("new sections (-want +got):\n%s", diff)
	}
}
