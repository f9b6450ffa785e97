// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// homeLink is what LuCI shows as QR code for the client of the configuration `sealed`.
const homeLink = "http://192.168.1.1/latchkey/#v=1&n=home&a=203.0.113.1&a=2001:db8:1::1&u=41641&p=20480&k=" + phoneKey + "&d=web,nas"

// client is the real program latchkey, with a link that was added, on the phone.
func client(t *testing.T, link string) (program string, env []string) {
	t.Helper()
	program, err := lab.Program("latchkey", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	env = append(os.Environ(), "XDG_CONFIG_HOME="+t.TempDir())
	add := exec.Command(program, "add", "-")
	add.Env, add.Stdin = env, strings.NewReader(link+"\n")
	if out, err := add.CombinedOutput(); err != nil {
		t.Fatalf("latchkey add: %v\n%s", err, out)
	}
	return program, env
}

func TestSSHThroughClosedDoor(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	lab.SSHD(t)
	latchkey, env := client(t, homeLink)
	for _, tt := range []struct{ name, host, port string }{
		{"behind_DNAT_over_IPv4", router, "2222"},
		{"behind_a_pinhole_over_IPv6", nas6, "22"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := d.ask(closeRequest("nas"), nil); err != nil {
				t.Fatal(err)
			}
			ssh := exec.Command("../../testdata/lab.sh", "ssh", "phone", "-p", tt.port,
				"-o", "ProxyCommand="+latchkey+" connect home nas %h %p", tt.host, "hostname")
			ssh.Env = env
			out, err := ssh.CombinedOutput()
			if err != nil || strings.TrimSpace(string(out)) != "nas" {
				t.Errorf("ssh: %v\n%s", err, out)
			}
		})
	}
}

func TestLatchkeyKnocks(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	lab.Serve(t, "router", ":8443")
	latchkey, env := client(t, homeLink)
	knock := func(t *testing.T, args ...string) {
		t.Helper()
		cmd := lab.On("phone", latchkey, append([]string{"knock"}, args...)...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("latchkey knock %q: %v\n%s", args, err, out)
		}
	}
	open := func(address string) func() bool {
		return func() bool { return lab.Reach(t, "phone", address, closedFor) }
	}
	t.Run("one_press_opens_both_families", func(t *testing.T) {
		knock(t, "home", "web")
		lab.Wait(t, "open over IPv4", open(webDoor))
		lab.Wait(t, "open over IPv6", open(webDoor6))
	})
	t.Run("and_closes_again", func(t *testing.T) {
		knock(t, "home", "web", "--close")
		lab.Wait(t, "closed over IPv4", func() bool { return !open(webDoor)() })
		lab.Wait(t, "closed over IPv6", func() bool { return !open(webDoor6)() })
	})
	t.Run("for_somebody_else_s_address", func(t *testing.T) {
		knock(t, "home", "web", "--address", neighbour, "--for", "30m")
		lab.Wait(t, "open for the neighbour", func() bool { return lab.Reach(t, "neighbour", webDoor, closedFor) })
		if open(webDoor)() {
			t.Error("open for the sender, too")
		}
	})
	t.Run("with_a_sequence", func(t *testing.T) {
		knock(t, router, "5100/tcp", "6200/udp", "icmp:77", "4300/tcp", "--gap", "50ms")
		lab.Wait(t, "open", open(webDoor))
		knock(t, router6, "5100/tcp", "6200/udp", "icmp:77", "4300/tcp", "--gap", "50ms")
		lab.Wait(t, "open over IPv6", open(webDoor6))
	})
	if t.Failed() {
		t.Logf("refusals: %v", d.refusals())
	}
}

// TestClassicPorts knocks as portknocking.org meant it: a number as ports in order, between header
// and footer, in groups of any size, and for another address than the sender's.
func TestClassicPorts(t *testing.T) {
	d := start(t, strings.Replace(sealed, "\toption ports '20480-26623'\n", "", 1)+`
config ports 'classic'
	option layout 'ordered'
	option ports '500-600,700-854'
	list header '9001'
	list footer '9100'
`, "--clock", "synchronised")
	lab.Serve(t, "router", ":8443")
	link := strings.Replace(homeLink, "&u=41641&p=20480", "&g=500-600,700-854&gh=9001&gf=9100", 1)
	latchkey, env := client(t, link)
	for host, args := range map[string][]string{
		"phone":     {"knock", "home", "web", "-4"},
		"neighbour": {"knock", "home", "web", "-4", "--address", neighbour},
	} {
		cmd := lab.On("phone", latchkey, args...)
		cmd.Env = env
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("latchkey %q: %v\n%s", args, err, out)
		}
		lab.Wait(t, "the door opens for the "+host, func() bool { return lab.Reach(t, host, webDoor, closedFor) })
	}
	if r := d.refusals(); len(r) > 0 {
		t.Errorf("refusals %v", r)
	}
}

func TestDoorWakesItsHost(t *testing.T) {
	d := start(t, strings.Replace(home, "\toption open_for '3s'\n", "\toption open_for '3s'\n\toption wake '00:11:32:aa:bb:cc'\n", 1))
	var heard net.PacketConn
	lab.In(t, "nas", func() (err error) { heard, err = net.ListenPacket("udp4", ":9"); return err })
	defer heard.Close()
	d.knock("phone", router, toNAS...)
	if err := heard.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 200)
	n, from, err := heard.ReadFrom(b)
	want := strings.Repeat("\xff", 6) + strings.Repeat("\x00\x11\x32\xaa\xbb\xcc", 16)
	if err != nil || string(b[:n]) != want || !strings.HasPrefix(from.String(), "192.168.1.1:") {
		t.Errorf("the nas heard %x from %v: %v", b[:n], from, err)
	}
}
