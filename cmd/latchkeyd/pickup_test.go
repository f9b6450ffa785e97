// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/offer/offertest"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

// invoke runs a command of the router's program.
func invoke(args ...string) (out, err string, code int) {
	var o, e bytes.Buffer
	code = latchkeyd(args, env{in: strings.NewReader(""), out: &o, err: &e})
	return o.String(), e.String(), code
}

// lanAddress is the router's address in its LAN.
const lanAddress = "192.168.1.1"

// laptop returns an HTTP client on a host of the LAN.
func laptop(t *testing.T) *http.Client {
	transport := &http.Transport{DialContext: func(_ context.Context, network, address string) (c net.Conn, err error) {
		err = lab.Do("nas", func() error { c, err = net.Dial(network, address); return err })
		return c, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// handsOut returns a router whose program is the real one, behind a stand-in for its web server.
func handsOut(t *testing.T) *offertest.Router {
	t.Helper()
	lab.Enter(t)
	folder := filepath.Join(t.TempDir(), "offers")
	web := &offertest.Web{
		Page: "../../luci-app/htdocs/latchkey/index.html",
		PickUp: func(name string) map[string]any {
			if out, _, code := invoke("pickup", "--folder", folder, "--", name); code == exitOK {
				return map[string]any{"answer": strings.TrimSpace(out)}
			}
			return map[string]any{"error": "nothing"}
		},
	}
	var l net.Listener
	lab.In(t, "router", func() (err error) { l, err = net.Listen("tcp", lanAddress+":80"); return err })
	ear := offertest.Serve(t, l, web)
	return &offertest.Router{URL: "http://" + lanAddress, Web: web, Client: laptop(t), Ear: ear, Folder: folder, Offer: func(t *testing.T, client, link string) string {
		t.Helper()
		out, said, code := invoke("offer", "--folder", folder, client, file(t, link))
		words := strings.Fields(out)
		if code != exitOK || len(words) != 2 || words[1] != "15" {
			t.Fatalf("offer printed %q, %q and returned %d", out, said, code)
		}
		return words[0]
	}}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "link")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPickUp(t *testing.T) { offertest.Conformance(t, handsOut) }

func TestOfferRefuses(t *testing.T) {
	const secret = "c2VjcmV0"
	folder := filepath.Join(t.TempDir(), "offers")
	for name, test := range map[string]struct {
		want string
		args []string
	}{
		"no link":        {"has no link", []string{"phone", file(t, "")}},
		"two lines":      {"has no link", []string{"phone", file(t, "http://x/#k="+secret+"\n#")}},
		"a long link":    {"the limit is 4096", []string{"phone", file(t, "http://x/#k="+secret+strings.Repeat("x", 4096))}},
		"no file":        {"no such file", []string{"phone", filepath.Join(t.TempDir(), "none")}},
		"no client":      {"a client without white space", []string{"", file(t, "http://x/#k="+secret)}},
		"a strange name": {"a client without white space", []string{"my phone", file(t, "http://x/#k="+secret)}},
		"a script":       {"a page begins with http", []string{"--page", "javascript:alert(1)", "phone", file(t, "http://x/#k="+secret)}},
		"a half page":    {"a page begins with http", []string{"--page", "http://192.168.1.1/#", "phone", file(t, "http://x/#k="+secret)}},
		"no arguments":   {"usage: latchkeyd offer CLIENT FILE", nil},
	} {
		out, said, code := invoke(append([]string{"offer", "--folder", folder}, test.args...)...)
		if code == exitOK || out != "" || !strings.Contains(said, test.want) || strings.Contains(said, secret) {
			t.Errorf("%s: returned %d, printed %q and %q", name, code, out, said)
		}
	}
}

func TestOfferPrintsTheAddressAtAPage(t *testing.T) {
	const page = "http://192.168.1.1/latchkey/"
	out, said, code := invoke("offer", "--folder", filepath.Join(t.TempDir(), "offers"), "--page", page, "phone", file(t, page+"#v=1&k=x"))
	address, minutes, _ := strings.Cut(out, " ")
	text, isThere := strings.CutPrefix(address, page+"#")
	if _, err := pickup.ParseCode(text); err != nil || !isThere || minutes != "15\n" || code != exitOK || said != "" {
		t.Errorf("returned %d, printed %q and %q: %v", code, out, said, err)
	}
}
