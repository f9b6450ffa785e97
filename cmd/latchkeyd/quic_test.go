// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// severalPorts is sealed with three UDP ports.
var severalPorts = strings.Replace(sealed, "option stun_port '41641'", "option stun_port '41641 443 3478'", 1)

// tried are the UDP ports of the links below: 41641 is lost in the network, 3478 is closed by the sender's own firewall, which
// tells him, Chromium refuses to send to 53, and 443 gets through.
var tried = []int{41641, 3478, 53, 443}

// onlyQUIC makes a host's network one that lets nothing but UDP 443 through, and says so to nobody: all else goes to
// a port where nothing is. sent counts what the host sent to each of the ports.
func onlyQUIC(t *testing.T, host string) (sent func() map[int]int) {
	t.Helper()
	var count strings.Builder
	for _, port := range tried {
		fmt.Fprintf(&count, "ip daddr %s udp dport %d counter\n", router, port)
	}
	fence := lab.On(host, "nft", "-f", "-")
	fence.Stdin = strings.NewReader(`table inet only_quic {
		chain counts {
			type filter hook output priority raw;
			` + count.String() + `
		}
		chain out {
			type filter hook output priority mangle;
			oifname lo accept # a browser is steered by TCP
			udp dport 3478 drop
			udp dport != 443 udp dport set 9
			tcp dport set 9
		}
	}`)
	if out, err := fence.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := lab.On(host, "nft", "delete table inet only_quic").CombinedOutput(); err != nil {
			t.Errorf("nft: %v\n%s", err, out)
		}
	})
	return func() map[int]int {
		t.Helper()
		out, err := lab.On(host, "nft", "list chain inet only_quic counts").CombinedOutput()
		if err != nil {
			t.Fatalf("nft: %v\n%s", err, out)
		}
		all := map[int]int{}
		for _, m := range regexp.MustCompile(`udp dport (\d+) counter packets (\d+)`).FindAllStringSubmatch(string(out), -1) {
			all[must(strconv.Atoi(m[1]))] = must(strconv.Atoi(m[2]))
		}
		return all
	}
}

// Each client knocks from a network that lets only UDP 443 out. A link with the first port alone opens nothing there;
// with the same key and further ports it does, and copies go to each port that the client can send to.
func TestOnlyQUICGetsThrough(t *testing.T) {
	const one = "#v=1&n=home&a=" + router + "&u=41641&p=20480&k=" + phoneKey + "&d=web"
	several := strings.Replace(one, "&p=", "&us=3478,53,443&p=", 1)
	page := "file://" + must(filepath.Abs("../../luci-app/htdocs/latchkey/index.html"))
	browser := func(name string) func(t *testing.T, d *latchkeydProcess) {
		return func(t *testing.T, d *latchkeydProcess) {
			pressDoors(t, d, name, "phone", []press{{name: "only_443", url: page + several, knock: "message stun", address: phone}})
		}
	}
	const copies = 5 // of a program
	toAll := [...]int{copies, copies, copies, copies}
	for name, tt := range map[string]struct {
		knock func(t *testing.T, d *latchkeydProcess)
		least [4]int // of tried; a browser gives up what its own machine refuses
	}{
		"latchkey": {func(t *testing.T, d *latchkeydProcess) { knockWith(t, several) }, toAll},
		"knock.py": {func(t *testing.T, d *latchkeydProcess) {
			lab.Need(t, "python3")
			py := lab.On("phone", "python3", "../knock/knock.py", "--link", "-", "--no-probe", "web")
			py.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "PYTHONDONTWRITEBYTECODE=1")
			py.Stdin = strings.NewReader(several + "\n")
			if err := lab.Output(py); err != nil {
				t.Error(err)
			}
		}, toAll},
		// A browser is closed once the door is open; it begins with 443 last.
		"chromium": {browser("chromium"), [...]int{1, 1, 0, 1}},
		"firefox":  {browser("firefox"), [...]int{1, 1, 1, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, severalPorts, "--clock", "synchronised")
			sent := onlyQUIC(t, "phone")
			knockWith(t, one)
			if n := d.count("opened", phone); n > 0 {
				t.Errorf("the first port alone opened %d times", n)
			}
			before := sent()
			tt.knock(t, d)
			lab.Wait(t, "the knock opens", func() bool { return d.count("opened", phone) > 0 })
			if r := d.refusals(); len(r) > 0 {
				t.Errorf("refusals %v", r)
			}
			after := sent()
			for i, port := range tried {
				n := after[port] - before[port]
				t.Logf("%d packets to UDP %d", n, port)
				if n < tt.least[i] || tt.least == toAll && n > copies {
					t.Errorf("want %d to UDP %d", tt.least[i], port)
				}
			}
		})
	}
}

// What comes to several ports is one message and its copies: it opens once, and nothing is refused.
func TestSeveralPortsAreOneKnock(t *testing.T) {
	d := start(t, severalPorts, "--clock", "synchronised")
	knockWith(t, "#v=1&n=home&a="+router+"&u=41641&us=443,3478&k="+phoneKey+"&d=web")
	lab.Wait(t, "the knock opens", func() bool { return d.count("opened", phone) == 1 })
	if n, r := d.count("extended", phone), d.refusals(); n > 0 || len(r) > 0 {
		t.Errorf("extended %d times, refusals %v", n, r)
	}
}

// knockWith has the phone's program latchkey knock with a link, until all is sent.
func knockWith(t *testing.T, link string) {
	t.Helper()
	latchkey, env := client(t, link)
	cmd := lab.On("phone", latchkey, "knock", "--no-probe", "home", "web")
	cmd.Env = env
	if err := lab.Output(cmd); err != nil {
		t.Error(err)
	}
}
