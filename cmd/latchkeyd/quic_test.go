// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// severalPorts is sealed with three UDP ports. What is known of the second one is that the Web has it.
var severalPorts = strings.Replace(sealed, "option stun_port '41641'", "option stun_port '41641 443 3478'", 1)

// onlyQUIC makes a host's network one that lets nothing but UDP 443 through, and says so to nobody: all else goes to
// a port where nothing is.
func onlyQUIC(t *testing.T, host string) {
	t.Helper()
	fence := lab.On(host, "nft", "-f", "-")
	fence.Stdin = strings.NewReader(`table inet only_quic {
		chain out {
			type filter hook output priority mangle;
			udp dport 3478 drop # the sender's own firewall, which he is told of
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
}

// Each client knocks from a network that lets only UDP 443 out. A link with the first port alone opens nothing there;
// with the same key and further ports it does.
func TestOnlyQUICGetsThrough(t *testing.T) {
	const one = "#v=1&n=home&a=" + router + "&u=41641&p=20480&k=" + phoneKey + "&d=web"
	several := strings.Replace(one, "&p=", "&us=3478,443&p=", 1)
	page := "file://" + must(filepath.Abs("../../luci-app/htdocs/latchkey/index.html"))
	browser := func(name string) func(t *testing.T, d *latchkeydProcess) {
		return func(t *testing.T, d *latchkeydProcess) {
			pressDoors(t, d, name, "phone", []press{{name: "only_443", url: page + several, knock: "message stun", address: phone}})
		}
	}
	for name, knock := range map[string]func(t *testing.T, d *latchkeydProcess){
		"latchkey": func(t *testing.T, d *latchkeydProcess) { knockWith(t, several) },
		"knock.py": func(t *testing.T, d *latchkeydProcess) {
			py := lab.On("phone", "python3", "../knock/knock.py", "--link", "-", "--no-probe", "web")
			py.Env = append(os.Environ(), "HOME="+t.TempDir(), "XDG_CONFIG_HOME=", "PYTHONDONTWRITEBYTECODE=1")
			py.Stdin = strings.NewReader(several + "\n")
			if err := lab.Output(py); err != nil {
				t.Error(err)
			}
		},
		"chromium": browser("chromium"),
		"firefox":  browser("firefox"),
	} {
		t.Run(name, func(t *testing.T) {
			d := start(t, severalPorts, "--clock", "synchronised")
			onlyQUIC(t, "phone")
			knockWith(t, one)
			if n := d.count("opened", phone); n > 0 {
				t.Errorf("the first port alone opened %d times", n)
			}
			knock(t, d)
			lab.Wait(t, "the knock opens", func() bool { return d.count("opened", phone) > 0 })
			if r := d.refusals(); len(r) > 0 {
				t.Errorf("refusals %v", r)
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
