// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

func TestShippedConfiguration(t *testing.T) {
	c, problems := config.Parse(script(t, "latchkey.config"))
	if len(problems) > 0 {
		t.Fatalf("problems:\n%v", problems)
	}
	if c.Main.Enabled || c.Main.STUNPorts != nil || len(c.Clients) != 0 {
		t.Errorf("it ships with something switched on or a secret: %+v", c)
	}
}

// drawn is what the defaults write: the random UDP port, a second one, and the span.
var drawn = regexp.MustCompile(`stun_port=(\d+)\n(?:.*stun_port=(443)\n)?.*main\.ports=(\d+)-(\d+)\n`)

func TestDefaults(t *testing.T) {
	r := newRouter(t)
	r.write("etc/config/latchkey", script(t, "latchkey.config"))
	r.write("store", "latchkey.main=latchkey\n")
	defaults := script(t, "latchkey.defaults")
	if out, err := r.run(defaults); err != nil || out != "" {
		t.Fatalf("first run: %v\n%s", err, out)
	}
	first := r.read("store")

	t.Run("draws_ports_that_the_daemon_takes", func(t *testing.T) {
		m := drawn.FindStringSubmatch(first)
		if m == nil {
			t.Fatalf("store is %q", first)
		}
		if m[2] != "443" {
			t.Errorf("UDP 443 is free, but not taken: %q", first)
		}
		for _, s := range []string{m[1], m[3], m[4]} {
			if n, err := strconv.Atoi(s); err != nil || n < uplink.FirstDrawn || n > uplink.LastDrawn {
				t.Errorf("port %s is not from %d to %d", s, uplink.FirstDrawn, uplink.LastDrawn)
			}
		}
		text := "config latchkey 'main'\n\tlist stun_port '" + m[1] + "'\n\tlist stun_port '443'\n\toption ports '" + m[3] + "-" + m[4] + "'\n"
		if _, problems := config.Parse(text); len(problems) > 0 {
			t.Errorf("problems:\n%v", problems)
		}
	})
	t.Run("draws_once", func(t *testing.T) {
		if out, err := r.run(defaults); err != nil || out != "" {
			t.Fatalf("second run: %v\n%s", err, out)
		}
		if diff := cmp.Diff(first, r.read("store")); diff != "" {
			t.Errorf("second run changed something (-first +second):\n%s", diff)
		}
	})
	t.Run("draws_at_random", func(t *testing.T) {
		other := newRouter(t)
		other.write("etc/config/latchkey", script(t, "latchkey.config"))
		other.write("store", "latchkey.main=latchkey\n")
		if out, err := other.run(defaults); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if other.read("store") == first {
			t.Errorf("two routers have the same ports: %q", first)
		}
	})
	t.Run("keeps_away_from_what_is_taken", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", script(t, "latchkey.config")+"\nconfig door 'x'\n\toption port '1-29999/udp 1-20000/tcp'\n")
		r.write("etc/config/firewall", "config redirect\n\toption src 'wan'\n\toption src_dport '30001-65535'\n\toption proto 'udp'\n")
		r.write("etc/config/dropbear", "config dropbear\n\toption Port '26145'\n")
		r.write("etc/config/uhttpd", "config uhttpd 'main'\n\tlist listen_http '0.0.0.0:32288'\n")
		r.write("store", "latchkey.main=latchkey\n")
		if out, err := r.run(defaults); err != nil || out != "" {
			t.Fatalf("%v\n%s", err, out)
		}
		if m := drawn.FindStringSubmatch(r.read("store")); m == nil || m[1] != "30000" || m[2] != "" || m[3] != "20001" {
			t.Errorf("store is %q", r.read("store"))
		}
	})
	const (
		socketsHead = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
		any6        = "00000000000000000000000000000000"
		behind      = " 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n"
	)
	for name, tt := range map[string]struct{ file, text, udp, web, tcp string }{
		"a_socket":                {"proc/net/udp", socketsHead + "  1: 00000000:01BB 00000000:0000 07" + behind, "30000", "", "20001"},
		"a_socket_of_IPv6":        {"proc/net/udp6", socketsHead + "  1: " + any6 + ":01BB " + any6 + ":0000 07" + behind, "30000", "", "20001"},
		"a_TCP_socket":            {"proc/net/tcp", socketsHead + "  1: 00000000:4E21 00000000:0000 0A" + behind, "30000", "443", "20002"},
		"a_TCP_socket_of_IPv6":    {"proc/net/tcp6", socketsHead + "  1: " + any6 + ":4E21 " + any6 + ":0000 0A" + behind, "30000", "443", "20002"},
		"what_is_not_committed":   {"tmp/.uci/dropbear", "config dropbear\n\toption Port '20001'\n", "30000", "443", "20002"},
		"a_tunnel_not_committed":  {"tmp/.uci/network", "config interface 'wg'\n\toption proto 'wireguard'\n\toption listen_port '443'\n", "30000", "", "20001"},
		"TCP_443_but_not_UDP_443": {"proc/net/tcp", socketsHead + "  1: 00000000:01BB 00000000:0000 0A" + behind, "30000", "443", "20001"},
		"a_door_not_committed":    {"tmp/.uci/latchkey", "\nconfig door 'y'\n\toption port '443/udp'\n", "30000", "", "20001"},
	} {
		t.Run("keeps_away_from_"+name, func(t *testing.T) {
			r := newRouter(t)
			last := map[string]string{"20001": "26145", "20002": "26146"}[tt.tcp] // so that there is one place only
			r.write("etc/config/latchkey", script(t, "latchkey.config")+"\nconfig door 'x'\n"+
				"\toption port '444-29999/udp 30001-65535/udp 1-20000/tcp'\n\nconfig door 'z'\n\toption port '"+last+"-65535/tcp'\n")
			r.write("store", "latchkey.main=latchkey\n")
			r.write(tt.file, tt.text)
			if out, err := r.run(defaults); err != nil || out != "" {
				t.Fatalf("%v\n%s", err, out)
			}
			if m := drawn.FindStringSubmatch(r.read("store")); m == nil || m[1] != tt.udp || m[2] != tt.web || m[3] != tt.tcp {
				t.Errorf("store is %q, want UDP %s %s and TCP from %s", r.read("store"), tt.udp, tt.web, tt.tcp)
			}
			if left, err := filepath.Glob(r.path("tmp/tmp*")); len(left) > 0 {
				t.Errorf("it leaves %q, %v", left, err)
			}
		})
	}
	t.Run("draws_nothing_for_a_configuration_that_is_refused", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", script(t, "latchkey.config")+"\toption nonsense '1'\n")
		r.write("store", "latchkey.main=latchkey\n")
		if out, err := r.run(defaults); err == nil || !strings.Contains(out, "nonsense") || r.read("store") != "latchkey.main=latchkey\n" {
			t.Errorf("%v\n%s\nstore is %q", err, out, r.read("store"))
		}
	})
	t.Run("is_not_done_where_uci_cannot_read_it", func(t *testing.T) {
		r := newRouter(t)
		r.write("etc/config/latchkey", script(t, "latchkey.config")+"nonsense\n")
		if out, err := r.run(defaults); err == nil { // uci knows of no section main then
			t.Errorf("it says that it is done: %s", out)
		}
	})
	for name, store := range map[string]string{
		"leaves_a_carrier_off":         "latchkey.main=latchkey\nlatchkey.main.stun_port=0\n",
		"leaves_the_owner's_ports":     "latchkey.main=latchkey\nlatchkey.main.ports=20480-26623\n",
		"leaves_an_empty_one_be_empty": "",
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.write("store", store)
			if out, err := r.run(defaults); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			if diff := cmp.Diff(store, r.read("store")); diff != "" {
				t.Errorf("store (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNTP(t *testing.T) {
	r := newRouter(t)
	if err := os.Remove(r.path("bin/latchkeyd")); err != nil { // the real one's record is this machine's
		t.Fatal(err)
	}
	r.write("bin/latchkeyd", "#!/bin/sh\nprintf '%s\\t' \"$@\" >>\"$RECORD\"\n")
	for _, env := range [][]string{
		{"ACTION=step", "stratum=16", "offset=5.2", "freq_drift_ppm=-3"},
		{"ACTION=periodic", "stratum=3"},
		{"ACTION=unsync"}, // it is the program that refuses what is not complete
	} {
		if out, err := r.run(script(t, "latchkey.ntp"), env...); err != nil {
			t.Fatalf("%v: %v\n%s", env, err, out)
		}
	}
	want := "ntp\tstep\t16\tntp\tperiodic\t3\tntp\tunsync\t\t"
	if diff := cmp.Diff(want, r.read("record")); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("SKIP: no shellcheck")
	}
	for _, name := range []string{"files/latchkey.init", "files/latchkey.defaults", "files/latchkey.ntp", "test.sh", "../tests/testdata/openwrt.sh"} {
		if out, err := exec.Command("shellcheck", "../latchkey/"+name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// The Makefile lists what is installed; a file that it forgets would be missing on routers only.
func TestMakefile(t *testing.T) {
	makefile := script(t, "../Makefile")
	seen := 0
	if err := fs.WalkDir(os.DirFS(files), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		seen++
		if !strings.Contains(makefile, " ./files/"+name+" $(1)/") {
			t.Errorf("%s is not installed", name)
		}
		return nil
	}); err != nil || seen == 0 {
		t.Fatalf("%d files, %v", seen, err)
	}
}
