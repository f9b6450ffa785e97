// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestFromTheScanToSSH goes the whole way of a person: LuCI's wizard at home, the code, the page that picks the settings
// up and is saved; abroad the saved file, a press, and ssh to where the card connects. First with the service, the router
// and the device's network down.
func TestFromTheScanToSSH(t *testing.T) {
	web := serveLuCI(t)
	owner := openOwnersBrowser(t, "chromium")
	code := owner.do(t, "wizard http://"+lanAddress+luciPath+" 2222")
	if !strings.HasPrefix(code, "http://"+lanAddress+"/latchkey/#") {
		t.Fatalf("the wizard shows the code %q", code)
	}
	saved := owner.do(t, "save "+code)
	owner.close(t)

	config := web.inForce()
	d := start(t, config, "--clock", "synchronised")
	door := publish(t, config)
	lab.Wait(t, "the firewall has the door", func() bool {
		s, err := d.status()
		return err == nil && len(s.Doors) == 1 && s.Doors[0].State == "ready"
	})
	// abroad opens the saved page on the phone, to which the door is closed. Each time the browser is a new one: Chromium
	// keeps connections that it made and did not use for some seconds, and would find in them an answer of a moment ago.
	abroad := func(t *testing.T) *cards {
		t.Helper()
		d.ask(closeRequest(door), nil)
		if lab.Reach(t, "phone", nasDoor, closedFor) {
			t.Fatal("the door is open before the press")
		}
		page := newCards(t, d, "chromium")
		page.do(t, "open file://"+saved)
		return page
	}
	// seesOpen presses, and returns where the card of the open door connects.
	seesOpen := func(t *testing.T) *url.URL {
		t.Helper()
		card, _ := abroad(t).want(t, "press "+door, true, saysOpen)
		if g := d.grants(door); len(g) != 1 || g[0] != phone {
			t.Errorf("the door is open for %q", g)
		}
		connect, err := url.Parse(card.Connect)
		if err != nil || connect.Scheme != "ssh" || connect.Host != nasDoor {
			t.Errorf("the card connects to %q: %v", card.Connect, err)
		}
		return connect
	}

	t.Run("with_the_service_down_the_door_is_open_and_ssh_is_refused", func(t *testing.T) {
		if out, err := sshTo(seesOpen(t)); err == nil || !strings.Contains(out, "Connection refused") {
			t.Errorf("ssh gets to %q: %v", out, err)
		}
	})
	t.Run("with_the_router_down_nothing_comes_back", func(t *testing.T) {
		page := abroad(t)
		lab.Run(t, "router", "ip", "link", "set", "wan", "down")
		defer lab.Run(t, "router", "sh", "-c", "ip link set wan up; ip addr add 2001:db8:1::1/64 dev wan")
		page.want(t, "press "+door, false, saysSilent)
	})
	t.Run("with_the_network_down_the_device_is_offline", func(t *testing.T) {
		page := abroad(t)
		lab.Run(t, "phone", "ip", "link", "set", "eth0", "down")
		defer lab.Run(t, "phone", "sh", "-c", `ip link set eth0 up; ip addr add 2001:db8:1::7/64 dev eth0
			ip route add default via 203.0.113.1; ip route add default via 2001:db8:1::1`)
		page.want(t, "press "+door, false, saysOffline)
	})
	t.Run("with_all_up_again_ssh_gets_in", func(t *testing.T) {
		lab.Wait(t, "latchkeyd listens on wan", func() bool {
			s, err := d.status()
			return err == nil && s.Devices[0].State == "up"
		})
		lab.SSHD(t)
		if out, err := sshTo(seesOpen(t)); err != nil || strings.TrimSpace(out) != "nas" {
			t.Errorf("ssh gets to %q: %v", out, err)
		}
	})
	if r := d.refusals(); len(r) > 0 {
		t.Errorf("refusals %v", r)
	}
}

// sshTo is what the phone's SSH app does with an address of the page: it returns the name of the host that it gets to.
func sshTo(to *url.URL) (string, error) {
	out, err := exec.Command("../../testdata/lab.sh", "ssh", "phone", "-p", to.Port(), to.Hostname(), "hostname").CombinedOutput()
	return string(out), err
}

// publish puts into the router's firewall what the init script publishes for the one door of a configuration, as fw4
// renders it, and returns the door's name.
func publish(t *testing.T, config string) string {
	t.Helper()
	out, said, code := invoke("firewall", file(t, config))
	if code != exitOK {
		t.Fatalf("latchkeyd firewall: %s\n%s", said, config)
	}
	var rules strings.Builder
	var door string
	for line := range strings.Lines(out) {
		o := map[string]string{}
		for _, word := range strings.Fields(line) {
			name, value, _ := strings.Cut(word, "=")
			o[name] = value
		}
		switch o["type"] {
		case "ipset":
			rules.WriteString("add set inet fw4 " + o["name"] + " { type " + o["family"] + "_addr; flags timeout; }\n")
		case "redirect":
			rules.WriteString("add rule inet fw4 dstnat_" + o["src"] + " meta nfproto ipv4 " + o["proto"] + " dport " + o["src_dport"] +
				" ip saddr @" + o["ipset"] + " dnat ip to " + o["dest_ip"] + ":" + o["dest_port"] + "\n")
			door = strings.TrimSuffix(strings.TrimPrefix(o["ipset"], "latchkey1_"), "_4")
		}
	}
	lab.Run(t, "router", "nft", rules.String())
	return door
}

// ownersBrowser is the owner's browser in the LAN.
type ownersBrowser struct {
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Scanner
	said *lockedBuffer
}

func openOwnersBrowser(t *testing.T, browser string) *ownersBrowser {
	t.Helper()
	h := &ownersBrowser{cmd: nodeOn(t, "nas", "../../testdata/browser/home.mjs", browser, t.TempDir()), said: &lockedBuffer{}}
	h.cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // with the browser, which is node's child
	h.cmd.Stderr = h.said
	h.in, h.out = must(h.cmd.StdinPipe()), bufio.NewScanner(must(h.cmd.StdoutPipe()))
	if err := h.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-h.cmd.Process.Pid, unix.SIGKILL) })
	return h
}

// do does a step of home.mjs and returns what came of it.
func (h *ownersBrowser) do(t *testing.T, step string) string {
	t.Helper()
	if _, err := io.WriteString(h.in, step+"\n"); err != nil || !h.out.Scan() {
		h.cmd.Wait() // then it has said why
		t.Fatalf("%s: %v: %s", step, err, h.said)
	}
	return h.out.Text()
}

func (h *ownersBrowser) close(t *testing.T) {
	t.Helper()
	h.in.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, h.said)
	}
}
