// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// paths lists what is below a folder, with modes.
func (r *router) paths(folder string) (list []string) {
	r.t.Helper()
	err := filepath.WalkDir(r.path(folder), func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		list = append(list, info.Mode().String()+" "+strings.TrimPrefix(name, r.root))
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return list
}

func TestHandOver(t *testing.T) {
	r := newRouter(t)
	text := enabled + "\tlist interface 'wan'\n\tlist interface 'wan6'\n\tlist interface 'lte'\n"
	r.write("etc/config/latchkey", text)
	r.write("etc/hotplug.d/x", "")
	before := r.paths("etc")
	calls, out, err := r.initScript("start", "USER_EXISTS=1", "DEVICE_wan6=pppoe-wan")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}

	want := text + "\nconfig latchkey 'main'\n\tlist device 'eth1' # wan\n\tlist device 'pppoe-wan' # wan6\n"
	if diff := cmp.Diff(want, r.read("var/run/latchkey.init/config")); diff != "" {
		t.Errorf("configuration handed over (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(text, r.read("var/run/latchkey.init/saved")); diff != "" {
		t.Errorf("configuration saved (-want +got):\n%s", diff)
	}
	wantPaths := []string{
		"drwxr-xr-x /var/run",
		"drwxr-x--- /var/run/latchkey",
		"drwxr-xr-x /var/run/latchkey.clock",
		"drwxr-x--- /var/run/latchkey.init",
		"-r--r----- /var/run/latchkey.init/config",
		"drwx------ /var/run/latchkey.init/new",
		"-r-------- /var/run/latchkey.init/saved",
	}
	inNew := func(s string) bool { return strings.Contains(s, "/latchkey.init/new/") }
	if diff := cmp.Diff(wantPaths, slices.DeleteFunc(r.paths("var/run"), inNew)); diff != "" {
		t.Errorf("files in /var/run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(before, "drwxr-x--- /etc/latchkey"), r.paths("etc")); diff != "" {
		t.Errorf("files in /etc (-want +got):\n%s", diff)
	}
	owners := slices.DeleteFunc(calls, func(s string) bool { return !strings.HasPrefix(s, "chown\t") })
	wantOwners := []string{
		"chown\tlatchkey:latchkey\t/var/run/latchkey",
		"chown\tlatchkey:latchkey\t/etc/latchkey",
		"chown\troot:latchkey\t/var/run/latchkey.init\t/var/run/latchkey.init/new/config",
	}
	if diff := cmp.Diff(wantOwners, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}

	t.Run("an_interface_that_is_down_keeps_its_device", func(t *testing.T) {
		if _, out, err := r.initScript("start", "DEVICE_wan6=", "DEVICE_lte=wwan0"); err != nil {
			t.Fatalf("start: %v\n%s", err, out)
		}
		want := want + "\tlist device 'wwan0' # lte\n"
		if diff := cmp.Diff(want, r.read("var/run/latchkey.init/config")); diff != "" {
			t.Errorf("configuration handed over (-want +got):\n%s", diff)
		}
	})
}

// What a configuration names and the router does not have is told to the daemon; what that is, pkgs/uplink tests.
func TestMissing(t *testing.T) {
	doors := `
config door 'nas'
	option port '2222'
	option dest 'attic'
	option dest_ip '192.168.1.22'

config door 'web'
	option src 'wanb'
	option port '443'
`
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled+"\tlist interface 'wan'\n\tlist interface 'lte'\n\tlist interface 'wlan'\n"+doors)
	calls, out, err := r.initScript("start")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	_, found, _ := strings.Cut(r.read("var/run/latchkey.init/config"), "\nconfig latchkey 'main'\n")
	want := "\tlist device 'eth1' # wan\n\tlist device 'wlan'\n\tlist missing_interface 'wlan'\n\tlist missing_zone 'attic'\n\tlist missing_zone 'wanb'\n"
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("what was found (-want +got):\n%s", diff)
	}
	if len(firewall(calls)) != 6 { // should the zone come, it works at once
		t.Errorf("objects are not published: %q", firewall(calls))
	}

	look := func(want bool, env ...string) {
		t.Helper()
		calls, out, err := r.initScript("look", env...)
		if err != nil {
			t.Fatalf("look: %v\n%s", err, out)
		}
		if got := instance(calls, "main") != nil; got != want {
			t.Errorf("look: the daemon was told: %v, want %v", got, want)
		}
	}
	look(false, "RUNNING=1") // nothing is new
	r.write("etc/config/firewall", zones+"\nconfig zone\n\toption name 'wanb'\n")
	look(false) // what does not run is not started
	look(true, "RUNNING=1")
	if text := r.read("var/run/latchkey.init/config"); strings.Contains(text, "missing_zone 'wanb'") || !strings.Contains(text, "missing_zone 'attic'") {
		t.Errorf("after the zone came:\n%s", text)
	}
}

// Who names no interface gets those of the firewall's zone wan. Which these are is decided and tested in pkgs/uplink.
func TestOutside(t *testing.T) {
	zone := func(name string, options ...string) string {
		return "config zone\n\toption name '" + name + "'\n\t" + strings.Join(options, "\n\t") + "\n\n"
	}
	lan := zone("lan", "list network 'lan'", "list network 'extra'")
	tests := []struct{ name, firewall, want, trigger string }{
		{"stock", lan + zone("wan", "list network 'wan'", "list network 'wan6'"),
			"\tlist interface 'wan'\n\tlist device 'eth1' # wan\n", "wan wan6"},
		{"none_there", lan + zone("wan", "list network 'gone'"),
			"\tlist interface 'gone'\n\tlist device 'gone'\n\tlist missing_interface 'gone'\n", "gone"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/firewall", tt.firewall)
			r.write("etc/config/latchkey", enabled)
			calls, out, err := r.initScript("start", "INTERFACES=lan wan modem lte", "DEVICE_modem=usb0")
			if err != nil {
				t.Fatalf("start: %v\n%s", err, out)
			}
			_, found, _ := strings.Cut(r.read("var/run/latchkey.init/config"), "\nconfig latchkey 'main'\n")
			if diff := cmp.Diff(tt.want, found); diff != "" {
				t.Errorf("what was found (-want +got):\n%s", diff)
			}
			var triggers []string
			for _, call := range calls {
				if name, ok := strings.CutPrefix(call, "procd_add_reload_interface_trigger\t"); ok {
					triggers = append(triggers, name)
				}
			}
			if diff := cmp.Diff(strings.Fields(tt.trigger), triggers); diff != "" {
				t.Errorf("triggers (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("a_new_one_is_noticed", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/firewall", lan+zone("wan", "list network 'modem'"))
		r.write("etc/config/latchkey", enabled)
		if _, out, err := r.initScript("start", "INTERFACES=modem"); err != nil {
			t.Fatalf("start: %v\n%s", err, out)
		}
		r.write("etc/config/firewall", lan+zone("wan", "list network 'modem'", "list network 'lte'"))
		calls, _, err := r.initScript("look", "INTERFACES=modem lte", "DEVICE_lte=wwan0", "RUNNING=1")
		if err != nil || instance(calls, "main") == nil {
			t.Errorf("look: %v, calls %q", err, calls)
		}
		if text := r.read("var/run/latchkey.init/config"); !strings.Contains(text, "list device 'wwan0' # lte") {
			t.Errorf("the daemon got\n%s", text)
		}
	})
}

// Of what its owner wrote, with comments behind it, nothing is copied into what was found: there are keys in it.
func TestWhatWasFoundHasNoKeys(t *testing.T) {
	const key = "3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs="
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled+"\nconfig client 'phone'\n\toption key '"+key+"' # Anna's phone\n")
	for range 2 {
		if _, out, err := r.initScript("start"); err != nil {
			t.Fatalf("start: %v\n%s", err, out)
		}
	}
	there := r.read("var/run/latchkey.init/new/there")
	if strings.Contains(there, key) || !strings.Contains(there, "\tlist device 'eth1' # wan\n") {
		t.Errorf("what there is:\n%s", there)
	}
}

// Knocks from the networks inside are explained: those of the zones that no knock comes in at.
func TestInside(t *testing.T) {
	const firewall = `
config zone
	option name 'lan'
	list network 'lan'
	list network 'office'

config zone
	option name 'wan'
	list network 'modem'
	list network 'wan'

config zone
	option name 'guest'
	option network 'guest down'

config zone
	option name 'old'
	option enabled '0'
	option network 'old'

config zone
	option name 'vpn'
`
	r := newRouter(t)
	r.write("etc/config/firewall", firewall)
	r.write("etc/config/latchkey", enabled+"\tlist interface 'wan'\n")
	_, out, err := r.initScript("start", "DEVICE_lan=br-lan", "DEVICE_office=br-office", "DEVICE_modem=eth1.7", "DEVICE_guest=br-guest", "DEVICE_old=br-old")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	_, found, _ := strings.Cut(r.read("var/run/latchkey.init/config"), "\nconfig latchkey 'main'\n")
	want := "\tlist device 'eth1' # wan\n\tlist inside 'br-lan' # lan\n\tlist inside 'br-office' # office\n\tlist inside 'br-guest' # guest\n"
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("what was found (-want +got):\n%s", diff)
	}
}

func TestSwitchedOff(t *testing.T) {
	r := newRouter(t)
	const off = "config latchkey 'main'\n\toption enabled '0'\n\nconfig door 'web'\n\toption port '8443'\n"
	r.write("etc/config/latchkey", strings.Replace(off, "'0'", "'1'", 1))
	if _, out, err := r.initScript("start"); err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	r.write("etc/config/latchkey", off)
	calls, out, err := r.initScript("start", "RUNNING=1")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	want := []string{
		"procd_open_service\tlatchkey",
		"procd_add_reload_trigger\tlatchkey",
		"procd_close_service\tset",
		"procd_set_config_changed\tfirewall",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	// The owner's file is whole: nobody needs its copy any more.
	if diff := cmp.Diff([]string{"drwxr-xr-x /var/run", "drwxr-x--- /var/run/latchkey", "drwxr-xr-x /var/run/latchkey.clock"}, r.paths("var/run")); diff != "" {
		t.Errorf("files in /var/run (-want +got):\n%s", diff)
	}
}

// On a full flash, uci commit leaves an empty file and says that all is well.
func TestLostConfiguration(t *testing.T) {
	text := enabled + "\nconfig client 'phone'\n\toption key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n"
	for name, lost := range map[string]string{
		"empty":                "",
		"without_section_main": "config door 'web'\n\toption port '8443'\n",
		"not_there":            "-",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", text)
			if _, out, err := r.initScript("start"); err != nil {
				t.Fatalf("start: %v\n%s", err, out)
			}
			r.write("etc/config/latchkey", lost)
			if lost == "-" {
				os.Remove(r.path("etc/config/latchkey"))
			}
			for _, action := range []string{"reload", "look", "start"} {
				calls, out, err := r.initScript(action, "RUNNING=1")
				if slices.ContainsFunc(calls, func(s string) bool { return strings.HasPrefix(s, "procd_close_service") }) {
					t.Errorf("%s: procd was told something: %q", action, calls)
				}
				if action != "look" && (err == nil || !strings.Contains(out, "hint: the last good one is kept until the next boot: cp ")) {
					t.Errorf("%s: %v, the log says %q", action, err, out)
				}
			}
			problems := r.read("var/run/latchkey.init/problems")
			_, command, ok := strings.Cut(problems, "hint: the last good one is kept until the next boot: ")
			if !ok {
				t.Fatalf("the problems are %q", problems)
			}
			if out, err := r.run(command); err != nil {
				t.Fatalf("the hint does not work: %v\n%s", err, out)
			}
			if diff := cmp.Diff(text, r.read("etc/config/latchkey")); diff != "" {
				t.Errorf("the configuration that came back (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("without_a_copy_nothing_starts", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", "")
		calls, out, _ := r.initScript("start")
		if instance(calls, "main") != nil || strings.Contains(out, "hint: ") || !strings.Contains(out, "is mandatory but not there") {
			t.Errorf("calls %q, the log says %q", calls, out)
		}
	})
	lab.Withstood(t, "power and disk", "configuration lost on a running router", "the running one stays, and the log says how the last good one comes back")
}

// Without the firewall's zones knocks would be awaited nowhere.
func TestFirewallThatCannotBeExported(t *testing.T) {
	t.Run("damaged", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", enabled)
		r.standIn("uci", "exit 1\n")
		calls, out, err := r.initScript("start", "RUNNING=1")
		if err == nil || instance(calls, "main") != nil || !strings.Contains(out, "error: uci cannot export the firewall's configuration\n") {
			t.Errorf("%v, calls %q, the log says %q", err, calls, out)
		}
	})
	t.Run("not_there", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", enabled)
		if err := os.Remove(r.path("etc/config/firewall")); err != nil {
			t.Fatal(err)
		}
		calls, out, err := r.initScript("start")
		if err != nil || instance(calls, "main") == nil {
			t.Errorf("%v, calls %q, the log says %q", err, calls, out)
		}
	})
}

// The log and the status are for everybody who may read them: they tell of steps that they are beside each
// other, but not which they are.
func TestProblemsInTheLogNameNoStep(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled+"\nconfig sequence 's'\n\tlist step '7431/tcp'\n\tlist step '7432/tcp'\n\tlist step '9450/tcp'\n\tlist door 'ssh'\n")
	calls, out, _ := r.initScript("start", "USER_EXISTS=1")
	said := out + strings.Join(calls, "\n") + r.read("var/run/latchkey.init/problems")
	if !strings.Contains(said, "(s)") {
		t.Fatalf("nothing is told of the sequence:\n%s", said)
	}
	for _, step := range []string{"7431", "7432", "9450"} {
		if strings.Contains(said, step) {
			t.Errorf("the log tells step %s:\n%s", step, said)
		}
	}
}
