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
		case "json_add_array":
			object = append(object, name+"=")
		case "json_add_string":
			if name == "" { // an entry of the array
				object[len(object)-1] += value
				continue
			}
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

func TestDoors(t *testing.T) {
	sets := func(name string, families ...string) (lines []string) {
		for _, f := range families {
			lines = append(lines, "ipset family=ipv"+f+" match=src_ip name=latchkey1_"+name+"_"+f+" timeout=0")
		}
		return lines
	}
	tests := []struct {
		name, doors string
		want        []string
	}{
		{"router", `
config door 'web'
	option port '8443'
`, append(sets("web", "4", "6"),
			"rule dest_port=8443 family=ipv4 ipset=latchkey1_web_4 proto=tcp src=wan target=ACCEPT",
			"rule dest_port=8443 family=ipv6 ipset=latchkey1_web_6 proto=tcp src=wan target=ACCEPT")},
		{"router_with_both_protocols_and_another_zone", `
config door 'dns'
	option src 'guest'
	list proto 'tcp'
	list proto 'udp'
	option port '53'
`, append(sets("dns", "4", "6"),
			"rule dest_port=53 family=ipv4 ipset=latchkey1_dns_4 proto=tcp udp src=guest target=ACCEPT",
			"rule dest_port=53 family=ipv6 ipset=latchkey1_dns_6 proto=tcp udp src=guest target=ACCEPT")},
		{"host_by_IPv4", `
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_port '22'
`, append(sets("nas", "4"),
			"redirect dest=lan dest_ip=192.168.1.22 dest_port=22 family=ipv4 ipset=latchkey1_nas_4 proto=tcp reflection=0 src=wan src_dport=2222 target=DNAT")},
		{"host_by_the_end_of_an_IPv6_address", `
config door 'nas'
	option port '22'
	option dest 'lan'
	option dest_ip6 '::22'
`, append(sets("nas", "6"),
			"rule dest=lan dest_ip=::22/-64 dest_port=22 family=ipv6 ipset=latchkey1_nas_6 proto=tcp src=wan target=ACCEPT")},
		{"host_by_an_end_in_the_firewall's_form", `
config door 'nas'
	option port '22'
	option dest 'lan'
	option dest_ip6 '::22/-64'
`, append(sets("nas", "6"),
			"rule dest=lan dest_ip=::22/-64 dest_port=22 family=ipv6 ipset=latchkey1_nas_6 proto=tcp src=wan target=ACCEPT")},
		{"host_by_a_whole_IPv6_address", `
config door 'nas'
	option proto 'udp'
	option port '51820'
	option dest 'lan'
	option dest_ip6 '2001:db8:2::22'
`, append(sets("nas", "6"),
			"rule dest=lan dest_ip=2001:db8:2::22 dest_port=51820 family=ipv6 ipset=latchkey1_nas_6 proto=udp src=wan target=ACCEPT")},
		{"host_by_both", `
config door 'nas'
	option port '2222'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '::22'
	option dest_port '22'
`, slices.Concat(sets("nas", "4"),
			[]string{"redirect dest=lan dest_ip=192.168.1.22 dest_port=22 family=ipv4 ipset=latchkey1_nas_4 proto=tcp reflection=0 src=wan src_dport=2222 target=DNAT"},
			sets("nas", "6"),
			[]string{"rule dest=lan dest_ip=::22/-64 dest_port=22 family=ipv6 ipset=latchkey1_nas_6 proto=tcp src=wan target=ACCEPT"})},
		{"disabled", `
config door 'web'
	option port '8443'
	option enabled '0'
`, nil},
		{"none", "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", enabled+tt.doors)
			calls, out, err := r.initScript("start")
			if err != nil {
				t.Fatalf("start: %v\n%s", err, out)
			}
			if diff := cmp.Diff(tt.want, firewall(calls)); diff != "" {
				t.Errorf("firewall objects (-want +got):\n%s", diff)
			}
		})
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
		"procd_set_param\tcommand\t/usr/bin/latchkeyd\trun",
		"procd_set_param\tenv\tGOMEMLIMIT=12MiB",
		"procd_set_param\tfile\t/var/run/latchkey/config",
		"procd_set_param\treload_signal\tHUP",
		"procd_set_param\trespawn\t3600\t5\t0",
		"procd_set_param\tstderr\t1",
	}
	data := []string{"procd_open_data", "procd_close_data", "procd_close_instance"}
	jail := []string{
		"procd_set_param\tuser\tlatchkey",
		"procd_set_param\tgroup\tlatchkey",
		"procd_set_param\tcapabilities\t/etc/capabilities/latchkey.json",
		"procd_set_param\tno_new_privs\t1",
		"procd_add_jail\tlatchkey",
		"procd_add_jail_mount_rw\t/var/run/latchkey\t/etc/latchkey",
	}
	warning := "logger\t-t\tlatchkey\t-p\tdaemon.warn\tlatchkeyd runs as root: it takes the package procd-ujail to run it with fewer rights"
	tests := []struct {
		name  string
		with  []string // files
		user  string
		extra []string
	}{
		{"jailed", []string{"sbin/ujail", "etc/capabilities/latchkey.json"}, "yes", jail},
		{"without_ujail", []string{"etc/capabilities/latchkey.json"}, "yes", []string{warning}},
		{"without_the_capabilities_file", []string{"sbin/ujail"}, "yes", []string{warning}},
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
			if hooks := instance(calls, "hooks"); hooks != nil {
				t.Errorf("there are no scripts, but an instance for them: %q", hooks)
			}
		})
	}
}

func TestInstance_hooks(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled)
	r.write("etc/hotplug.d/latchkey/10-tell", "")
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
		{"default", enabled, "wan wan6"},
		{"switched_off", "config latchkey 'main'\n\tlist interface 'lte'\n", "lte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", tt.config)
			calls, _, err := r.initScript("start")
			if err != nil {
				t.Fatal(err)
			}
			want := []string{"procd_add_reload_trigger\tlatchkey"}
			for _, i := range strings.Fields(tt.want) {
				want = append(want, "procd_add_reload_interface_trigger\t"+i)
			}
			got := slices.DeleteFunc(calls, func(s string) bool { return !strings.Contains(s, "_trigger\t") })
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("triggers (-want +got):\n%s", diff)
			}
		})
	}
}

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
	if diff := cmp.Diff(want, r.read("var/run/latchkey/config")); diff != "" {
		t.Errorf("configuration handed over (-want +got):\n%s", diff)
	}
	wantPaths := []string{
		"drwxr-xr-x /var/run",
		"drwxr-x--- /var/run/latchkey",
		"-r-------- /var/run/latchkey/config",
		"drwx------ /var/run/latchkey.init",
	}
	if diff := cmp.Diff(wantPaths, r.paths("var/run")); diff != "" {
		t.Errorf("files in /var/run (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(append(before, "drwxr-x--- /etc/latchkey"), r.paths("etc")); diff != "" {
		t.Errorf("files in /etc (-want +got):\n%s", diff)
	}
	owners := slices.DeleteFunc(calls, func(s string) bool { return !strings.HasPrefix(s, "chown\t") })
	wantOwners := []string{
		"chown\tlatchkey:latchkey\t/var/run/latchkey",
		"chown\t-Rh\tlatchkey:latchkey\t/etc/latchkey",
		"chown\tlatchkey:latchkey\t/var/run/latchkey.init/config",
	}
	if diff := cmp.Diff(wantOwners, owners); diff != "" {
		t.Errorf("owners (-want +got):\n%s", diff)
	}

	t.Run("an_interface_that_is_down_keeps_its_device", func(t *testing.T) {
		if _, out, err := r.initScript("start", "DEVICE_wan6=", "DEVICE_lte=wwan0"); err != nil {
			t.Fatalf("start: %v\n%s", err, out)
		}
		want := want + "\tlist device 'wwan0' # lte\n"
		if diff := cmp.Diff(want, r.read("var/run/latchkey/config")); diff != "" {
			t.Errorf("configuration handed over (-want +got):\n%s", diff)
		}
	})
}

func TestSwitchedOff(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", "config latchkey 'main'\n\toption enabled '0'\n\nconfig door 'web'\n\toption port '8443'\n")
	r.write("var/run/latchkey/config", "of before")
	calls, out, err := r.initScript("start", "RUNNING=1")
	if err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	want := []string{
		"procd_open_service\tlatchkey",
		"procd_add_reload_trigger\tlatchkey",
		"procd_add_reload_interface_trigger\twan",
		"procd_add_reload_interface_trigger\twan6",
		"procd_close_service\tset",
		"procd_set_config_changed\tfirewall",
	}
	if diff := cmp.Diff(want, calls); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"drwxr-xr-x /var/run", "drwxr-xr-x /var/run/latchkey"}, r.paths("var/run")); diff != "" {
		t.Errorf("files in /var/run (-want +got):\n%s", diff)
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
				if !strings.Contains(text, tt.want) || !strings.Contains(text, "/etc/config/latchkey has 1 errors") {
					t.Errorf("%s is %q, without %q and the name of the user's file", where, text, tt.want)
				}
			}
		})
	}

	for _, action := range []string{"start", "reload"} {
		t.Run(action+"_leaves_the_running_one_alone", func(t *testing.T) {
			r := newRouter(t)
			r.write("etc/config/latchkey", badPort)
			r.write("var/run/latchkey/config", "of before")
			calls, _, err := r.initScript(action, "RUNNING=1")
			if err == nil {
				t.Errorf("%s succeeded with a bad configuration", action)
			}
			if slices.ContainsFunc(calls, func(s string) bool { return strings.HasPrefix(s, "procd_close_service") }) {
				t.Errorf("procd was told something: %q", calls)
			}
			if got := r.read("var/run/latchkey/config"); got != "of before" {
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
}

// Whoever is in the daemon's folder must not lead root's hand elsewhere.
func TestHandOver_past_a_link(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", enabled)
	r.write("etc/other/x", "")
	r.write("var/run/latchkey/x", "")
	if err := os.Symlink(r.path("etc/other"), r.path("var/run/latchkey/config")); err != nil {
		t.Fatal(err)
	}
	if _, out, err := r.initScript("start"); err != nil {
		t.Fatalf("start: %v\n%s", err, out)
	}
	if diff := cmp.Diff([]string{"drwxr-xr-x /etc/other", "-rwxr-xr-x /etc/other/x"}, r.paths("etc/other")); diff != "" {
		t.Errorf("the folder that the link leads to (-want +got):\n%s", diff)
	}
	if info, err := os.Lstat(r.path("var/run/latchkey/config")); err != nil || info.Mode() != 0o400 {
		t.Errorf("the daemon's configuration: %v, %v", info, err)
	}
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
