// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/fw4"
	"github.com/latchkey/latchkey/pkgs/fw4/fw4test"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/share"
)

// manyPorts has doors with several ports, and where the phone finds the router.
const manyPorts = `
config latchkey 'main'
	option enabled '1'
	list device 'wan'
	list host '203.0.113.1'
	list host '2001:db8:1::1'
	option stun_port '41641'
	option ports '20480-26623'

config door 'shell'
	list port '2222'
	list port '60000-60010/udp'
	list dest_port '22'
	list dest_port '60000-60010'
	option dest 'lan'
	option dest_ip '192.168.1.22'
	option dest_ip6 '2001:db8:2::22'
	option open_for '5m'

config door 'site'
	option port '8080 9090-9091'
	option open_for '5m'

config client 'phone'
	option key '` + phoneKey + `'
	list door 'shell'
	list door 'site'
`

// startDoors is start with the firewall that the doors of a configuration need. It returns the program latchkey
// on the phone, with the link that the router makes.
func startDoors(t *testing.T, text string) (d *latchkeydProcess, latchkey string, env []string) {
	t.Helper()
	d = start(t, text, "--clock", "synchronised")
	c, problems := config.Parse(text)
	if c == nil {
		t.Fatal(problems)
	}
	nft := lab.On("router", "nft", "-f", "-")
	nft.Stdin = strings.NewReader("flush ruleset\n" + fw4test.Render(fw4.Objects(c), fw4test.WAN))
	if out, err := nft.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v\n%s", err, out)
	}
	lab.Wait(t, "the daemon finds all sets", func() bool {
		s, err := d.status()
		for _, x := range s.Doors {
			if x.State != "ready" {
				return false
			}
		}
		return err == nil
	})
	l, _, err := share.Make(time.Now(), c, "phone")
	if err != nil {
		t.Fatal(err)
	}
	latchkey, env = client(t, l.Text())
	return d, latchkey, env
}

// A shell by mosh: SSH over TCP, whose port the client knows from the link, and then UDP at a port of a range.
func TestMoshThroughOneDoor(t *testing.T) {
	lab.Need(t, "mosh-server", "mosh-client", "script")
	_, latchkey, env := startDoors(t, manyPorts)
	lab.SSHD(t)
	ssh := exec.Command("../../testdata/lab.sh", "ssh", "phone", "-o", "ProxyCommand="+latchkey+" connect home shell", router,
		"LC_ALL=C.UTF-8 mosh-server new -p 60000:60010 -- sh -c 'echo it is $(hostname); read end'")
	ssh.Env = env
	out, err := ssh.CombinedOutput()
	said := regexp.MustCompile(`MOSH CONNECT (\d+) (\S+)`).FindStringSubmatch(string(out))
	if err != nil || said == nil {
		t.Fatalf("ssh: %v\n%s", err, out)
	}
	screen := &lockedBuffer{}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	mosh := lab.On("phone", "script", "-qec", "stty rows 24 cols 80; exec mosh-client "+router+" "+said[1], "/dev/null")
	mosh.Env = append(os.Environ(), "MOSH_KEY="+said[2], "TERM=xterm", "LC_ALL=C.UTF-8")
	mosh.Stdout = screen
	in, err := mosh.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := mosh.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = io.WriteString(in, "\n") // the shell ends, and with it the server and the client
		in.Close()
		stop := context.AfterFunc(ctx, func() { _ = mosh.Process.Kill() })
		_ = mosh.Wait()
		stop()
		cancel()
		if t.Failed() {
			t.Logf("the screen:\n%q", screen)
		}
	})
	lab.Wait(t, "the shell on the nas", func() bool { return strings.Contains(screen.String(), "it is nas") })
}

// A web page on one port whose script comes from another of the same door.
func TestBrowserThroughTwoPorts(t *testing.T) {
	chromium, err := exec.LookPath("chromium")
	if err != nil {
		t.Skipf("SKIP: %v (hint: apt-get install chromium)", err)
	}
	_, latchkey, env := startDoors(t, manyPorts)
	serveHTTP(t, ":8080", fmt.Sprintf("<body>closed<script src='http://%s:9091/'></script>", router))
	serveHTTP(t, ":9091", "document.body.textContent = 'both ports';")
	look := func() string {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		args := append(lab.On("phone", chromium).Args, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--user-data-dir="+t.TempDir(),
			"--timeout=5000", "--dump-dom", "http://"+router+":8080/")
		out, err := exec.CommandContext(ctx, args[0], args[1:]...).Output()
		if err != nil {
			t.Logf("chromium: %v", err)
		}
		return string(out)
	}
	if page := look(); strings.Contains(page, "both ports") {
		t.Fatalf("the door is closed, and the browser has\n%s", page)
	}
	knock := lab.On("phone", latchkey, "knock", "home", "site", "-4")
	knock.Env = env
	if out, err := knock.CombinedOutput(); err != nil {
		t.Fatalf("knock: %v\n%s", err, out)
	}
	if page := look(); !strings.Contains(page, "both ports") {
		t.Errorf("the browser has\n%s", page)
	}
}

// serveHTTP answers every request on the router with a text.
func serveHTTP(t *testing.T, address, text string) {
	t.Helper()
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		kind := "text/html"
		if strings.HasPrefix(text, "document") {
			kind = "text/javascript"
		}
		w.Header().Set("Content-Type", kind)
		_, _ = io.WriteString(w, text)
	})}
	lab.In(t, "router", func() error {
		l, err := net.Listen("tcp", address)
		if err == nil {
			go func() { _ = s.Serve(l) }()
		}
		return err
	})
	t.Cleanup(func() { s.Close() })
}
