// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/offer/offertest"
)

// luciPath is where LuCI shows the overview.
const luciPath = "/cgi-bin/luci/admin/services/latchkey/overview"

// luci stands in for the web server of a router on which the package has just been installed: it serves LuCI with our
// real views, and answers them as rpcd does, by the router's real program.
type luci struct {
	page    []byte
	devices *offertest.Web // for devices that pick up
	offers  string

	mu      sync.Mutex
	config  sections // what is saved
	applied sections
}

// section is one of UCI, as LuCI reads it: options are texts or lists of texts.
type section map[string]any

type sections []section

// serveLuCI serves it on the router's address in the LAN until the test ends.
func serveLuCI(t *testing.T) *luci {
	t.Helper()
	lab.Enter(t)
	lab.Need(t, "node")
	show := exec.Command("node", "--input-type=module", "-e",
		`import { viewPage } from './luci-app/tests/lib/pages.mjs'; process.stdout.write(viewPage('view.latchkey.overview', {}));`)
	show.Dir, show.Stderr = "../..", os.Stderr
	page, err := show.Output()
	if err != nil {
		t.Fatal(err)
	}
	l := &luci{
		page:   page,
		offers: filepath.Join(t.TempDir(), "offers"),
		config: sections{{".name": "main", ".type": "latchkey", "enabled": "0"}},
	}
	l.devices = &offertest.Web{
		Page: "../../luci-app/htdocs/latchkey/index.html",
		PickUp: func(name string) map[string]any {
			if out, _, code := invoke("pickup", "--folder", l.offers, "--", name); code == exitOK {
				return map[string]any{"answer": strings.TrimSpace(out)}
			}
			return map[string]any{"error": "nothing"}
		},
	}
	mux := http.NewServeMux()
	mux.Handle("/", l.devices)
	mux.HandleFunc("/ubus", l.ubus)
	mux.Handle("/luci-static/", http.FileServer(http.Dir("../../luci-app/htdocs")))
	mux.HandleFunc(luciPath, func(w http.ResponseWriter, _ *http.Request) { w.Write(l.page) })
	server := &http.Server{Handler: mux}
	t.Cleanup(func() { server.Close() })
	lab.In(t, "router", func() error {
		listener, err := net.Listen("tcp", lanAddress+":80")
		go server.Serve(listener)
		return err
	})
	return l
}

// ubus answers the owner's LuCI, and passes on what comes without a login.
func (l *luci) ubus(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 65536))
	var call struct {
		ID     any
		Params []json.RawMessage
	}
	var session, object, method string
	var args map[string]any
	json.Unmarshal(body, &call)
	for i, to := range []any{&session, &object, &method, &args} {
		if len(call.Params) != 4 || json.Unmarshal(call.Params[i], to) != nil {
			http.Error(w, "no call", http.StatusBadRequest)
			return
		}
	}
	if session == offertest.NullSession {
		r.Body = io.NopCloser(bytes.NewReader(body))
		l.devices.ServeHTTP(w, r)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	result := []any{4} // not found
	if answer, err := l.answer(object+" "+method, args); err != nil {
		result = []any{0, map[string]any{"error": err.Error()}}
	} else if answer != nil {
		result = []any{0, answer}
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]any{"jsonrpc": "2.0", "id": call.ID, "result": result})
}

type object = map[string]any

// answer is what ubus says: nothing if there is no such thing.
func (l *luci) answer(method string, args object) (object, error) {
	text := func(name string) string { s, _ := args[name].(string); return s }
	switch method {
	case "session access":
		return object{"access": true}, nil
	case "latchkey status":
		return object{"running": false, "enabled": false, "reason": "", "devices": []any{}, "doors": []any{}, "clients": []any{}}, nil
	case "luci-rpc getHostHints":
		return object{"00:11:32:aa:bb:cc": object{"name": "nas", "ipaddrs": []string{"192.168.1.22"}}}, nil
	case "latchkey.network leases":
		return object{"leases": []any{}}, nil
	case "network.interface dump":
		at := func(name, address string) object {
			return object{"interface": name, "up": true, "l3_device": name, "ipv4-address": []object{{"address": address, "mask": 24}}}
		}
		return object{"interface": []object{at("lan", lanAddress), at("wan", router)}}, nil
	case "uci get":
		found, ok := map[string]sections{
			"latchkey": l.config,
			"system":   {{".name": "system", ".type": "system", "hostname": "home"}},
			"network":  {{".name": "lan", ".type": "interface", "ipaddr": lanAddress}, {".name": "wan", ".type": "interface"}},
			"firewall": {
				{".name": "lan", ".type": "zone", "name": "lan", "network": []string{"lan"}},
				{".name": "wan", ".type": "zone", "name": "wan", "network": []string{"wan"}, "masq": "1"},
			},
		}[text("config")]
		if !ok {
			return nil, nil
		}
		values := object{}
		for _, s := range found {
			values[s[".name"].(string)] = s
		}
		return object{"values": values}, nil
	case "uci add":
		l.config = append(l.config, section{".name": text("name"), ".type": text("type")})
		return object{}, nil
	case "uci set":
		for _, s := range l.config {
			if s[".name"] == text("section") {
				maps.Copy(s, args["values"].(object))
				return object{}, nil
			}
		}
	case "latchkey check":
		return l.check(), nil
	case "uci apply":
		l.applied = slices.Clone(l.config)
		return object{}, nil
	case "uci confirm":
		return object{}, nil
	case "latchkey offer":
		return l.offer(text("client"), text("page"))
	}
	return nil, nil
}

// check has the router's program look at what is saved.
func (l *luci) check() object {
	problems := []object{}
	var out, said bytes.Buffer
	latchkeyd([]string{"check", "-"}, env{in: strings.NewReader(l.config.String()), out: &out, err: &said})
	for line := range strings.Lines(said.String()) {
		if text, wrong := strings.CutPrefix(strings.TrimSpace(line), "error: "); wrong {
			problems = append(problems, object{"text": text, "warning": false})
		}
	}
	return object{"problems": problems}
}

// offer has it make the link of a client, and offer it, as the plugin for ubus does.
func (l *luci) offer(client, page string) (object, error) {
	found := section{".name": "main", ".type": "latchkey", "host": router, "name": "home", "page": page}
	var link, said bytes.Buffer
	if code := latchkeyd([]string{"link", client, "-"}, env{in: strings.NewReader(append(slices.Clone(l.applied), found).String()), out: &link, err: &said}); code != exitOK {
		return nil, errors.New(said.String())
	}
	secret := l.offers + ".link"
	if err := os.WriteFile(secret, link.Bytes(), 0o600); err != nil {
		return nil, err
	}
	out, wrong, code := invoke("offer", "--folder", l.offers, client, secret)
	words := strings.Fields(out)
	if code != exitOK || len(words) != 2 {
		return nil, errors.New(wrong)
	}
	return object{"address": page + "#" + words[0], "minutes": json.Number(words[1])}, nil
}

// inForce returns the configuration as the init script hands it to the daemon: with the device of the interface wan.
func (l *luci) inForce() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append(slices.Clone(l.applied), section{".name": "main", ".type": "latchkey", "device": []any{"wan"}}).String()
}

// String is the file that UCI writes.
func (list sections) String() string {
	var b strings.Builder
	for _, s := range list {
		fmt.Fprintf(&b, "\nconfig %s '%s'\n", s[".type"], s[".name"])
		for _, name := range slices.Sorted(maps.Keys(s)) {
			if strings.HasPrefix(name, ".") {
				continue
			}
			kind, values := "option", []any{s[name]}
			if many, ok := s[name].([]any); ok {
				kind, values = "list", many
			}
			for _, v := range values {
				fmt.Fprintf(&b, "\t%s %s '%s'\n", kind, name, strings.ReplaceAll(v.(string), "'", `'\''`))
			}
		}
	}
	return b.String()
}
