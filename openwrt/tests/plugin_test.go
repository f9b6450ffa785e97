// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/offer/offertest"
)

// ucodeVariable names a program ucode that has its modules fs, socket, ubus, uci and uloop. Debian has none,
// so that who changes the plugin sets it: see CONTRIBUTING.md.
const ucodeVariable = "LATCHKEY_UCODE"

const noUcode = "SKIP: no ucode of OpenWrt here (" + ucodeVariable + ")"

// call calls a method of the plugin as rpcd does, and returns the answer.
func (r *router) call(method string, args any) map[string]any {
	r.t.Helper()
	text, err := json.Marshal(args)
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("args.json", string(text))
	r.plugin("", "")
	r.write("call.uc", `
		import { readfile } from 'fs';
		const plugin = loadfile('`+r.path("plugin.uc")+`', { raw_mode: true })();
		printf('%J', plugin.latchkey['`+method+`'].call({ args: json(readfile('`+r.path("args.json")+`')) }));
	`)
	return r.ucode()
}

// plugin makes plugin.uc with this router's paths, and with one more text changed.
func (r *router) plugin(old, new string) {
	r.t.Helper()
	plugin := strings.NewReplacer(
		"'latchkey.change'", "'"+r.changeModule()+"'",
		"/etc/config", r.path("etc/config"),
		"/var/run", r.path("var/run"),
		"/etc/init.d", r.path("etc/init.d"),
		"/usr/bin/latchkeyd", r.path("bin/latchkeyd"),
		"/sbin/uci", r.path("bin/uci"),
	).Replace(script(r.t, "latchkey.uc"))
	if !strings.Contains(plugin, old) {
		r.t.Fatalf("the plugin has no %q", old)
	}
	r.write("plugin.uc", strings.Replace(plugin, old, new, 1))
}

// changeModule makes the module latchkey.change, and returns its path.
func (r *router) changeModule() string {
	r.t.Helper()
	module := script(r.t, "change.uc")
	const connect = "import { connect as ubus } from 'ubus';"
	if !strings.Contains(module, connect) {
		r.t.Fatalf("the module has no %q", connect)
	}
	r.write("change.uc", strings.Replace(module, connect, `
		import { open } from 'fs';
		function ubus() {
			return { call: function(object, method, args) {
				const f = open('`+r.path("events")+`', 'a');
				f.write(args.type + ' ' + args.data.package + '\n');
				f.close();
			} };
		}
	`, 1))
	return r.path("change.uc")
}

// ucode runs call.uc and returns the answer that it prints.
func (r *router) ucode() map[string]any {
	r.t.Helper()
	cmd := exec.Command(os.Getenv(ucodeVariable), r.path("call.uc"))
	if r.mounts != "" {
		cmd = exec.Command("unshare", "--mount", "--map-root-user", "busybox", "ash", "-c", "set -e; "+r.mounts+"\n\"$@\"\ncp etc/config/[a-z]* after/", "",
			os.Getenv(ucodeVariable), r.path("call.uc"))
		cmd.Dir = r.root
	}
	cmd.Env = append(os.Environ(), r.env...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("%v\n%s", err, out)
	}
	var answer map[string]any
	if err := json.Unmarshal(out, &answer); err != nil {
		r.t.Fatalf("answer %q: %v", out, err)
	}
	return answer
}

// daemon listens where the plugin looks for latchkeyd, and answers with answer.
func (r *router) daemon(answer func(control.Request) (any, error)) {
	r.t.Helper()
	r.write("var/run/latchkey/x", "")
	l, err := control.Listen(r.path("var/run/latchkey/latchkey.sock"))
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- control.Serve(ctx, l, func(_ context.Context, q control.Request, reply func(any) error) error {
			result, err := answer(q)
			if err != nil {
				return err
			}
			return reply(result)
		})
	}()
	r.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			r.t.Errorf("Serve: %v", err)
		}
	})
}

const oneDoor = enabled + `	option stun_port '41641'
	option ports '20480-26623'

config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
`

func TestPlugin(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	t.Run("without_a_daemon", func(t *testing.T) { testPluginAlone(t) })
	t.Run("asks_the_program_once_for_a_file", func(t *testing.T) { testPluginAsksOnce(t) })
	t.Run("without_the_program", func(t *testing.T) { testPluginWithoutProgram(t) })
	t.Run("wrong_grammar", func(t *testing.T) { testPluginOfWrongGrammar(t) })
	t.Run("with_a_daemon", func(t *testing.T) { testPluginBridge(t) })
	t.Run("what_procd_knows", func(t *testing.T) { testPluginProcess(t) })
	t.Run("held_up", func(t *testing.T) { testPluginHeldUp(t) })
	t.Run("restart", func(t *testing.T) { testPluginRestart(t) })
	t.Run("newclient", func(t *testing.T) { testNewClient(t) })
	t.Run("pickup", func(t *testing.T) { offertest.Conformance(t, handsOut) })
	t.Run("offer", func(t *testing.T) { testOffer(t) })
	t.Run("link_warnings", func(t *testing.T) { testLinkWarnings(t) })
	t.Run("link_of_what_is_found", func(t *testing.T) { testLinkFoundHosts(t) })
	t.Run("link_by_dynamic_DNS", func(t *testing.T) { testLinkDDNS(t) })
	t.Run("link_by_where_it_faces_the_Internet", func(t *testing.T) { testLinkFacing(t) })
	t.Run("link_from_configuration", func(t *testing.T) { testLinkFromConfiguration(t) })
}

func testPluginAlone(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", "config latchkey 'main'\n\toption enabled '0'\n")
	if got := r.call("status", nil); got["enabled"] != false || got["reason"] != "" {
		t.Errorf("switched off, status answers %v", got)
	}
	r.write("etc/config/latchkey", "config latchkey 'main'\n\toption enabled '0'\n\toption nonsense '1'\n")
	if got := r.call("status", nil); got["enabled"] != false {
		t.Errorf("switched off and refused, status answers %v", got)
	}
	r.write("etc/config/latchkey", "")
	if got := r.call("status", nil); got["enabled"] != false {
		t.Errorf("of an empty file, status answers %v", got)
	}
	r.write("etc/config/latchkey", oneDoor)
	r.write("var/run/latchkey.init/problems", "error: no good\nlatchkeyd: error: one error\n")
	none := []any{}
	want := map[string]any{
		"running": false, "enabled": true, "reason": "no good", "process": "",
		"devices": none, "doors": none, "clients": none,
	}
	if diff := cmp.Diff(want, r.call("status", nil)); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	for _, method := range []string{"events", "open", "close", "forget"} {
		if got := r.call(method, map[string]any{"door": "nas", "address": "203.0.113.7"}); got["running"] != false || got["error"] == "" {
			t.Errorf("%s answers %v, not that latchkeyd does not run", method, got)
		}
	}
	got := r.call("check", map[string]any{"text": oneDoor + "\toption port '70000'\n"})
	problems := got["problems"].([]any)
	if len(problems) != 1 {
		t.Fatalf("check finds %v", problems)
	}
	p := problems[0].(map[string]any)
	delete(p, "text")
	if diff := cmp.Diff(map[string]any{"section": "nas", "option": "port", "line": 10.0}, p); diff != "" {
		t.Errorf("problem (-want +got):\n%s", diff)
	}
}

// uci exports nothing of a file with an error in its grammar, and the owner wants to know where that is.
func testPluginOfWrongGrammar(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", oneDoor+"nonsense\n")
	problem := r.call("check", map[string]any{})["problems"].([]any)[0].(map[string]any)
	if want := float64(1 + strings.Count(oneDoor, "\n")); problem["line"] != want || !strings.Contains(fmt.Sprint(problem["text"]), "invalid statement") {
		t.Errorf("check answers %v, not what is wrong in line %v", problem, want)
	}
}

// Pages ask for the status every few seconds, and any account may: while the daemon is off, a configuration is looked at
// once.
func testPluginAsksOnce(t *testing.T) {
	r := newRouter(t)
	program := r.standIn("latchkeyd", "exit 1\n")
	r.write("etc/config/latchkey", "config latchkey 'main'\n\toption enabled '0'\n")
	if got := r.call("status", nil); got["reason"] != "latchkeyd could not be run" {
		t.Errorf("where the program does not run, status answers %v", got)
	}
	r.write("other", enabled)
	r.write("works", "#!/bin/sh\necho >>"+r.path("runs")+"\nexec "+program+" \"$@\"\n")
	r.write("call.uc", `
		import { rename, unlink } from 'fs';
		const status = loadfile('`+r.path("plugin.uc")+`', { raw_mode: true })().latchkey.status;
		const said = [];
		const ask = () => { for (let i = 0; i < 3; i++) push(said, status.call({ args: {} }).enabled); };
		ask();
		rename('`+r.path("works")+`', '`+r.path("bin/latchkeyd")+`');
		ask();
		rename('`+r.path("other")+`', '`+r.path("etc/config/latchkey")+`');
		ask();
		unlink('`+r.path("etc/config/latchkey")+`');
		ask();
		printf('%J', { said });
	`)
	// Of a router whose program does not run nobody can say that it is switched off.
	want := []any{true, true, true, false, false, false, true, true, true, false, false, false}
	if diff := cmp.Diff(want, r.ucode()["said"]); diff != "" {
		t.Errorf("enabled (-want +got):\n%s", diff)
	}
	if runs := strings.Count(r.read("runs"), "\n"); runs != 2 {
		t.Errorf("the program was run %d times for two files", runs)
	}
}

// What cannot be checked is not without problems.
func testPluginWithoutProgram(t *testing.T) {
	r := newRouter(t)
	r.standIn("latchkeyd", "exit 1\n")
	r.write("etc/config/latchkey", oneDoor)
	const unable = "latchkeyd could not be run"
	want := map[string]any{"problems": []any{map[string]any{"text": unable, "line": 0.0}}}
	if diff := cmp.Diff(want, r.call("check", map[string]any{"text": oneDoor})); diff != "" {
		t.Errorf("check (-want +got):\n%s", diff)
	}
	want = map[string]any{"error": "the configuration would be refused: " + unable, "hint": "nothing was changed"}
	if diff := cmp.Diff(want, r.call("newclient", map[string]any{"name": "phone"})); diff != "" {
		t.Errorf("newclient (-want +got):\n%s", diff)
	}
	if got := r.read("etc/config/latchkey"); got != oneDoor {
		t.Errorf("the configuration changed:\n%s", got)
	}
	r.write("bin/latchkeyd", "#!/bin/sh\nprintf '[{\"text\":\"no g'\n")
	want = map[string]any{"problems": []any{map[string]any{"text": "latchkeyd check was ended before it had said everything", "line": 0.0}}}
	if diff := cmp.Diff(want, r.call("check", map[string]any{"text": oneDoor})); diff != "" {
		t.Errorf("check by a program that is killed (-want +got):\n%s", diff)
	}
}

// A daemon that sends a byte now and then, or nothing, or does not read, holds up rpcd for as long as
// one answer may take and no longer.
func testPluginHeldUp(t *testing.T) {
	long := strings.Repeat("# a long line\n", 100_000)
	for name, behave := range map[string]func(net.Conn){
		"drips": func(c net.Conn) {
			for {
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(50 * time.Millisecond) // as an attacker would: it is no waiting for anything
			}
		},
		"silent": func(net.Conn) {},
		"ends":   func(c net.Conn) { c.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", oneDoor)
			r.write("var/run/latchkey/x", "")
			l, err := net.Listen("unix", r.path("var/run/latchkey/latchkey.sock"))
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					defer c.Close()
					go behave(c)
				}
			}()
			answered := make(chan map[string]any, 1)
			go func() {
				r.call("check", map[string]any{"text": long})
				answered <- r.call("status", nil)
			}()
			select {
			case got := <-answered:
				if got["error"] != "latchkeyd did not answer" {
					t.Errorf("status answers %v", got)
				}
			case <-time.After(time.Minute): // twice three seconds, on a busy machine
				t.Fatal("rpcd would hang")
			}
		})
	}
}

// What an account may do by it is to restart this service, and no other.
func testPluginRestart(t *testing.T) {
	r := newRouter(t)
	r.write("etc/init.d/latchkey", "#!/bin/sh\necho \"$@\" >"+r.path("called")+"\n")
	got := r.call("restart", map[string]any{"name": "firewall", "action": "stop"})
	if got["result"] != true || r.read("called") != "restart\n" {
		t.Errorf("restart answers %v, called with %q", got, r.read("called"))
	}
}

// A daemon that is just starting is told from one that ended, by procd's list of services.
func testPluginProcess(t *testing.T) {
	for instances, want := range map[string]string{
		`{}`: "", `{ latchkey: {} }`: "", `{ latchkey: { instances: { hooks: { running: true } } } }`: "",
		`{ latchkey: { instances: { main: { running: true, pid: 7 } } } }`:        "running",
		`{ latchkey: { instances: { main: { running: false, exit_code: 1 } } } }`: "ended",
	} {
		r := newRouter(t)
		r.write("etc/config/latchkey", oneDoor)
		r.plugin("import { connect as ubus } from 'ubus';",
			"function ubus() { return { call: (object, method, args) => object == 'service' && method == 'list' && args.name == 'latchkey' ? "+instances+" : null }; }")
		r.write("call.uc", "printf('%J', loadfile('"+r.path("plugin.uc")+"', { raw_mode: true })().latchkey.status.call({ args: {} }));")
		if got := r.ucode()["process"]; got != want {
			t.Errorf("%s: process %q, want %q", instances, got, want)
		}
	}
}

func testPluginBridge(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", oneDoor)
	var asked control.Request
	r.daemon(func(q control.Request) (any, error) {
		asked = q
		switch q.Method {
		case "status":
			return control.Status{Running: true, Version: "9"}, nil
		case "close":
			return control.Closed{Grants: []control.Grant{}, More: 7}, nil
		case "events":
			return []int{1, 2}, nil
		case "check":
			return []control.Problem{{Text: "nonsense", Line: len(q.Text)}}, nil
		}
		return nil, &control.Error{Text: "no", Hint: "say please"}
	})

	r.write("var/run/latchkey.init/problems", "error: not taken\n")
	if got := r.call("status", nil); got["running"] != true || got["version"] != "9" || got["problem"] != "not taken" {
		t.Errorf("status answers %v", got)
	} else if bytes, _ := got["memory"].(float64); bytes < 1<<20 { // of this process, which stands in for the daemon
		t.Errorf("its memory is %v", got["memory"])
	}
	if diff := cmp.Diff(map[string]any{"events": []any{1.0, 2.0}}, r.call("events", map[string]any{"since": 7})); diff != "" || asked.Since != 7 {
		t.Errorf("asked %+v; events (-want +got):\n%s", asked, diff)
	}
	if diff := cmp.Diff(map[string]any{"closed": []any{}, "more": 7.0}, r.call("close", map[string]any{"door": "nas", "cut": true})); diff != "" || asked.Door != "nas" || !asked.Cut {
		t.Errorf("asked %+v; close (-want +got):\n%s", asked, diff)
	}
	hostile := "\"}\n{\"method\":\"close\",\"door\":\"nas\"}\n$(id)"
	want := map[string]any{"error": "no", "hint": "say please"}
	if diff := cmp.Diff(want, r.call("open", map[string]any{"door": hostile, "for": "5m"})); diff != "" {
		t.Errorf("open (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(control.Request{Method: "open", Door: hostile, For: "5m"}, asked); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	text := strings.Repeat("# a long line\n", 30_000) // more than fits into a socket's buffer
	problem := r.call("check", map[string]any{"text": text})["problems"].([]any)[0].(map[string]any)
	if problem["text"] != "nonsense" || problem["line"] != float64(len(text)) {
		t.Errorf("check of %d bytes answers %v", len(text), problem)
	}
}

func testNewClient(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", oneDoor)
	r.write("etc/config/system", "config system\n\toption hostname 'home & co'\n")
	r.write("etc/config/ddns", "config service 'mine'\n\toption enabled '1'\n\toption lookup_host 'home.example.net'\n")
	if err := os.Chmod(r.path("etc/config/latchkey"), 0o600); err != nil {
		t.Fatal(err)
	}

	bad := r.call("newclient", map[string]any{"name": "Ann's phone"})
	if why, _ := bad["error"].(string); !strings.Contains(why, "want letters, digits and _") || bad["hint"] != "a name has letters, digits and _ only, the title can be any text" {
		t.Errorf("a name of other characters: %v", bad)
	}
	for name, args := range map[string]map[string]any{
		"name":    {"name": "x; reboot"},
		"lines":   {"name": "x\n; reboot"},
		"taken":   {"name": "nas"},
		"door":    {"name": "phone", "door": []string{"garage"}},
		"number":  {"name": "phone", "door": []any{5}},
		"day":     {"name": "phone", "expires": "2027-13-45"},
		"title":   {"name": "phone", "title": "a\nconfig door 'all'"},
		"no name": {},
	} {
		if got := r.call("newclient", args); got["error"] == nil || got["link"] != nil {
			t.Errorf("%s: answers %v", name, got)
		}
		if diff := cmp.Diff(oneDoor, r.read("etc/config/latchkey")); diff != "" {
			t.Fatalf("%s: the configuration changed (-want +got):\n%s", name, diff)
		}
	}

	const nameless = "config door\n\toption port '22'"
	for what, text := range map[string]string{"at_its_end": oneDoor + nameless + "\n", "without_an_end": oneDoor + nameless, "in_it": nameless + "\n" + oneDoor} {
		r.write("etc/config/latchkey", text)
		if got := r.call("newclient", map[string]any{"name": "phone"}); !strings.Contains(fmt.Sprint(got["error"]), "would be refused") || got["hint"] != "nothing was changed" {
			t.Errorf("where the owner's own text is wrong %s: %v", what, got)
		}
	}
	r.write("etc/config/latchkey", oneDoor)

	r.call("newclient", map[string]any{"name": "none", "door": []string{""}})
	if text := r.read("etc/config/latchkey"); strings.Contains(text, "list door ''") || !strings.Contains(text, "config client 'none'") {
		t.Errorf("of a door without a name became\n%s", text)
	}
	r.write("etc/config/latchkey", oneDoor)

	title := `Ann's "phone" $(id) \`
	got := r.call("newclient", map[string]any{
		"name": "phone", "title": title, "door": []string{"nas"}, "expires": "2027-01-31", "page": "http://192.168.1.1/latchkey/",
	})
	text, ok := got["link"].(string)
	if !ok {
		t.Fatalf("newclient answers %v", got)
	}
	made, err := link.Parse(text)
	if err != nil {
		t.Fatalf("newclient answers a link that is refused: %v", err)
	}
	cfg, problems := config.Parse(r.read("etc/config/latchkey"))
	if len(problems.Errors()) > 0 || len(cfg.Clients) != 1 {
		t.Fatalf("the configuration has %d clients and the problems %v", len(cfg.Clients), problems)
	}
	c := cfg.Clients[0]
	if c.Name != "phone" || c.Title != title || !slices.Equal(c.Doors, []string{"nas"}) || c.Expires.IsZero() {
		t.Errorf("client %q, title %q, doors %q, expires %v", c.Name, c.Title, c.Doors, c.Expires)
	}
	if made.Name != "home & co" || made.Host != "home.example.net" || !slices.Equal(made.STUNPorts, []uint16{41641}) || made.Ports != 20480 || made.Key != c.Key {
		t.Errorf("the link has name %q, host %q, ports %v and %d; same key: %v", made.Name, made.Host, made.STUNPorts, made.Ports, made.Key == c.Key)
	}
	if again := r.call("link", map[string]any{"client": "phone", "page": "http://192.168.1.1/latchkey/"}); again["link"] != text {
		t.Error("link gives another link than newclient did")
	}
	info, err := os.Stat(r.path("etc/config/latchkey"))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("the file with the keys has mode %v, %v", info.Mode(), err)
	}
	if answer := r.call("link", map[string]any{"client": "nas"}); answer["error"] == nil || answer["hint"] != "ubus call latchkey newclient makes one" {
		t.Errorf("link of a door: %v", answer)
	}
}
