// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// opening is an event as the daemon tells it.
var opening = control.Event{
	Number: 7, Time: time.Date(2026, 11, 26, 5, 0, 0, 0, time.UTC), Kind: "opened", Door: "nas", Client: "phone", Address: "203.0.113.7",
	Detail: `says "hello"`,
}

// notifier is a router with the files of latchkey-notify.
type notifier struct{ *router }

func newNotifier(t *testing.T, config string) notifier {
	t.Helper()
	r := newRouter(t)
	r.write("etc/config/latchkey-notify", config)
	r.write("lib/functions.sh", r.move(script(t, "../../tests/testdata/openwrt.sh")))
	scripts, err := filepath.Glob(filepath.Join(files, "notify", "*"))
	if err != nil || len(scripts) != 4 {
		t.Fatalf("%q, %v", scripts, err)
	}
	for _, name := range scripts {
		r.write("usr/share/latchkey/notify/"+filepath.Base(name), script(t, "notify/"+filepath.Base(name)))
	}
	return notifier{r}
}

// tell runs the hook for an event, as latchkeyd hooks does, and returns what goes to the log.
func (r notifier) tell(e control.Event) string {
	r.t.Helper()
	hook := strings.NewReplacer("/usr/share", r.path("usr/share"), "/var/run", r.path("var/run"),
		"exec wget", "exec "+r.path("bin/wget")).Replace(script(r.t, "notify.sh")) // Debian's busybox prefers its own wget
	out, err := r.run(hook, "ACTION="+e.Kind, "DOOR="+e.Door, "CLIENT="+e.Client, "ADDRESS="+e.Address, "REASON="+e.Reason,
		"EVENT="+string(control.Marshal(e)))
	if err != nil {
		r.t.Errorf("the hook ends with %v", err)
	}
	return out
}

// program puts a program into the router's path: another one of this machine, or busybox.
func (r notifier) program(name, path string) {
	r.t.Helper()
	found, err := exec.LookPath(path)
	if err != nil {
		r.t.Skipf("SKIP: no %s here", path)
	}
	if err := os.Symlink(found, r.path("bin/"+name)); err != nil {
		r.t.Fatal(err)
	}
}

// recorder puts a program into the router's path that records its arguments and its standard input, and ends with a code.
func (r notifier) recorder(name string, code int) {
	r.write("bin/"+name, "#!/bin/sh\nprintf '"+name+" %s\\n' \"$*\" >>"+r.path("record")+"\n[ -t 0 ] || cat >>"+r.path("stdin")+"\nexit "+strconv.Itoa(code)+"\n")
}

const ubusOn = "config notify 'ubus'\n\toption enabled '1'\n\tlist event 'opened'\n\tlist event 'refused'\n"

// Who reads the file finds every kind of event that there is, and no other.
func TestNotify_names_all_kinds(t *testing.T) {
	table, err := os.ReadFile("../../testdata/words.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(table)) {
		if kind, isKind := strings.CutPrefix(strings.TrimSpace(line), "kind\t"); isKind {
			want = append(want, kind)
		}
	}
	_, text, _ := strings.Cut(script(t, "notify.config"), "kinds of events: ")
	text, _, _ = strings.Cut(text, ".")
	got := strings.Split(strings.ReplaceAll(text, "\n# ", " "), ", ")
	if diff := cmp.Diff(want, got, cmpopts.SortSlices(strings.Compare)); diff != "" || len(want) < 10 {
		t.Errorf("kinds of events (-daemon +file):\n%s", diff)
	}
}

func TestNotify_ships_switched_off(t *testing.T) {
	r := newNotifier(t, script(t, "notify.config"))
	for _, name := range []string{"ubus", "curl", "mosquitto_pub"} {
		r.recorder(name, 0)
	}
	if said := r.tell(opening); said != "" || r.read("record") != "" {
		t.Errorf("it says %q and calls %q", said, r.read("record"))
	}
	r.write("etc/config/latchkey-notify", strings.Replace(script(t, "notify.config"), "option enabled '0'", "option enabled '1'", 1))
	if said := r.tell(opening); said != "" || !strings.HasPrefix(r.read("record"), "ubus send latchkey {") {
		t.Errorf("after one option it says %q and calls %q", said, r.read("record"))
	}
}

func TestNotify_ubus(t *testing.T) {
	r := newNotifier(t, ubusOn)
	r.recorder("ubus", 0)
	if said := r.tell(opening); said != "" {
		t.Errorf("it says %q", said)
	}
	if want := "ubus send latchkey " + string(control.Marshal(opening)) + "\n"; r.read("record") != want {
		t.Errorf("it calls %q, want %q", r.read("record"), want)
	}
	t.Run("is_told_of_no_other_kinds", func(t *testing.T) {
		r.write("record", "")
		closing := opening
		closing.Kind = "closed"
		if said := r.tell(closing); said != "" || r.read("record") != "" {
			t.Errorf("it says %q and calls %q", said, r.read("record"))
		}
	})
	t.Run("is_told_of_one_refusal_in_a_minute", func(t *testing.T) {
		r.write("record", "")
		refused := control.Event{Kind: "refused", Reason: "stale"}
		for range 5 {
			r.tell(refused)
		}
		if n := strings.Count(r.read("record"), "ubus send"); n != 1 {
			t.Errorf("%d of 5 refusals are told", n)
		}
		r.write("var/run/latchkey-notify/refused", strconv.FormatInt(time.Now().Unix()-60, 10)+"\n")
		r.tell(refused)
		if n := strings.Count(r.read("record"), "ubus send"); n != 2 {
			t.Errorf("%d are told after a minute, want another one", n)
		}
	})
	t.Run("that_fails_is_said_once", func(t *testing.T) {
		r.recorder("ubus", 4)
		if said := r.tell(opening); said != "latchkey-notify: ubus was not told of opened nas: exit code 4\n" {
			t.Errorf("it says %q", said)
		}
	})
}

// Scripts for doors and those for other events run beside each other.
func TestNotify_of_two_events_at_once_tells_each_of_its_own(t *testing.T) {
	r := newNotifier(t, "config notify 'slow'\n\toption enabled '1'\n\tlist event 'opened'\n\tlist event 'refused'\n")
	r.write("usr/share/latchkey/notify/slow", `[ "$ACTION" = opened ] || exit 0
		: >`+r.path("begun")+`
		until [ -e `+r.path("go")+` ]; do sleep 1; done
		cat "$RUN/$section.json" >`+r.path("told")+"\n")
	said := make(chan string, 1)
	go func() { said <- r.tell(opening) }()
	lab.Wait(t, "the first is being told", func() bool { _, err := os.Stat(r.path("begun")); return err == nil })
	if out := r.tell(control.Event{Kind: "refused", Reason: "stale"}); out != "" {
		t.Errorf("of the second it says %q", out)
	}
	r.write("go", "")
	if out := <-said; out != "" {
		t.Errorf("of the first it says %q", out)
	}
	if want := string(control.Marshal(opening)); r.read("told") != want {
		t.Errorf("told is %q, want %q", r.read("told"), want)
	}
}

// TestNotify_ubus on the real thing, where it is.
func TestNotify_real_ubus(t *testing.T) {
	ubusd := os.Getenv("LATCHKEY_UBUSD")
	if ubusd == "" {
		t.Skip("SKIP: no ubusd of OpenWrt here (LATCHKEY_UBUSD, with ubus in the PATH)")
	}
	r := newNotifier(t, ubusOn)
	socket := r.path("ubus.sock")
	server := exec.Command(ubusd, "-s", socket)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	lab.Wait(t, "ubusd listens", func() bool { _, err := os.Stat(socket); return err == nil })
	real, err := exec.LookPath("ubus")
	if err != nil {
		t.Fatal(err)
	}
	r.write("bin/ubus", "#!/bin/sh\nexec "+real+" -s "+socket+" \"$@\"\n")
	listener := exec.Command(real, "-s", socket, "listen", "latchkey")
	heard, err := os.Create(r.path("heard"))
	if err != nil {
		t.Fatal(err)
	}
	listener.Stdout = heard
	if err := listener.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { listener.Process.Kill(); listener.Wait() }()
	lab.Wait(t, "the event", func() bool {
		if said := r.tell(opening); said != "" {
			t.Fatalf("it says %q", said)
		}
		return strings.HasSuffix(r.read("heard"), "\n")
	})
	first, _, _ := strings.Cut(r.read("heard"), "\n")
	var got map[string]control.Event
	if err := json.Unmarshal([]byte(first), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]control.Event{"latchkey": opening}, got); diff != "" {
		t.Errorf("heard (-want +got):\n%s", diff)
	}
}

// request is what a server for HTTP was asked.
type request struct{ Method, Path, Authorization, Type, Body string }

// web is a server for HTTP that keeps what it is asked.
func web(t *testing.T, code int) (url string, asked chan request) {
	asked = make(chan request, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, _ := io.ReadAll(q.Body)
		asked <- request{q.Method, q.URL.Path, q.Header.Get("Authorization"), q.Header.Get("Content-Type"), string(body)}
		w.WriteHeader(code)
	}))
	t.Cleanup(s.Close)
	return s.URL, asked
}

// first returns what was asked first, if something was.
func first(asked chan request) (q request) {
	select {
	case q = <-asked:
	default:
	}
	return q
}

// posters are the programs that post: curl, where it is installed, else wget, with the options that GNU's has in
// common with OpenWrt's uclient-fetch.
var posters = map[string]func(notifier){
	"by_curl": func(r notifier) { r.program("curl", "curl") },
	"by_wget": func(r notifier) {
		r.program("wget", "wget")
		r.env[0] = "PATH=" + r.path("bin") // there may be a curl elsewhere
		for _, name := range []string{"date", "kill", "mkdir", "rm", "sed", "sleep", "tr", "uname"} {
			r.program(name, "busybox")
		}
	},
}

func TestNotify_by_HTTP(t *testing.T) {
	for by, install := range posters {
		t.Run("ntfy_"+by, func(t *testing.T) {
			url, asked := web(t, 200)
			r := newNotifier(t, "config notify 'ntfy'\n\toption enabled '1'\n\tlist event 'opened'\n\toption server '"+url+"/'\n"+
				"\toption topic 'my\"topic'\n\toption token 'tk_secret'\n")
			install(r)
			e := opening
			e.Client = `a "phone" \o/`
			if said := r.tell(e); said != "" {
				t.Fatalf("it says %q", said)
			}
			got := first(asked)
			var body struct{ Topic, Title, Message string }
			if err := json.Unmarshal([]byte(got.Body), &body); err != nil {
				t.Fatalf("%q: %v", got.Body, err)
			}
			got.Body = ""
			if want := (request{"POST", "/", "Bearer tk_secret", "application/json", ""}); got != want {
				t.Errorf("asked for %+v, want %+v", got, want)
			}
			if body.Topic != `my"topic` || !strings.HasSuffix(body.Title, ": opened nas") || body.Message != e.Client+" 203.0.113.7 " {
				t.Errorf("the message is %+v", body)
			}
		})
		t.Run("homeassistant_"+by, func(t *testing.T) {
			url, asked := web(t, 200)
			r := newNotifier(t, "config notify 'homeassistant'\n\toption enabled '1'\n\tlist event 'opened'\n\toption url '"+url+"'\n\toption webhook 'hook-id'\n")
			install(r)
			if said := r.tell(opening); said != "" {
				t.Fatalf("it says %q", said)
			}
			if diff := cmp.Diff(request{"POST", "/api/webhook/hook-id", "", "application/json", string(control.Marshal(opening))}, first(asked)); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			if left, _ := filepath.Glob(r.path("var/run/latchkey-notify/*")); len(left) > 0 {
				t.Errorf("left behind are %q", left)
			}
		})
		t.Run("refused_"+by, func(t *testing.T) {
			url, _ := web(t, 403)
			r := newNotifier(t, "config notify 'ntfy'\n\toption enabled '1'\n\tlist event 'opened'\n\toption server '"+url+"'\n\toption topic 'mine'\n\toption token 'tk_secret'\n")
			install(r)
			said := r.tell(opening)
			if !strings.Contains(said, "latchkey-notify: ntfy was not told of opened nas: exit code ") || strings.Contains(said, "secret") || strings.Contains(said, "mine") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

// Every process can read the arguments of others.
func TestNotify_keeps_secrets_out_of_arguments(t *testing.T) {
	r := newNotifier(t, `
config notify 'ntfy'
	option enabled '1'
	list event 'opened'
	option topic 'secret-topic'
	option token 'secret-token'

config notify 'homeassistant'
	option enabled '1'
	list event 'opened'
	option url 'http://ha'
	option webhook 'secret-id'

config notify 'mqtt'
	option enabled '1'
	list event 'opened'
	option host 'broker'
	option user 'door'
	option password 'secret-password'
`)
	r.recorder("curl", 0)
	r.recorder("mosquitto_pub", 0)
	if said := r.tell(opening); said != "" {
		t.Errorf("it says %q", said)
	}
	if called := strings.ReplaceAll(r.read("record"), r.root, ""); strings.Contains(called, "secret") || strings.Count(called, "curl ") != 2 || strings.Count(called, "mosquitto_pub ") != 1 {
		t.Errorf("called are\n%s", called)
	}
	if in := r.read("stdin"); !strings.Contains(in, "Bearer secret-token") || !strings.Contains(in, "/api/webhook/secret-id") {
		t.Errorf("curl is not told by its standard input:\n%s", in)
	}
	if info, err := os.Stat(r.path("var/run/latchkey-notify")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others can read what is in its folder: %v, %v", info, err)
	}
}

// Who takes a connection and says nothing costs the others nothing, and the next event ten seconds.
func TestNotify_ends_who_does_not_answer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newNotifier(t, ubusOn+"config notify 'silent'\n\toption enabled '1'\n\tlist event 'opened'\n\toption via 'homeassistant'\n"+
		"\toption url 'http://"+l.Addr().String()+"'\n\toption webhook 'x'\n"+
		"config notify 'deaf'\n\toption enabled '1'\n\tlist event 'opened'\n\toption via 'hangs'\n")
	r.program("curl", "curl")
	r.recorder("ubus", 0)
	r.write("usr/share/latchkey/notify/hangs", "exec sleep 1000\n")
	said := make(chan string, 1)
	go func() { said <- r.tell(opening) }()
	lab.Wait(t, "ubus was told", func() bool { return strings.Contains(r.read("record"), "ubus send") })
	for _, name := range []string{"silent", "deaf"} {
		if len(said) > 0 {
			t.Errorf("nobody waits for %s", name)
		}
	}
	text := <-said
	for _, name := range []string{"silent", "deaf"} {
		if !strings.Contains(text, "latchkey-notify: "+name+" was not told of opened nas: exit code ") {
			t.Errorf("nothing is said of %s: %q", name, text)
		}
	}
	if strings.Contains(text, "ubus was not told") {
		t.Errorf("it says %q", text)
	}
}

func TestNotify_says_what_is_missing(t *testing.T) {
	r := newNotifier(t, strings.ReplaceAll(script(t, "notify.config"), "option enabled '0'", "option enabled '1'")+
		"config notify 'pigeon'\n\toption enabled '1'\n\tlist event 'opened'\n")
	r.recorder("ubus", 0)
	said := strings.ReplaceAll(r.tell(opening), r.root, "")
	for _, want := range []string{
		"ntfy: option topic is missing", "mqtt: option host is missing", "homeassistant: option url or webhook is missing",
		"pigeon: there is no /usr/share/latchkey/notify/pigeon",
	} {
		if !strings.Contains(said, "latchkey-notify: "+want+"\n") {
			t.Errorf("it does not say %q, but\n%s", want, said)
		}
	}
}

func TestNotify_MQTT(t *testing.T) {
	for _, name := range []string{"mosquitto", "mosquitto_pub", "mosquitto_sub", "mosquitto_passwd"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("SKIP: no %s here", name)
		}
	}
	// The kernel gives a free port; whoever takes it first makes mosquitto end, and another one is tried.
	folder := t.TempDir()
	passwords := filepath.Join(folder, "passwords")
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("mosquitto_passwd", "-b", "-c", passwords, "door", "pass word").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	port := freePort(t)
	config := filepath.Join(folder, "mosquitto.conf")
	text := "listener " + port + " 127.0.0.1\npassword_file " + passwords + "\nallow_anonymous false\nuser root\n"
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	server := exec.Command("mosquitto", "-c", config)
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { server.Process.Kill(); server.Wait() }()
	r := newNotifier(t, "config notify 'mqtt'\n\toption enabled '1'\n\tlist event 'opened'\n\toption host '127.0.0.1'\n\toption port '"+port+"'\n"+
		"\toption user 'door'\n\toption password 'pass word'\n\toption topic 'home/doors'\n")
	lab.Wait(t, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	heard, err := os.Create(filepath.Join(folder, "heard"))
	if err != nil {
		t.Fatal(err)
	}
	listener := exec.Command("mosquitto_sub", "-h", "127.0.0.1", "-p", port, "-u", "door", "-P", "pass word", "-t", "home/doors")
	listener.Stdout = heard
	if err := listener.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { listener.Process.Kill(); listener.Wait() }()
	lab.Wait(t, "the event", func() bool {
		if said := r.tell(opening); said != "" {
			t.Fatalf("it says %q", said)
		}
		b, _ := os.ReadFile(heard.Name())
		return strings.HasPrefix(string(b), string(control.Marshal(opening))+"\n")
	})
	r.write("etc/config/latchkey-notify", strings.Replace(r.read("etc/config/latchkey-notify"), "pass word", "wrong", 1))
	if said := r.tell(opening); !strings.Contains(said, "mqtt was not told") || strings.Contains(said, "wrong") {
		t.Errorf("with a wrong password it says %q", said)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
