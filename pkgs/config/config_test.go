// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

var update = flag.Bool("update", false, "write the problems that are found into testdata/config")

const testdata = "../../testdata/config"

func readFile(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// counting returns n bytes that count up.
func counting(from byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = from + byte(i)
	}
	return b
}

func TestParse_full(t *testing.T) {
	got, problems := config.Parse(readFile(t, "full"))
	if len(problems) > 0 {
		t.Errorf("problems:\n%v", problems)
	}
	plain := wire.SYN | wire.ACK | wire.RST | wire.FIN
	want := &config.Config{
		Main: config.Main{
			Enabled:    true,
			Interfaces: []string{"wan", "wwan"},
			Devices:    []string{"pppoe-wan", "wwan0"},

			Inside:            []string{"br-lan"},
			MissingInterfaces: []string{"wan6"},
			MissingZones:      []string{"attic"},

			Hosts: []string{"home.example.net", "203.0.113.7", "2001:db8::7"}, FoundHosts: []string{"found.example.net", "192.0.2.7"},
			FoundName: "found", FoundPage: "http://192.168.1.1/latchkey/",
			Name: "Home",
			Page: "https://knock.example.net/",

			STUNPorts: []uint16{41641, 3478},
			Ports:     wire.PortRange{First: 20480, Last: 26623},
			SPAPort:   62201,
			MaxSkew:   90 * time.Second,
			LogLevel:  config.LevelDebug,
		},
		Doors: []config.Door{{
			Name: "nas_ssh", Title: "SSH of the NAS", Src: "wan", Openings: []config.Opening{{Proto: wire.TCP, Outside: ports(2222, 2222), Inside: ports(22, 22)}},
			Dest: "lan", DestIP: netip.MustParseAddr("192.168.1.22"), DestIP6: netip.MustParseAddr("::22"),
			Service: "sftp",
			OpenFor: time.Minute, MaxOpen: 8 * time.Hour, Width4: 24, Width6: 56, Wake: wire.MAC{0, 0x11, 0x22, 0x33, 0x44, 0x55}, Cut: true, Enabled: true,
		}, {
			Name: "router_web", Src: "wan", Openings: []config.Opening{same(wire.TCP, 443, 443), same(wire.UDP, 443, 443)},
			Service: "https",
			OpenFor: 30 * time.Second, MaxOpen: time.Hour, Width4: 32, Width6: 128, Reflection: true, Enabled: true,
		}},
		Clients: []config.Client{{
			Name: "phone", Title: "My phone", Kind: knock.KindMessage, Key: seal.Key(counting(0, 32)),
			Doors: []string{"nas_ssh", "router_web"}, Expires: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Enabled: true,
		}, {
			Name: "old_phone", Kind: knock.KindFwknop, SPA: knock.SPAKeys{Key: counting(32, 32), HMAC: counting(64, 64)},
			Doors: []string{"nas_ssh"}, Enabled: true,
		}, {
			Name: "text_phone", Kind: knock.KindFwknop, SPA: knock.SPAKeys{Key: []byte("correct horse battery"), HMAC: []byte("battery staple of 32 characters!")},
			Doors: []string{"nas_ssh"}, Enabled: true,
		}},
		Sequences: []config.Sequence{{
			Sequence: knock.Sequence{Name: "laptop", Within: 20 * time.Second, Steps: []knock.Step{
				{Proto: wire.TCP, Port: 31417, Flags: wire.SYN, Mask: plain},
				{Proto: wire.UDP, Port: 27182},
				{Proto: wire.ICMP, Size: 77},
				{Proto: wire.TCP, Port: 41421, Flags: wire.FIN, Mask: wire.FIN | wire.ACK},
			}},
			Doors: []string{"nas_ssh"}, Client: "phone", Enabled: true,
		}, {
			Sequence: knock.Sequence{Name: "codes", Within: 15 * time.Second},
			Once:     []string{"31001/tcp 17002/udp 29003/tcp", "19004/tcp 33005/tcp 11006/udp"},
			Doors:    []string{"router_web"}, Enabled: true,
		}},
		Ports: &knock.Ordered{
			Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 854}},
			Header: []uint16{4321}, Footer: []uint16{1234, 1236},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestParse_defaults(t *testing.T) {
	got, problems := config.Parse("config latchkey 'main'\nconfig door 'ssh'\n\toption port '22'\n\toption open_for '2h'\n")
	if errs := problems.Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	want := &config.Config{
		Main: config.Main{
			Devices: []string{"wan", "wan6"},
			MaxSkew: 90 * time.Second, Radar: true,
		},
		Doors: []config.Door{{
			Name: "ssh", Src: "wan", Openings: []config.Opening{same(wire.TCP, 22, 22)},
			Service: "ssh",
			OpenFor: 2 * time.Hour, MaxOpen: 2 * time.Hour, Width4: 32, Width6: 128, Reflection: true, Enabled: true,
		}},
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

// What is behind a door is told from the port inside and its protocols, where nothing else is said.
func TestParse_service(t *testing.T) {
	for lines, want := range map[string]string{
		"option port '22'":                                     "ssh",
		"option port '2022'":                                   "",
		"option port '22'\noption service 'sftp'":              "sftp",
		"option port '22'\noption service 'none'":              "",
		"option port '2022'\noption service 'vnc'":             "vnc",
		"option port '8443'\nlist proto 'tcp'":                 "https",
		"option port '80'\nlist proto 'udp'":                   "",
		"option port '51820'\nlist proto 'udp'":                "wireguard",
		"option port '51820'\nlist proto 'tcp'":                "",
		"option port '3389'\noption proto 'udp tcp'":           "rdp",
		"option port '443'\n" + lan + "option dest_port '22'":  "ssh",
		"option port '22'\n" + lan + "option dest_port '5900'": "vnc",
		"option port '5900'\n" + lan:                           "vnc",
		"option port '22'\n" + lan + "option dest_port '2200'": "",
		"option port '22 60000-61000/udp'":                     "ssh", // the first port counts
		"option port '60000-61000/udp 22'":                     "",
		"option port '51820/udp 80'":                           "wireguard",
		"option port '8080-8090'":                              "http",
	} {
		got, problems := config.Parse("config latchkey 'main'\nconfig door 'a'\n" + lines + "\n")
		if errs := problems.Errors(); len(errs) > 0 {
			t.Fatalf("%s: %v", lines, errs)
		}
		if got.Doors[0].Service != want {
			t.Errorf("%s: %q, want %q", lines, got.Doors[0].Service, want)
		}
	}
}

const lan = "option dest 'lan'\noption dest_ip '192.168.1.22'\n"

// problemsMark ends the configuration in testdata/config/*.txt. The problems that it has follow.
const problemsMark = "-- problems --\n"

// TestParse_problems compares all problems of the texts in testdata/config/*.txt with the lists
// in them. With -update it writes the lists; look at the difference before committing it.
func TestParse_problems(t *testing.T) {
	for _, file := range problemFiles(t) {
		t.Run(strings.TrimSuffix(file, ".txt"), func(t *testing.T) {
			text, want, ok := strings.Cut(readFile(t, file), problemsMark)
			if !ok {
				t.Fatalf("no line %s", problemsMark)
			}
			cfg, problems := config.Check(text, time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC))
			var b strings.Builder
			for _, p := range problems {
				if p.Warning {
					b.WriteString("warning: ")
				}
				b.WriteString(p.String() + "\n")
			}
			if (cfg == nil) != (len(problems.Errors()) > 0) {
				t.Errorf("configuration %v with %d errors", cfg, len(problems.Errors()))
			}
			if *update {
				if err := os.WriteFile(filepath.Join(testdata, file), []byte(text+problemsMark+b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, b.String()); diff != "" {
				t.Errorf("problems (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse_refuses_knocks_by_ports_that_overlap(t *testing.T) {
	for ports, overlaps := range map[string]bool{
		"100-20479": false, "100-20480": true, "26623-26700": true, "26624-26700": false,
		"1-2,20480": true, "1-2,26623": true, "1-2,26624": false,
	} {
		_, problems := config.Parse("config latchkey main\noption ports 20480-26623\nconfig ports\noption ports " + ports + "\n")
		if got := strings.Contains(problems.Error(), "overlaps with the ports of section 'main' (20480-26623)"); got != overlaps {
			t.Errorf("ports %s: overlap %t, want %t: %v", ports, got, overlaps, problems)
		}
	}
}

func problemFiles(t testing.TB) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(testdata, "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no texts in %s: %v", testdata, err)
	}
	for i := range paths {
		paths[i] = filepath.Base(paths[i])
	}
	return paths
}

func TestParse_bounds_the_list_of_problems(t *testing.T) {
	_, problems := config.Parse("config door a\n" + strings.Repeat("list proto x\n", config.MaxProblems+7))
	if n := len(problems); n != config.MaxProblems+1 {
		t.Fatalf("%d problems", n)
	}
	// Two more: the port is not there, and neither is the section 'main'.
	if got, want := problems[config.MaxProblems].Reason, "9 more problems are not listed"; got != want {
		t.Errorf("the last one is %q, want %q", got, want)
	}
}

func TestParse_bounds_sections(t *testing.T) {
	tests := []struct {
		section string // a section that is complete in itself, %[1]d makes it another one
		most    int
	}{
		{"config door 'd%[1]d'\noption port %[1]d\n", config.MaxDoors},
		{"config client 'c%[1]d'\noption kind fwknop\noption key '1%07[1]d'\noption hmac_key '1%07[1]d'\n", config.MaxClients},
		{"config sequence 's%[1]d'\nlist step 1%04[1]d/tcp\nlist step 3%04[1]d/tcp\nlist step 2%04[1]d/tcp\n", config.MaxSequences},
		{"config ports 'p%[1]d'\noption ports 1-2\n", 1},
	}
	for _, tt := range tests {
		text := "config latchkey main\n"
		for n := range tt.most {
			text += fmt.Sprintf(tt.section, n+1)
		}
		one := fmt.Sprintf(tt.section, tt.most+1)
		two := fmt.Sprintf(tt.section, tt.most+2)
		tooMany := func(text string) (n int) {
			_, problems := config.Parse(text)
			for _, p := range problems {
				if strings.Contains(p.Reason, "one too many") {
					n++
				}
			}
			return n
		}
		if n := tooMany(text); n != 0 {
			t.Errorf("%q: told %d times at the limit", one, n)
		}
		if n := tooMany(text + one + two); n != 1 {
			t.Errorf("%q: told %d times above the limit, want once", one, n)
		}
	}
}

func TestParse_bounds_lists(t *testing.T) {
	const text = "config latchkey main\nconfig ports\noption ports 500-600\noption header '%'\n"
	list := strings.TrimSpace(strings.Repeat("9 ", knock.MaxFrame))
	if _, problems := config.Parse(strings.ReplaceAll(text, "%", list)); len(problems) > 0 {
		t.Errorf("at the limit: %v", problems)
	}
	want := fmt.Sprintf("section '@ports[0]' option 'header' specifies invalid value '10': the list ends at %d entries (line 4)", knock.MaxFrame)
	if _, problems := config.Parse(strings.ReplaceAll(text, "%", list+" 10")); problems.Error() != want {
		t.Errorf("above the limit:\n%v\nwant\n%s", problems, want)
	}
}

func TestProblem_String(t *testing.T) {
	tests := []struct {
		name string
		p    config.Problem
		want string
	}{
		{"value", config.Problem{Line: 12, Section: "door", Name: "nas", Option: "port", Value: "70000", Reason: "ports end at 65535"},
			"section 'door' (nas) option 'port' specifies invalid value '70000': ports end at 65535 (line 12)"},
		{"anonymous", config.Problem{Line: 3, Section: "@door[1]", Option: "port", Reason: "option 'port' is mandatory but not set"},
			"section '@door[1]' option 'port' is mandatory but not set (line 3)"},
		{"grammar", config.Problem{Line: 3, Reason: "insufficient arguments"}, "insufficient arguments (line 3)"},
		{"control_characters", config.Problem{Section: "door", Name: "nas", Option: "title", Value: "a\x1b[2J\n\"b\"\xff", Reason: "no"},
			`section 'door' (nas) option 'title' specifies invalid value 'a\x1b[2J\n"b"\xff': no`},
		{"long_values", config.Problem{Section: "door", Name: "nas", Option: "title", Value: strings.Repeat("é", 65), Reason: "no"},
			"section 'door' (nas) option 'title' specifies invalid value '" + strings.Repeat("é", 64) + "...': no"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.p.String(); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}

// TestParse_never_shows_a_key tries every mistake with a key that could bring it into a problem.
func TestParse_never_shows_a_key(t *testing.T) {
	const secret = "SGVyZUlzVGhlU2VjcmV0" // too short for a key
	for _, statement := range []string{
		"option key '%'",
		"option key '%!'",
		"list key '%'",
		"option hmac_key '%'",
		"option kind fwknop\noption key '%%%%'\noption hmac_key 'x'",
		"option kind fwknop\noption key '%%'\noption hmac_key '%$'",
		"option kind nonsense\noption key '%'",
		"option key % %",
		"option key\n%",
		"option key '%",
		"option key_text '%'",
		"option kind fwknop\noption key_text '%'\noption key '%'\noption hmac_key '%'",
		"option kind fwknop\noption key_text '%%'\noption hmac_key_text '%%%%%%%%'",
		"option kind fwknop\nlist key_text '%'\noption hmac_key_text '%'",
		"option kye '%'",
		"option '%!' key",
		"key %",
		"option %",
	} {
		text := "config latchkey main\nconfig client phone\n" + strings.ReplaceAll(statement, "%", secret) + "\n"
		cfg, problems := config.Parse(text)
		if cfg != nil {
			t.Errorf("%s: accepted", statement)
		}
		if strings.Contains(problems.Error(), secret[:10]) {
			t.Errorf("%s: the key is shown:\n%v", statement, problems)
		}
	}
}

func TestParseDuration(t *testing.T) {
	tests := []struct {
		text string
		want time.Duration
	}{
		{"30s", 30 * time.Second},
		{"10m", 10 * time.Minute},
		{"8h", 8 * time.Hour},
		{"1h30m", 90 * time.Minute},
		{"1m30s", 90 * time.Second},
		{"0s", 0},
	}
	for _, tt := range tests {
		if got, err := config.ParseDuration(tt.text); got != tt.want || err != nil {
			t.Errorf("%q: %v, %v, want %v", tt.text, got, err, tt.want)
		}
	}
	for _, text := range []string{"", "30", "-1s", "+1s", "1.5h", "10ms", "1000ms", "1 h", "1H", "1d", "s", "99999999999999h"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q: %v, want an error", text, got)
		}
	}
}

func TestConfig_Knock(t *testing.T) {
	cfg, problems := config.Parse(readFile(t, "full") + `
config sequence 'off'
	list step '1000/tcp'
	list door 'nas_ssh'
	option enabled '0'
config client 'lost'
	option key 'ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8='
	option enabled '0'
`)
	if cfg == nil {
		t.Fatal(problems)
	}
	used := map[string]bool{}
	k := cfg.Knock(func(once string) bool { return used[once] })

	t.Run("clients_are_in_the_order_of_the_keys", func(t *testing.T) {
		if diff := cmp.Diff([]knock.Client{{Name: "phone"}, {Name: "lost"}}, k.Clients); diff != "" {
			t.Errorf("clients (-want +got):\n%s", diff)
		}
		for i, from := range []byte{0, 32} {
			message := seal.Seal(seal.Key(counting(from, 32)), seal.Body{Stamp: 1})
			if got, _, err := k.Ring.Open(message); got != i || err != nil {
				t.Errorf("message of client %d opened as that of %d: %v", i, got, err)
			}
		}
		if len(k.SPA) != 2 || k.SPA[0].Name != "old_phone" {
			t.Errorf("fwknop clients %v", k.SPA)
		}
	})
	t.Run("clock_difference_is_the_configured_one", func(t *testing.T) {
		if k.Ring.MaxSkew != cfg.Main.MaxSkew {
			t.Errorf("got %v, want %v", k.Ring.MaxSkew, cfg.Main.MaxSkew)
		}
	})
	t.Run("the_first_unused_of_a_one_time_list_counts", func(t *testing.T) {
		for _, want := range []string{"31001/tcp 17002/udp 29003/tcp", "19004/tcp 33005/tcp 11006/udp"} {
			k := cfg.Knock(func(once string) bool { return used[once] })
			if len(k.Sequences) != 2 || k.Sequences[0].Name != "laptop" || k.Sequences[1].Once != want {
				t.Fatalf("sequences %v, want laptop and %s", k.Sequences, want)
			}
			if steps := k.Sequences[1].Steps; len(steps) != 3 || steps[0].String() != strings.Fields(want)[0] {
				t.Errorf("steps %v of %s", steps, want)
			}
			used[want] = true
		}
		k := cfg.Knock(func(once string) bool { return used[once] })
		if len(k.Sequences) != 1 || k.Sequences[0].Name != "laptop" {
			t.Errorf("sequences %v, want laptop only", k.Sequences)
		}
	})
	t.Run("without_clients_there_is_no_ring", func(t *testing.T) {
		cfg, _ := config.Parse("config latchkey main\n")
		if k := cfg.Knock(nil); k.Ring != nil {
			t.Error("got a ring")
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add(readFile(f, "full"))
	for _, file := range problemFiles(f) {
		text, _, _ := strings.Cut(readFile(f, file), problemsMark)
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		cfg, problems := config.Parse(text)
		if (cfg == nil) != (len(problems.Errors()) > 0) {
			t.Fatalf("configuration %v with problems\n%v", cfg, problems)
		}
		last := 0
		for i, p := range problems {
			if s := p.String(); p.Line < last && i < config.MaxProblems || p.Line > 1+strings.Count(text, "\n") || strings.ContainsAny(s, "\n\x1b\x00") || p.Reason == "" {
				t.Errorf("problem %+v after line %d", p, last)
			}
			last = p.Line
		}
		if cfg == nil {
			return
		}
		for _, d := range cfg.Doors {
			if d.Name == "" || !areOpenings(d.Openings) || d.OpenFor <= 0 || d.MaxOpen < d.OpenFor ||
				(d.Dest != "") != (d.DestIP.IsValid() || d.DestIP6.IsValid()) {
				t.Errorf("door %+v", d)
			}
		}
		k := cfg.Knock(func(string) bool { return false })
		for _, s := range k.Sequences {
			if len(s.Steps) == 0 || len(s.Steps) > knock.MaxSteps || s.Within <= 0 {
				t.Errorf("sequence %+v", s)
			}
		}
	})
}

// TestParse_shows_long_values_cut sends values of many lengths in characters of 1 to 4 bytes.
func TestParse_shows_long_values_cut(t *testing.T) {
	for _, char := range []string{"-", "é", "€", "𝄞"} {
		for _, length := range []int{64, 65, 100_000} {
			_, problems := config.Parse("config latchkey 'main'\n\toption max_skew '" + strings.Repeat(char, length) + "'\n")
			if len(problems) != 1 || len(problems[0].Value) != len(char)*length {
				t.Fatalf("%d times %q: problems %v", length, char, problems)
			}
			shown := strings.Count(problems.Error(), char)
			if shown != 64 {
				t.Errorf("%d times %q: %d are shown, want 64", length, char, shown)
			}
		}
	}
}

func TestParse_says_why_a_date_is_none(t *testing.T) {
	const want = "want a day such as 2027-01-31, or a time such as 2027-01-31T18:00:00+01:00"
	for text, want := range map[string]string{
		"2029-02-29":           "there is no such day or time",
		"2029-13-01":           "there is no such day or time",
		"2029-06-31T08:00:00Z": "there is no such day or time",
		"2029-06-30T24:10:00Z": "there is no such day or time",
		"30.6.2029":            want,
		"2029-02-29 noon":      want,
	} {
		_, problems := config.Parse("config latchkey main\nconfig client phone\n\toption expires '" + text + "'\n")
		if !strings.Contains(problems.Error(), "option 'expires' specifies an invalid value: "+want) {
			t.Errorf("%s: %v", text, problems)
		}
	}
}
