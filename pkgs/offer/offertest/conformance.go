// SPDX-License-Identifier: Apache-2.0

package offertest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/pickup"
)

// Router is a router whose web server hands out links.
type Router struct {
	URL    string                                         // of its web server, without a path
	Web    *Web                                           // nil for a real one
	Client *http.Client                                   // of a device in its LAN
	Ear    *Ear                                           // on the wire; nil for a router that is elsewhere
	Offer  func(t *testing.T, client, link string) string // offers a link and returns its code
	Folder string                                         // of its offers, see package offer
}

// Serve lets a stand-in answer at a listener until the test ends, and listens to what is said.
func Serve(t *testing.T, l net.Listener, web *Web) *Ear {
	t.Helper()
	ear := &Ear{Listener: l}
	server := &httptest.Server{Listener: ear, Config: &http.Server{Handler: web}}
	server.Start()
	t.Cleanup(server.Close)
	return ear
}

// Age makes the time of an offer be over.
func (r *Router) Age(t *testing.T, code string) {
	t.Helper()
	path := filepath.Join(r.Folder, parse(t, code).Name())
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), " ")
	if err := os.WriteFile(path, []byte("0 "+rest), 0o600); err != nil {
		t.Fatal(err)
	}
}

func parse(t *testing.T, code string) pickup.Code {
	t.Helper()
	c, err := pickup.ParseCode(code)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// post sends a text to ubus and returns the answer.
func (r *Router) post(t *testing.T, text string) string {
	t.Helper()
	reply, err := r.Client.Post(r.URL+"/ubus", "application/json", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(reply.Body); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func call(session, object, method string, args any) string {
	b, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": "call", "params": []any{session, object, method, args}})
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Ask asks as a device does, and returns the answer's text and the sealed link in it.
func (r *Router) Ask(t *testing.T, name any) (text, sealed string) {
	t.Helper()
	text = r.post(t, call(NullSession, "latchkey", "pickup", map[string]any{"name": name}))
	var reply struct{ Result []json.RawMessage }
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	var data struct{ Answer string }
	if len(reply.Result) > 1 {
		if err := json.Unmarshal(reply.Result[1], &data); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
	}
	return text, data.Answer
}

const (
	key  = "3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"
	link = "http://192.168.1.1/latchkey/#v=1&n=home&h=home.example.net&u=41641&p=20480&k=" + key + "&d=nas"
)

// Conformance tests what must hold of every router that hands out links.
func Conformance(t *testing.T, start func(t *testing.T) *Router) {
	t.Run("a_link_is_handed_out_once", func(t *testing.T) { testOnce(t, start(t)) })
	t.Run("all_that_it_does_not_have_looks_alike", func(t *testing.T) { testAlike(t, start(t)) })
	t.Run("a_newer_offer_takes_the_place_of_the_last", func(t *testing.T) { testNewer(t, start(t)) })
	t.Run("nothing_else_is_open_to_everybody", func(t *testing.T) { testNothingElse(t, start(t)) })
	t.Run("who_listens_learns_no_key", func(t *testing.T) {
		if r := start(t); r.Ear != nil { // on a real web server's wire nobody listens
			testListener(t, r)
		}
	})
}

func testOnce(t *testing.T, r *Router) {
	code := parse(t, r.Offer(t, "phone", link))
	_, sealed := r.Ask(t, code.Name())
	if got, err := code.Open(sealed); err != nil || got != link {
		t.Errorf("the answer opens as %q, %v", got, err)
	}
	if text, sealed := r.Ask(t, code.Name()); sealed != "" {
		t.Errorf("asked again, it answers %s", text)
	}
	if entries, err := os.ReadDir(r.Folder); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v are left", entries, err)
	}
}

func testAlike(t *testing.T, r *Router) {
	used, late, open := r.Offer(t, "phone", link), r.Offer(t, "laptop", link), r.Offer(t, "tablet", link)
	r.Ask(t, parse(t, used).Name())
	r.Age(t, late)
	openName := parse(t, open).Name()
	answers := map[string]string{}
	for what, name := range map[string]string{
		"used": parse(t, used).Name(), "too old": parse(t, late).Name(), "too old, again": parse(t, late).Name(),
		"unknown": pickup.Code{1}.Name(), "empty": "", "cut off": openName[:31], "longer": openName + "0",
		"upper case": strings.ToUpper(openName), "a line feed behind": openName + "\n", "a path": "../" + openName, "a path in": "./" + openName,
		"a command": openName + "; id", "a command in a line": openName + "\n; id", "the code itself": open, "long": strings.Repeat("0", 20_000),
	} {
		answers[what], _ = r.Ask(t, name)
	}
	for what, answer := range answers {
		if answer != answers["unknown"] {
			t.Errorf("%s: it answers %q, and %q to an unknown name", what, answer, answers["unknown"])
		}
	}
	for _, other := range []any{nil, 1, []string{openName}, map[string]string{"name": openName}} {
		if text, sealed := r.Ask(t, other); sealed != "" {
			t.Errorf("name %v: it answers %s", other, text)
		}
	}
	if _, sealed := r.Ask(t, openName); sealed == "" {
		t.Error("all that asking ended an offer that nobody knew the name of")
	}
}

func testNewer(t *testing.T, r *Router) {
	first, other, second := r.Offer(t, "phone", link), r.Offer(t, "laptop", link), r.Offer(t, "phone", link)
	for code, want := range map[string]bool{first: false, other: true, second: true} {
		if _, sealed := r.Ask(t, parse(t, code).Name()); (sealed != "") != want {
			t.Errorf("of the offers for phone, laptop, and phone again: it has %s: %v, want %v",
				map[string]string{first: "the first", other: "the second", second: "the third"}[code], !want, want)
		}
	}
}

func testNothingElse(t *testing.T, r *Router) {
	code := parse(t, r.Offer(t, "phone", link))
	for _, method := range []string{"status", "events", "open", "close", "check", "forget", "link", "offer", "newclient", "import"} {
		text := r.post(t, call(NullSession, "latchkey", method, map[string]any{}))
		if !strings.Contains(text, fmt.Sprint(errNoAccess)) {
			t.Errorf("%s: it answers %s", method, text)
		}
	}
	for _, text := range []string{"", "{}", "[]", "null", `"x"`, `{"jsonrpc":"2.0","method":"call"}`} {
		r.post(t, text) // it lives on
	}
	if _, sealed := r.Ask(t, code.Name()); sealed == "" {
		t.Error("it has nothing any more")
	}
}

func testListener(t *testing.T, r *Router) {
	code := r.Offer(t, "phone", link)
	_, sealed := r.Ask(t, parse(t, code).Name())
	heard := r.Ear.Heard()
	if Finds(heard, []byte(sealed)) == "" {
		t.Fatalf("the sealed link was not heard, but %q", heard)
	}
	CheckSilence(t, heard, link, code)
}

// CheckSilence fails if what was heard holds the link, its key or the code in any form.
func CheckSilence(t *testing.T, heard []byte, link, code string) {
	t.Helper()
	_, rest, _ := strings.Cut(link, "&k=")
	keyText, _, _ := strings.Cut(rest, "&")
	c := parse(t, code)
	for what, secret := range map[string][]byte{
		"the key": decode(t, keyText), "the key's text": []byte(keyText), "a part of the link": []byte("&k=" + keyText[:8]),
		"the code": c[:], "the code's text": []byte(code),
	} {
		if form := Finds(heard, secret); form != "" {
			t.Errorf("%s can be heard, as %s", what, form)
		}
	}
}

func decode(t *testing.T, keyText string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(keyText)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
