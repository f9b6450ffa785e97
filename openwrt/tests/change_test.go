// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// mounted returns a router of the plugin's own, whose folder of configurations is a flash of the given size in
// pages of 4096 bytes, and where nobody staged a change but by the commands.
func mounted(t *testing.T, pages int, commands string) *router {
	t.Helper()
	r := newRouter(t)
	if err := os.MkdirAll("/tmp/.uci", 0o755); err != nil { // where it is mounted
		t.Fatal(err)
	}
	r.write("etc/config/latchkey", oneDoor)
	r.write("etc/config/firewall", stockFirewall)
	r.write("etc/config/dhcp", reserved)
	r.write("tmp/dhcp.leases", leases)
	r.write("after/x", "")
	r.write("before/x", "")
	r.mount(fmt.Sprintf(`
		mount -t tmpfs none /tmp/.uci
		cp etc/config/* before/
		mount -t tmpfs -o size=%d none etc/config
		cp before/[a-z]* etc/config/
		rm etc/config/x
		%s`, pages*4096, commands))
	return r
}

const (
	fill    = "cat /dev/zero >etc/config/.fill 2>/dev/null || true\n"
	fillBut = "head -c 4096 /dev/zero >etc/config/.page\n" + fill + "rm etc/config/.page\n"
)

// uci leaves an empty file where the flash is full, or half of one, and says that all is well. Each method that
// changes a configuration says what happened, and leaves the file as it was.
func TestPluginOnAFullFlash(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	long := "\nconfig host 'more'\n" + strings.Repeat("\tlist note '"+strings.Repeat("x", 80)+"'\n", 60)
	for method, tt := range map[string]struct {
		args map[string]any
		file string
	}{
		"newclient": {map[string]any{"name": "phone", "door": []string{"nas"}}, "latchkey"},
		"silence":   {map[string]any{"section": "d", "option": "forward"}, "firewall"},
		"reserve":   {map[string]any{"address": "192.168.1.27"}, "dhcp"},
	} {
		for name, commands := range map[string]string{"full": fill, "but_for_one_page": fillBut} {
			if tt.file == "latchkey" && commands != fill {
				continue // one page is enough for it
			}
			t.Run(method+"_"+name, func(t *testing.T) {
				r := mounted(t, 16, commands)
				before := r.read("etc/config/" + tt.file)
				if tt.file != "latchkey" { // which latchkeyd would refuse
					before += long // what is changed is in the first page
				}
				r.write("etc/config/"+tt.file, before)
				call := r.call
				if method == "reserve" {
					call = r.network
				}
				got := call(method, tt.args)
				want := map[string]any{"error": "cannot write " + r.path("etc/config/"+tt.file) + ": is the flash full?", "hint": "nothing was changed"}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff(before, r.read("after/"+tt.file)); diff != "" {
					t.Errorf("the file (-want +got):\n%s", diff)
				}
				if events := r.read("events"); events != "" {
					t.Errorf("events %q", events)
				}
			})
		}
	}
}

// What nobody confirms is taken back as soon as there is room for it.
func TestPluginSilenceIsTakenBackAfterAFullFlash(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	r := mounted(t, 16, "")
	r.plugin("UNDO = 30000", "UNDO = 50")
	r.write("call.uc", fmt.Sprintf(`
		import { readfile, unlink } from 'fs';
		import * as uloop from 'uloop';
		uloop.init();
		const methods = loadfile('%s', { raw_mode: true })().latchkey;
		const file = '%s';
		const before = readfile(file);
		const answer = methods.silence.call({ args: { section: 'd', option: 'forward' } });
		const silent = readfile(file);
		let later;
		system('%s');
		function again() {
			if (readfile(file) == silent)
				return uloop.timer(20, again);
			printf('%%J', { answer, changed: silent != before, later, after: methods.keep.call({}) });
			exit(0);
		}
		uloop.timer(200, () => {
			later = { same: readfile(file) == silent, waits: methods.silence.call({ args: { section: 'outside', option: 'input' } }).error != null };
			unlink('etc/config/.fill');
			again();
		});
		uloop.run();
	`, r.path("plugin.uc"), r.path("etc/config/firewall"), strings.TrimSpace(fill)))
	want := map[string]any{
		"answer": map[string]any{"seconds": 0.05}, "changed": true, "later": map[string]any{"same": true, "waits": true},
		"after": map[string]any{"kept": false},
	}
	got := r.ucode()
	delete(got["answer"].(map[string]any), "seconds")
	delete(want["answer"].(map[string]any), "seconds")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	if after := r.read("after/firewall"); !strings.Contains(after, "forward 'REJECT'") || strings.Contains(after, "'DROP'") {
		t.Errorf("in the end:\n%s", after)
	}
	if diff := cmp.Diff("config.change firewall\nconfig.change firewall\n", r.read("events")); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
}

// What an administrator staged on the command line stays staged, and is not put in force by others.
func TestPluginLeavesStagedChanges(t *testing.T) {
	if os.Getenv(ucodeVariable) == "" {
		t.Skip(noUcode)
	}
	for method, tt := range map[string]struct {
		args         map[string]any
		file, staged string
		want         string // what is committed
	}{
		"newclient": {map[string]any{"name": "phone", "door": []string{"nas"}}, "latchkey", "latchkey.nas.port='9999'", "config client 'phone'"},
		"silence":   {map[string]any{"section": "d", "option": "forward"}, "firewall", "firewall.outside.input='9999'", "option forward 'DROP'"},
		"reserve":   {map[string]any{"address": "192.168.1.27"}, "dhcp", "dhcp.box.note='9999'", "option ip '192.168.1.27'"},
	} {
		t.Run(method, func(t *testing.T) {
			r := mounted(t, 64, fmt.Sprintf("echo \"%s\" >/tmp/.uci/%s\n", tt.staged, tt.file))
			call := r.call
			if method == "reserve" {
				call = r.network
			}
			r.mounts += "trap 'cmp -s /tmp/.uci/" + tt.file + " staged || rm after/" + tt.file + "' EXIT\n"
			r.write("staged", tt.staged+"\n")
			if got := call(method, tt.args); got["error"] != nil {
				t.Errorf("answers %v", got)
			}
			after := r.read("after/" + tt.file)
			if !strings.Contains(after, tt.want) || strings.Contains(after, "9999") {
				t.Errorf("committed:\n%s", after)
			}
		})
	}
}
