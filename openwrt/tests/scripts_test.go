// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"encoding/binary"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/wire"
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
		for _, s := range []string{m[1], m[3], m[4]} {
			if n, err := strconv.Atoi(s); err != nil || n < 10240 || n > 32767 {
				t.Errorf("port %s is not from 10240 to 32767", s)
			}
		}
		if m[2] == "" {
			t.Error("UDP 443 is free, but not taken")
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
		other.write("store", "latchkey.main=latchkey\n")
		if out, err := other.run(defaults); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if other.read("store") == first {
			t.Errorf("two routers have the same ports: %q", first)
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

// dice make what the defaults draw be what a test says: they read the same number twice, for the UDP port and the span.
func (r *router) dice(udp, span int) {
	r.t.Helper()
	const places = 32768 - 10240 // of one port
	n := udp - 10240
	for n%(places-6144+1) != span-10240 {
		n += places
	}
	r.write("dev/urandom", string(binary.NativeEndian.AppendUint32(nil, uint32(n))))
}

// draws runs the defaults with a configuration as uci shows it, and returns what they wrote.
func (r *router) draws(shown string) (port int, has443 bool, span wire.PortRange) {
	r.t.Helper()
	r.write("store", "latchkey.main=latchkey\n"+shown)
	defaults := script(r.t, "latchkey.defaults")
	if _, err := os.Stat(r.path("dev/urandom")); err == nil {
		defaults = strings.ReplaceAll(defaults, " /dev/urandom", " "+r.path("dev/urandom"))
	}
	if out, err := r.run(defaults); err != nil || out != "" {
		r.t.Fatalf("%v\n%s", err, out)
	}
	m := drawn.FindStringSubmatch(r.read("store"))
	if m == nil {
		r.t.Fatalf("store is %q", r.read("store"))
	}
	number := func(s string) int { n, _ := strconv.Atoi(s); return n }
	return number(m[1]), m[2] != "", wire.PortRange{First: uint16(number(m[3])), Last: uint16(number(m[4]))}
}

// What is drawn keeps away from what receives here, and from nothing else. LuCI's ports.test.mjs reads the same table: what
// it is about, which of UDP 443, UDP 30000 and TCP 20480-26623 are taken ("!": and all others are), and lines as uci shows them.
func TestDefaultsTakeWhatIsFree(t *testing.T) {
	table, err := os.ReadFile("testdata/taken.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		t.Run(strings.ReplaceAll(field[0], " ", "_"), func(t *testing.T) {
			t.Parallel()
			r := newRouter(t)
			r.dice(30000, 20480)
			taken := strings.Fields(field[1])
			want := func(what string) bool { return !slices.Contains(taken, what) }
			port, has443, span := r.draws(strings.ReplaceAll(field[2], " | ", "\n") + "\n")
			if got := port == 30000; got != want("30000") {
				t.Errorf("it takes UDP %d, which is as drawn: %t", port, got)
			}
			if has443 != want("443") {
				t.Errorf("it takes UDP 443: %t", has443)
			}
			if got := span.First == 20480; got != want("span") || span.Count() != 6144 {
				t.Errorf("it takes TCP %d-%d, which is as drawn: %t", span.First, span.Last, got)
			}
		})
	}
}

// The kernel tells of services whose configuration nobody here reads, and of those of each protocol apart.
func TestDefaultsKeepAwayFromWhatListens(t *testing.T) {
	const head = "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
	const port443, port30000, port22222 = "01BB", "7530", "56CE"
	for name, tt := range map[string]struct {
		file, socket string
		taken        string
	}{
		"UDP_443":                    {"udp", "00000000:" + port443 + " 00000000:0000 07", "443"},
		"UDP_443_at_an_address":      {"udp", "0101A8C0:" + port443 + " 00000000:0000 07", "443"},
		"UDP_443_of_IPv6":            {"udp6", strings.Repeat("0", 32) + ":" + port443 + " " + strings.Repeat("0", 32) + ":0000 07", "443"},
		"UDP_30000":                  {"udp", "00000000:" + port30000 + " 00000000:0000 07", "30000"},
		"UDP_where_the_span_is":      {"udp", "00000000:" + port22222 + " 00000000:0000 07", ""},
		"TCP_in_the_span":            {"tcp", "00000000:" + port22222 + " 00000000:0000 0A", "span"},
		"TCP_of_IPv6_in_the_span":    {"tcp6", strings.Repeat("0", 32) + ":" + port22222 + " " + strings.Repeat("0", 32) + ":0000 0A", "span"},
		"TCP_443":                    {"tcp", "00000000:" + port443 + " 00000000:0000 0A", ""},
		"a_connection_from_the_span": {"tcp", "0101A8C0:" + port22222 + " 0201A8C0:0016 01", ""},
		"UDP_that_asks_port_443":     {"udp", "0101A8C0:9C40 08080808:" + port443 + " 01", ""},
		"UDP_that_asks_from_443":     {"udp", "0101A8C0:" + port443 + " 08080808:01BB 01", ""},
		"UDP_443_for_this_machine":   {"udp", "0100007F:" + port443 + " 00000000:0000 07", ""},
		"the_same_on_big_endian":     {"udp", "7F000001:" + port443 + " 00000000:0000 07", ""},
		"the_same_of_IPv6":           {"udp6", "00000000000000000000000001000000:" + port443 + " " + strings.Repeat("0", 32) + ":0000 07", ""},
		"it_on_big_endian":           {"udp6", "00000000000000000000000000000001:" + port443 + " " + strings.Repeat("0", 32) + ":0000 07", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRouter(t)
			r.dice(30000, 20480)
			r.write("proc/net/"+tt.file, head+"  123: "+tt.socket+" 00000000:00000000 00:00000000 00000000     0        0 4711 2 0000000000000000 0\n")
			port, has443, span := r.draws("")
			if (port != 30000) != (tt.taken == "30000") || has443 == (tt.taken == "443") || (span.First != 20480) != (tt.taken == "span") {
				t.Errorf("it takes UDP %d, 443: %t, TCP %d-%d; taken is %q", port, has443, span.First, span.Last, tt.taken)
			}
		})
	}
}

func TestDefaultsFindTheOnlyPlace(t *testing.T) {
	for range 3 { // wherever they begin to look
		r := newRouter(t)
		port, _, span := r.draws("latchkey.x=door\nlatchkey.x.port='1-29999/udp' '30001-65535/udp' '1-20000/tcp' '26145-65535/tcp'\n")
		if want := (wire.PortRange{First: 20001, Last: 26144}); port != 30000 || span != want {
			t.Errorf("it takes UDP %d and TCP %v, want 30000 and %v", port, span, want)
		}
	}
}

// Where nothing is free, ports are drawn nevertheless: knocks by one of two kinds arrive, and checks warn.
func TestDefaultsDrawWhereNothingIsFree(t *testing.T) {
	r := newRouter(t)
	r.dice(32767, 26624)
	port, has443, span := r.draws("latchkey.x=door\nlatchkey.x.proto='tcp udp'\nlatchkey.x.port='1-65535'\n")
	if want := (wire.PortRange{First: 26624, Last: 32767}); port != 32767 || span != want || has443 {
		t.Errorf("it takes UDP %d, 443: %t, and TCP %v", port, has443, span)
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
