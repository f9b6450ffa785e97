// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/offer"
	"github.com/latchkey/latchkey/pkgs/offer/offertest"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

const laptopLink = "http://192.168.1.1/latchkey/#v=1&n=home&h=home.example.net&u=41641&k=3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs&d=nas"

// handsOut returns a router with a stand-in for its program and its web server.
func handsOut(t *testing.T) *offertest.Router {
	t.Helper()
	loopback(t)
	folder := offer.Folder(filepath.Join(t.TempDir(), "offers"))
	now := func() time.Duration { return time.Hour }
	web := &offertest.Web{PickUp: func(name string) map[string]any {
		sealed, err := folder.Take(now(), name)
		if err != nil {
			return map[string]any{"error": "nothing"}
		}
		return map[string]any{"answer": sealed}
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ear := offertest.Serve(t, l, web)
	last := 0
	return &offertest.Router{URL: "http://" + l.Addr().String(), Web: web, Client: http.DefaultClient, Ear: ear, Folder: string(folder),
		Offer: func(t *testing.T, client, link string) string {
			t.Helper()
			last++
			code := pickup.Code{byte(last), 0xf1, 0x0c, 0xde}
			if err := folder.Put(now(), client, code.Name(), code.Seal(link)); err != nil {
				t.Fatal(err)
			}
			return code.Text()
		}}
}

func loopback(t *testing.T) {
	t.Helper()
	lab.Enter(t)
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		t.Fatalf("loopback: %v\n%s", err, out)
	}
}

func TestStandIn(t *testing.T) { offertest.Conformance(t, handsOut) }

// latchkeySays runs the program with a folder of its own for links.
func latchkeySays(in string, args ...string) (out, said string, code int) {
	var o, e bytes.Buffer
	code = latchkey(args, env{strings.NewReader(in), &o, &e, &o})
	return o.String(), e.String(), code
}

// ownHome gives a test a folder for links and a loopback device.
func ownHome(t *testing.T) {
	t.Helper()
	loopback(t)
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
}

func TestAddPicksTheLinkUp(t *testing.T) {
	for _, form := range []string{"as an argument", "on standard input", "over TLS"} {
		t.Run(form, func(t *testing.T) {
			ownHome(t)
			r := handsOut(t)
			page := r.URL + "/latchkey/"
			if form == "over TLS" { // with a certificate that nobody knows
				server := httptest.NewTLSServer(r.Web)
				t.Cleanup(server.Close)
				page = server.URL + "/latchkey/"
			}
			code := r.Offer(t, "laptop", laptopLink)
			args, in := []string{"add", page + "#" + code}, ""
			if form == "on standard input" {
				args, in = []string{"add", "-"}, args[1]+"\n"
			}
			out, said, exit := latchkeySays(in, args...)
			if exit != exitOK || out != "added home with door nas\n" || said != "" {
				t.Errorf("returned %d, printed %q and %q", exit, out, said)
			}
			h, err := openHome()
			if err != nil {
				t.Fatal(err)
			}
			if l, err := h.load("home"); err != nil || l.Text() != laptopLink {
				t.Errorf("kept %q, %v", l.Text(), err)
			}
			offertest.CheckSilence(t, r.Ear.Heard(), laptopLink, code)
			_, said, exit = latchkeySays(in, args...)
			if exit != exitError || !strings.Contains(said, "nothing for this code") || !strings.Contains(said, "hint: let the router show a new one") {
				t.Errorf("a second time it returned %d, printed %q", exit, said)
			}
		})
	}
}

func TestAddTellsWhyNothingWasPickedUp(t *testing.T) {
	loopback(t)
	code := pickup.Code{1, 2, 3}.Text()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	answering := func(status int, text string) string {
		server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, _ *http.Request) {
			out.WriteHeader(status)
			fmt.Fprint(out, text)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	late := func() string {
		r := handsOut(t)
		code = r.Offer(t, "laptop", laptopLink)
		r.Age(t, code)
		return r.URL
	}()
	for name, test := range map[string]struct{ address, error, hint string }{
		"too late":      {late + "/latchkey/#" + code, "nothing for this code", "show a new one"},
		"elsewhere":     {"http://" + closed.Addr().String() + "/latchkey/#" + code, "did not answer", "not used up yet"},
		"no ubus":       {answering(404, "no") + "/#" + code, `"404 Not Found"`, "uhttpd-mod-ubus"},
		"another page":  {answering(200, "<html>") + "/#" + code, "is not ubus", ""},
		"no plugin":     {answering(200, `{"error":{"code":-32000}}`) + "/#" + code, "hands out no links", "luci-app-latchkey"},
		"no right":      {answering(200, `{"error":{"code":-32002}}`) + "/#" + code, "hands out no links", "luci-app-latchkey"},
		"another error": {answering(200, `{"error":{"code":-32003}}`) + "/#" + code, "error -32003", ""},
		"refused":       {answering(200, `{"result":[4]}`) + "/#" + code, "nothing for this code", "show a new one"},
		"no data":       {answering(200, `{"result":[0,7]}`) + "/#" + code, "nothing for this code", "show a new one"},
		"damaged":       {answering(200, `{"result":[0,{"answer":"AAAA"}]}`) + "/#" + code, "damaged", "new code"},
		"endless":       {answering(200, `{"result":[0,{"answer":"`+strings.Repeat("A", 1<<20)) + "/#" + code, "is not ubus", ""},
		"cut off":       {"http://192.168.1.1/latchkey/#" + code[:20], "has 22 characters, this one has 20: the address was cut off", ""},
		"changed":       {"http://192.168.1.1/latchkey/#" + code[:21] + "!", "is made of A-Z", ""},
		"no router":     {"#" + code, "begins with http://", ""},
		"a file":        {"file:///latchkey.html#" + code, "begins with http://", ""},
	} {
		t.Run(name, func(t *testing.T) {
			ownHome(t)
			out, said, exit := latchkeySays("", "add", test.address)
			if exit != exitError || out != "" || !strings.Contains(said, test.error) || !strings.Contains(said, test.hint) || (test.hint == "") != !strings.Contains(said, "hint: ") {
				t.Errorf("returned %d, printed %q and %q; want %q and the hint %q", exit, out, said, test.error, test.hint)
			}
			if strings.Contains(said, code[:8]) {
				t.Errorf("the error shows the code: %s", said)
			}
		})
	}
}

func TestAddWithAnotherKeySaysThatTheCodeIsUsedUp(t *testing.T) {
	ownHome(t)
	r := handsOut(t)
	if _, said, exit := latchkeySays(strings.Replace(laptopLink, "k=3q2", "k=4q2", 1), "add", "-"); exit != exitOK {
		t.Fatal(said)
	}
	address := func() string { return r.URL + "/#" + r.Offer(t, "laptop", laptopLink) }
	_, said, exit := latchkeySays("", "add", address())
	if exit != exitError || !strings.Contains(said, "--replace") || !strings.Contains(said, "takes a new code") {
		t.Errorf("returned %d, printed %q", exit, said)
	}
	if _, said, exit := latchkeySays("", "add", "--replace", address()); exit != exitOK {
		t.Error(said)
	}
}
