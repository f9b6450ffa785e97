// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	args := map[string]any{"client": "phone", "page": "http://192.168.1.1/latchkey/", "name": "Mum & Dad", "host": "home.example.net", "addresses": []string{"203.0.113.7", "2001:db8::1"}}
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
	if !found || err != nil || got["minutes"] != 15.0 || len(got) != 2 {
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
	if got := r.call("offer", map[string]any{"client": "phone"}); got["error"] == nil {
		t.Errorf("without a page, offer answers %v", got)
	}
}

// webVariable names the address of a router's web server whose latchkeyd and /var/run are this machine's, such
// as http://127.0.0.1:8088: see CONTRIBUTING.md.
const webVariable = "LATCHKEY_WEB"

// What the stand-in for uhttpd, rpcd and the access list does is what the real ones do.
func TestPickUpFromWebServer(t *testing.T) {
	url := os.Getenv(webVariable)
	if url == "" {
		t.Logf("nothing was tested: %s names no web server", webVariable)
		return
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
