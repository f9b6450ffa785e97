// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// initScript runs an action of the init script. The calls it made are in the result, one a line.
func (r *router) initScript(action string, env ...string) (calls []string, out string, err error) {
	r.t.Helper()
	if err := os.RemoveAll(r.path("record")); err != nil {
		r.t.Fatal(err)
	}
	out, err = r.run(script(r.t, "../../tests/testdata/openwrt.sh")+script(r.t, "latchkey.init")+"\n"+action, env...)
	text := strings.ReplaceAll(r.read("record"), r.root, "")
	return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), strings.ReplaceAll(out, r.root, ""), err
}

// firewall returns the objects that the calls publish, one a line: "TYPE OPTION=VALUE ...".
func firewall(calls []string) []string {
	var objects, object []string
	for _, call := range calls {
		words := append(strings.Split(call, "\t"), "", "")
		switch name, value := words[1], words[2]; words[0] {
		case "json_add_object":
			object = nil
		case "json_add_string":
			object = append(object, name+"="+value)
		case "json_close_object":
			slices.Sort(object[1:])
			objects = append(objects, strings.TrimPrefix(strings.Join(object, " "), "type="))
		}
	}
	return objects
}

const enabled = `config latchkey 'main'
	option enabled '1'
`

// What the objects are is decided and tested in pkgs/fw4.
func TestDoorsArePublished(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled+`
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'

config door 'old'
	option port '99'
	option enabled '0'
`)
	calls, out, err := r.initScript("start")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	want := []string{
		"ipset family=ipv4 match=src_ip name=latchkey1_nas_4 timeout=0",
		"redirect dest=lan dest_ip=192.168.1.22 dest_port=2222 family=ipv4 ipset=latchkey1_nas_4 proto=tcp reflection=1 src=wan src_dport=2222 target=DNAT",
		"ipset family=ipv6 match=src_ip name=latchkey1_nas_6 timeout=0",
		"rule dest=lan dest_ip=::22/-64 dest_port=2222 family=ipv6 ipset=latchkey1_nas_6 proto=tcp src=wan target=ACCEPT",
	}
	if diff := cmp.Diff(want, firewall(calls)); diff != "" {
		t.Errorf("firewall objects (-want +got):\n%s", diff)
	}
	if i := slices.Index(calls, "procd_open_data"); i < 0 || !slices.Equal(calls[i+1:i+3], []string{"json_add_array\tfirewall", "json_add_object\t"}) {
		t.Errorf("they are not the data of the instance: %q", calls)
	}
}

// instance returns the calls from opening an instance to closing it, without the firewall's objects.
func instance(calls []string, name string) []string {
	from := slices.Index(calls, "procd_open_instance\t"+name)
	if from < 0 {
		return nil
	}
	mine := calls[from:]
	mine = slices.Clone(mine[:slices.Index(mine, "procd_close_instance")+1])
	return slices.DeleteFunc(mine, func(s string) bool { return strings.HasPrefix(s, "json_") })
}

func TestInstance(t *testing.T) {
	common := []string{
		"procd_open_instance\tmain",
		"procd_set_param\tcommand\t/usr/bin/latchkeyd\trun\t--syslog\t/dev/log",
		"procd_set_param\tenv\tGOMEMLIMIT=12MiB",
		"procd_set_param\tfile\t/var/run/latchkey.init/config",
		"procd_set_param\treload_signal\tHUP",
		"procd_set_param\tterm_timeout\t30",
		"procd_set_param\trespawn\t3600\t5\t0",
		"procd_set_param\tstdout\t1",
		"procd_set_param\tstderr\t1",
	}
	data := []string{"procd_open_data", "procd_close_data", "procd_close_instance"}
	jail := []string{
		"procd_set_param\tuser\tlatchkey",
		"procd_set_param\tgroup\tlatchkey",
		"procd_set_param\tcapabilities\t/etc/capabilities/latchkey.json",
		"procd_set_param\tno_new_privs\t1",
		"procd_add_jail\tlatchkey\tlog",
		"procd_add_jail_mount\t/var/run/latchkey.init",
		"procd_add_jail_mount_rw\t/var/run/latchkey\t/etc/latchkey",
		"procd_add_jail_mount\t/var/run/latchkey.clock",
	}
	warning := "logger\t-t\tlatchkey\t-p\tdaemon.warn\tlatchkeyd runs as root: there is no user latchkey"
	tests := []struct {
		name  string
		with  []string // files
		user  string
		extra []string
	}{
		{"jailed", []string{"sbin/ujail", "etc/capabilities/latchkey.json"}, "yes", jail},
		{"without_ujail", []string{"etc/capabilities/latchkey.json"}, "yes", nil},
		{"without_the_capabilities_file", []string{"sbin/ujail"}, "yes", nil},
		{"without_the_user", []string{"sbin/ujail", "etc/capabilities/latchkey.json"}, "", []string{warning}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", enabled)
			for _, name := range tt.with {
				r.write(name, "")
			}
			calls, out, err := r.initScript("start", "USER_EXISTS="+tt.user)
			if err != nil {
				t.Fatalf("start: %v\n%s", err, out)
			}
			want := slices.Concat(common, tt.extra, data)
			if diff := cmp.Diff(want, instance(calls, "main")); diff != "" {
				t.Errorf("instance main (-want +got):\n%s", diff)
			}
			// A folder that is not there when the jail is made never comes into it.
			info, err := os.Stat(r.path("var/run/latchkey.clock"))
			if tt.name == "jailed" && (err != nil || info.Mode() != os.ModeDir|0o755) {
				t.Errorf("the jail's folder of what NTP said: %v, %v", info, err)
			}
			if hooks := instance(calls, "hooks"); hooks != nil {
				t.Errorf("there are no scripts, but an instance for them: %q", hooks)
			}
		})
	}
}

func TestInstance_hooks(t *testing.T) {
	for _, folder := range []string{"latchkey", "latchkey-events"} {
		t.Run("for_scripts_in_"+folder, func(t *testing.T) { testInstanceHooks(t, folder) })
	}
}

func testInstanceHooks(t *testing.T, folder string) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled)
	if err := os.MkdirAll(r.path("etc/hotplug.d/latchkey"), 0o755); err != nil {
		t.Fatal(err)
	}
	r.write("etc/hotplug.d/"+folder+"/10-tell", "")
	calls, _, err := r.initScript("start")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"procd_open_instance\thooks",
		"procd_set_param\tcommand\t/usr/bin/latchkeyd\thooks",
		"procd_set_param\trespawn\t3600\t5\t0",
		"procd_set_param\tstdout\t1",
		"procd_set_param\tstderr\t1",
		"procd_close_instance",
	}
	if diff := cmp.Diff(want, instance(calls, "hooks")); diff != "" {
		t.Errorf("instance hooks (-want +got):\n%s", diff)
	}
}

func TestTriggers(t *testing.T) {
	tests := []struct{ name, config, want string }{
		{"named", enabled + "\tlist interface 'wan'\n\tlist interface 'lte'\n", "wan lte"},
		{"the_zone_wan's", enabled, "modem wan6"},
		{"switched_off", "config latchkey 'main'\n\tlist interface 'lte'\n", ""},
		{"refused", "config latchkey 'main'\n\toption nonsense '1'\n", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/firewall", zones+"\nconfig zone\n\toption name 'wan'\n\tlist network 'modem'\n\tlist network 'wan6'\n")
			r.write("etc/config/latchkey", tt.config)
			calls, _, err := r.initScript("start")
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"procd_add_reload_trigger\tlatchkey"}
			for _, i := range strings.Fields(tt.want) {
				want = append(want, "procd_add_reload_interface_trigger\t"+i)
			}
			if tt.want != "" {
				want = append(want, "procd_add_config_trigger\tconfig.change\tfirewall\t/etc/init.d/latchkey\tlook")
			}
			got := slices.DeleteFunc(calls, func(s string) bool { return !strings.Contains(s, "_trigger\t") })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("triggers (-want +got):\n%s", diff)
			}
		})
	}
}

func TestBadConfiguration(t *testing.T) {
	const badPort = enabled + "\nconfig door 'web'\n\toption port '70000'\n"
	tests := []struct{ name, config, want string }{
		{"value", badPort,
			"error: section 'door' (web) option 'port' specifies invalid value '70000': ports end at 65535 (line 5)"},
		{"grammar", enabled + "option\n",
			"error: invalid statement: a line begins with config, option or list, and a space (line 3)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", tt.config)
			calls, out, err := r.initScript("start")
			for _, call := range calls {
				if strings.HasPrefix(call, "json_") || strings.HasPrefix(call, "procd_open_instance") {
					t.Errorf("something is started or published: %s", call)
				}
			}
			if !slices.Contains(calls, "procd_add_reload_trigger\tlatchkey") {
				t.Error("no trigger: a repaired configuration would not be noticed")
			}
			if err != nil {
				t.Errorf("start: %v", err)
			}
			for where, text := range map[string]string{"log": out, "problems": r.read("var/run/latchkey.init/problems")} {
				if !strings.Contains(text, tt.want) || !strings.Contains(text, "/etc/config/latchkey has an error") {
					t.Errorf("%s is %q, without %q and the name of the user's file", where, text, tt.want)
				}
			}
		})
	}

	for _, action := range []string{"start", "reload"} {
		t.Run(action+"_leaves_the_running_one_alone", func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", badPort)
			r.write("var/run/latchkey.init/config", "of before")
			calls, _, err := r.initScript(action, "RUNNING=1")
			if err == nil {
				t.Errorf("%s succeeded with a bad configuration", action)
			}
			if slices.ContainsFunc(calls, func(s string) bool { return strings.HasPrefix(s, "procd_close_service") }) {
				t.Errorf("procd was told something: %q", calls)
			}
			if got := r.read("var/run/latchkey.init/config"); got != "of before" {
				t.Errorf("the daemon's configuration became %q", got)
			}
		})
	}

	t.Run("repaired", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", badPort)
		if _, _, err := r.initScript("start"); err != nil {
			t.Fatal(err)
		}
		r.write("etc/config/latchkey", enabled)
		calls, _, err := r.initScript("reload")
		if err != nil || instance(calls, "main") == nil {
			t.Errorf("reload: %v, calls %q", err, calls)
		}
		if got := r.read("var/run/latchkey.init/problems"); got != "" {
			t.Errorf("problems are still told: %q", got)
		}
	})
	lab.Withstood(t, "keys and doors", "bad configuration at the start of the router", "nothing starts and nothing opens; the log names option, value and line")
}

func TestReload(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled)
	if _, out, err := r.initScript("start"); err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}

	told := func(t *testing.T, env ...string) bool {
		calls, out, err := r.initScript("reload", env...)
		if err != nil {
			t.Fatalf("reload: %v\n%s", err, out)
		}
		return instance(calls, "main") != nil
	}
	t.Run("of_the_same_spares_the_firewall", func(t *testing.T) {
		if told(t, "RUNNING=1") {
			t.Error("procd was told of it, which makes the firewall reload")
		}
	})
	t.Run("of_the_same_starts_what_does_not_run", func(t *testing.T) {
		if !told(t) {
			t.Error("nothing was started")
		}
	})
	t.Run("of_another_device", func(t *testing.T) {
		if !told(t, "RUNNING=1", "DEVICE_wan=eth2") {
			t.Error("procd was not told of it")
		}
	})
	t.Run("of_another_configuration", func(t *testing.T) {
		r.write("etc/config/latchkey", enabled+"\nconfig door 'web'\n\toption port '8443'\n")
		if !told(t, "RUNNING=1", "DEVICE_wan=eth2") {
			t.Error("procd was not told of it")
		}
	})
}

func TestStop(t *testing.T) {
	calls, _, err := newRouter(t).initScript("stop")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"procd_set_config_changed\tfirewall"}, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}
