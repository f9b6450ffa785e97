// SPDX-License-Identifier: Apache-2.0

package link_test

import (
	"fmt"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

const keyText = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"

const home = "http://192.168.1.1/latchkey/#v=1&n=home&h=home.example.net&a=203.0.113.7&a=2001:db8::1&u=41641&p=20480&k=" +
	keyText + "&d=nas_ssh,router_web"

func homeLink() link.Link {
	var key seal.Key
	for i := range key {
		key[i] = byte(i)
	}
	return link.Link{
		Page: "http://192.168.1.1/latchkey/", Name: "home", Host: "home.example.net",
		Addresses: []netip.Addr{netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("2001:db8::1")},
		STUNPorts: []uint16{41641}, Ports: 20480, Key: key, Doors: []string{"nas_ssh", "router_web"},
	}
}

var same = cmpopts.EquateComparable(netip.Addr{}, seal.Key{})

func TestLink_round_trip(t *testing.T) {
	titled := homeLink()
	titled.Page, titled.Name, titled.Host = "", "Mum & Dad’s #1 100%", ""
	ordered := homeLink()
	ordered.STUNPorts, ordered.Ports = nil, 0
	ordered.Ordered = &knock.Ordered{
		Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 700}},
		Header: []uint16{9001, 9002}, Footer: []uint16{9003},
	}
	about := homeLink()
	about.About = []link.Door{
		{Name: "nas_ssh", TCP: true, Ports: ports(2022), Service: "ssh", Title: "SSH: the “NAS” & more, 100 %"},
		{Name: "router_web", TCP: true, UDP: true, Ports: []wire.PortRange{{First: 8000, Last: 8010}, {First: 443, Last: 443}}},
	}
	about.Times = []link.Time{{Door: "router_web", Usual: 10 * time.Minute, Most: 8 * time.Hour}}
	for name, l := range map[string]link.Link{"home": homeLink(), "titled": titled, "ordered": ordered, "about": about} {
		got, err := link.Parse(" " + l.Text() + "\n")
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(l, got, same); diff != "" {
			t.Errorf("%s (-text +parsed):\n%s", name, diff)
		}
	}
	if got := homeLink().Text(); got != home {
		t.Errorf("got  %s\nwant %s", got, home)
	}
}

func ports(port uint16) []wire.PortRange { return []wire.PortRange{{First: port, Last: port}} }

func TestAppText_is_the_link_without_a_page(t *testing.T) {
	l := homeLink()
	code := l.AppText()
	if want := "latchkey:" + strings.TrimPrefix(home, "http://192.168.1.1/latchkey/#"); code != want {
		t.Errorf("got  %s\nwant %s", code, want)
	}
	l.Page = ""
	for _, text := range []string{code, " " + code + "\n"} {
		if got, err := link.Parse(text); err != nil || !cmp.Equal(l, got, same) {
			t.Errorf("%q reads back as %v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"latchkey:", "latchkey:#v=1", "Latchkey2:" + code, strings.Replace(code, "v=1", "v=2", 1)} {
		if _, err := link.Parse(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// What is said of doors must not make a link too long to be read: titles go first.
func TestLink_says_of_doors_what_it_has_room_for(t *testing.T) {
	l := homeLink()
	l.Doors = nil
	for i := range link.MaxDoors {
		name := fmt.Sprintf("a_door_with_a_long_name_%d", i)
		l.Doors = append(l.Doors, name)
		l.About = append(l.About, link.Door{Name: name, TCP: true, Ports: ports(22), Service: "ssh", Title: strings.Repeat("ä", 60)})
	}
	text := l.Text()
	got, err := link.Parse(text)
	if err != nil {
		t.Fatalf("%d bytes: %v", len(text), err)
	}
	if len(text) < link.MaxSize-100 {
		t.Errorf("the link has %d bytes, so there was room for more", len(text))
	}
	titled := 0
	for _, d := range got.About {
		if d.Title != "" {
			titled++
		}
	}
	if titled == 0 || titled == len(got.About) || len(got.About) == link.MaxDoors {
		t.Errorf("%d doors are said of, %d of them with a title", len(got.About), titled)
	}
	if diff := cmp.Diff(l.Doors, got.Doors); diff != "" {
		t.Error(diff)
	}
}

// Without further ports a door can be connected to, without the first one nobody sees whether it opens.
func TestLink_says_the_first_ports_of_all_doors_before_further_ones(t *testing.T) {
	l := homeLink()
	l.Doors, l.About = nil, nil
	var further []wire.PortRange
	for i := range uint16(link.MaxPorts) {
		further = append(further, ports(60000+2*i)...)
	}
	const doors = 20
	for i := range doors {
		name := fmt.Sprintf("door_%d", i)
		l.Doors = append(l.Doors, name)
		l.About = append(l.About, link.Door{Name: name, TCP: true, Ports: ports(22), Other: further})
	}
	got, err := link.Parse(l.Text())
	if err != nil {
		t.Fatal(err)
	}
	said := 0
	for _, d := range got.About {
		if d.Other != nil {
			said++
		}
	}
	if len(got.About) != doors || said == 0 || said == doors {
		t.Errorf("%d of %d doors are said of, %d of them with further ports", len(got.About), doors, said)
	}
}

func TestLink_hides_the_key(t *testing.T) {
	l := homeLink()
	for _, s := range []string{l.String(), fmt.Sprintf("%v %+v %s", l, l, l), fmt.Sprint(&l), fmt.Errorf("%v", l).Error()} {
		if strings.Contains(s, keyText[:8]) {
			t.Errorf("shows the key: %s", s)
		}
	}
}

func TestParse_unmaps_addresses(t *testing.T) {
	l, err := link.Parse(strings.Replace(home, "203.0.113.7", "::ffff:203.0.113.7", 1))
	if err != nil || l.Addresses[0] != netip.MustParseAddr("203.0.113.7") {
		t.Errorf("got %v, %v", l.Addresses, err)
	}
}

func TestParse_skips_unknown_parts(t *testing.T) {
	if _, err := link.Parse(home + "&z=later&z=1&longer=1&longer=2"); err != nil {
		t.Error(err)
	}
}

func TestParse_refuses(t *testing.T) {
	replace := func(old, with string) string {
		changed := strings.Replace(home, old, with, 1)
		if changed == home {
			t.Fatalf("%q is not in the link", old)
		}
		return changed
	}
	for text, want := range map[string]string{
		"":                                              "has no '#'",
		"http://192.168.1.1/latchkey/":                  "has no '#'",
		replace("http:", "javascript:"):                 "a page begins with http:// or https://",
		replace("http://", "javascript:"):               "a page begins with http://",
		replace("http://", "data:text/html,"):           "a page begins with http://",
		replace("http://192.168.1.1", "file://"):        "a page begins with http://",
		replace("http://192.168.1.1", ""):               "a page begins with http://",
		replace("192.168.1.1", ""):                      "a page begins with http://",
		replace("192.168.1.1/latchkey/", "?x"):          "a page begins with http://",
		replace("latchkey/", "a b/"):                    "without spaces",
		replace("latchkey/", "\"><b>"):                  "without spaces and quotes",
		replace("latchkey/", strings.Repeat("x", 1024)): "up to 1024 bytes",
		replace("v=1", "v=2"):                           "'v': it says \"2\"",
		replace("v=1&", ""):                             "'v' (the version) is missing",
		replace("n=home&", ""):                          "'n' (a name) is missing",
		replace("n=home", "n="):                         "'n': a name must be",
		replace("n=home", "n=a%0Ab"):                    "'n': a name must be",
		replace("n=home", "n=%zz"):                      "bad % escape",
		replace("n=home", "n=a%"):                       "bad % escape",
		replace("n=home", "n=%2"):                       "bad % escape",
		replace("n=home", "n=%+1"):                      "bad % escape",
		replace("n=home", "n=home&n=away"):              "'n' is there twice",
		replace("n=home", "home"):                       "without '='",
		replace("home.example.net", "a/b"):              "'h': \"a/b\" is not a host name",
		replace("203.0.113.7", "203.0.113"):             "is not an IP address",
		replace("2001:db8::1", "fe80::1%25e0"):          "is not an IP address",
		replace("203.0.113.7", "0.0.0.0"):               "nobody can send to one host",
		replace("a=203.0.113.7", strings.Repeat("a=203.0.113.7&", 8)+"a=203.0.113.7"): "more than 8 addresses",
		replace("h=home.example.net&a=203.0.113.7&a=2001:db8::1&", ""):                "names no router",
		replace("u=41641&p=20480&", ""):                                               "no way to knock",
		replace("u=41641", "u=65536"):                                                 "'u': \"65536\" is not a port from 1 to 65535",
		replace("u=41641", "u=041641"):                                                "is not a port",
		replace("p=20480", "p=59393"):                                                 "is not a port from 1 to 59392",
		replace("p=20480", "gh=1"):                                                    "say nothing without 'g'",
		replace("p=20480", "g=500-499"):                                               "must ascend",
		replace("p=20480", "g=500-600,600-700"):                                       "must ascend",
		replace("p=20480", "g=500"):                                                   "at least 2 ports",
		replace("p=20480", "g=500-600&gh=510"):                                        "510 is inside",
		replace(keyText, keyText[:42]):                                                "'k': key is",
		replace(keyText, strings.Repeat("A", 43)):                                     "'k': key is all zeros",
		replace(keyText, "secretsecret%21"):                                           "'k': key is not base64",
		replace("nas_ssh,router_web", ""):                                             "'d': \"\" is not the name of a door",
		replace("nas_ssh", "nas-ssh"):                                                 "'d': \"nas-ssh\" is not the name of a door",
		home[:len(home)-len("&d=nas_ssh,router_web")]:                                 "'d' (the doors) is missing",
		home + strings.Repeat("x", 5000):                                              "but must be at most 4096",
	} {
		_, err := link.Parse(text)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.300s:\ngot  %v\nwant %s", text, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), keyText[:8]) || strings.Contains(err.Error(), "secretsecret")) {
			t.Errorf("the error shows the key: %v", err)
		}
	}
}

// The links that every implementation takes or refuses.
func TestParse_vectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/links.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(field) != 3 {
			t.Fatalf("line %q has %d fields, want 3", line, len(field))
		}
		l, err := link.Parse(field[2])
		if (err == nil) != (field[0] == "good") {
			t.Errorf("%s: %v, want it %s", field[1], err, field[0])
		}
		if err != nil {
			continue
		}
		if again, err := link.Parse(l.Text()); err != nil || !cmp.Equal(l, again, same) {
			t.Errorf("%s: reads back as %v, %v", field[1], again, err)
		}
	}
}

// What links say of their doors: each line has what it is about, the link, and for each door of 'd' what is known.
func TestParse_door_vectors(t *testing.T) {
	parseVectors(t, "doors.tsv", func(l link.Link, door string) string { return facts(l.Door(door)) })
}

// How long doors open: each line has what it is about, the link, and for each door of 'd' the seconds.
func TestParse_time_vectors(t *testing.T) {
	parseVectors(t, "times.tsv", func(l link.Link, door string) string {
		for _, x := range l.Times {
			if x.Door == door {
				return fmt.Sprintf("%.0f:%.0f", x.Usual.Seconds(), x.Most.Seconds())
			}
		}
		return "-"
	})
}

// All ports of doors: each line has what it is about, the link, and for each door of 'd' its ports by protocol.
func TestParse_port_vectors(t *testing.T) {
	parseVectors(t, "ports.tsv", func(l link.Link, door string) string {
		d, known := l.Door(door)
		if !known {
			return "-"
		}
		return "tcp=" + ranges(d.Of(wire.TCP)) + " udp=" + ranges(d.Of(wire.UDP))
	})
}

// The UDP ports: each line has what it is about, the link, and its ports.
func TestParse_stun_vectors(t *testing.T) {
	text, err := os.ReadFile("../../testdata/vectors/stun.tsv")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		l, err := link.Parse(field[1])
		got := strings.Trim(fmt.Sprint(l.STUNPorts), "[]")
		if err != nil || got != strings.TrimPrefix(field[2], "-") {
			t.Errorf("%s: ports %q, %v, want %s", field[0], got, err, field[2])
		}
	}
}

// A client that was made before part 'us' refuses a second 'u', and skips what it does not know.
func TestLink_has_one_u(t *testing.T) {
	l := homeLink()
	l.STUNPorts = []uint16{41641, 443, 3478}
	if got, want := l.Text(), strings.Replace(home, "&u=41641", "&u=41641&us=443,3478", 1); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// parseVectors compares what links tell of their doors with the lines of a file of vectors.
func parseVectors(t *testing.T, file string, found func(l link.Link, door string) string) {
	t.Helper()
	text, err := os.ReadFile("../../testdata/vectors/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		field := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		what, want := field[0], field[2:]
		l, err := link.Parse(field[1])
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		var got []string
		for _, name := range l.Doors {
			got = append(got, found(l, name))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
		if again, err := link.Parse(l.Text()); err != nil || !cmp.Equal(l, again, same) {
			t.Errorf("%s: reads back as %v, %v", what, again, err)
		}
		// A reader of before sees the same link, with nothing said.
		old, err := link.Parse(regexp.MustCompile(`&[ite]=[^&]*|(#)[ite]=[^&]*&`).ReplaceAllString(field[1], "$1"))
		if l.About, l.Times = nil, nil; err != nil || !cmp.Equal(l, old, same) {
			t.Errorf("%s: without the parts 'i', 'e' and 't' it is %v, %v", what, old, err)
		}
	}
}

// facts writes what is known of a door as the vectors have it.
func facts(d link.Door, known bool) string {
	if !known {
		return "-"
	}
	proto := map[[2]bool]string{{true, false}: "tcp", {false, true}: "udp", {true, true}: "tcp+udp"}[[2]bool{d.TCP, d.UDP}]
	return strings.Join([]string{d.Name, proto, ranges(d.Ports), d.Service, d.Title}, ":")
}

// ranges writes ports as links have them.
func ranges(list []wire.PortRange) string {
	var texts []string
	for _, r := range list {
		text := fmt.Sprint(r.First)
		if r.Last != r.First {
			text += fmt.Sprint("-", r.Last)
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "+")
}

func FuzzParse(f *testing.F) {
	f.Add(home)
	f.Add(home + "&i=nas_ssh:tcp:2022:ssh:a:b&i=router_web:tcp%2Budp:443%2B8000-8010::")
	f.Add(home + "&i=nas_ssh:tcp:2022:ssh:&e=nas_ssh:udp:60000-61000&e=router_web:tcp:443")
	f.Add(home + "&t=nas_ssh:600:28800&t=router_web:30:30")
	f.Add("#v=1&n=a%20b&h=x&g=500-600,700&gh=1&gf=2,3&k=" + keyText + "&d=a")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := link.Parse(s)
		if err != nil {
			return
		}
		if most := max(len(l.About), len(l.Times)); most > len(l.Doors) {
			t.Fatalf("%q says of %d doors, but has %d", s, most, len(l.Doors))
		}
		again, err := link.Parse(l.Text())
		if err != nil {
			t.Fatalf("%q parses, but not its own text %q: %v", s, l.Text(), err)
		}
		if len(s) > link.MaxSize/4 {
			again.About, l.About = nil, nil // escaped, they may have no room
			again.Times, l.Times = nil, nil
		}
		if diff := cmp.Diff(l, again, same); diff != "" {
			t.Errorf("%q (-first +second):\n%s", s, diff)
		}
	})
}
