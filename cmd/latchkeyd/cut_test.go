// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestCloseWithCutEndsSSH ends real sessions, in which the server talks all the time.
func TestCloseWithCutEndsSSH(t *testing.T) {
	d := start(t, home)
	lab.SSHD(t)
	for _, tt := range []struct{ name, from, host, port string }{
		{"behind_DNAT", phone, router, "2222"},
		{"behind_a_pinhole", phone6, nas6, "22"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := d.ask(control.Request{Method: "open", Door: "nas", Address: tt.from, For: "5m"}, nil); err != nil {
				t.Fatal(err)
			}
			ssh := exec.Command("../../testdata/lab.sh", "ssh", "phone", "-p", tt.port,
				"-o", "ServerAliveInterval=1", "-o", "ServerAliveCountMax=4", tt.host, "while echo tick; do sleep 0.1; done")
			var said lockedBuffer
			ssh.Stdout, ssh.Stderr = &said, &said
			if err := ssh.Start(); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- ssh.Wait() }()
			t.Cleanup(func() { ssh.Process.Kill() })
			lab.Wait(t, "ssh is in", func() bool { return strings.Count(said.String(), "tick") > 3 })

			if err := d.ask(closeRequest("nas"), nil); err != nil {
				t.Fatal(err)
			}
			before := strings.Count(said.String(), "tick")
			lab.Wait(t, "ssh goes on after the door has closed", func() bool { return strings.Count(said.String(), "tick") > before+10 })

			var out bytes.Buffer
			e := env{out: &out, err: &out}
			if err := closeDoor(e, []string{"--socket", d.socket, "--cut", "nas", tt.from}); err != nil {
				t.Fatal(err)
			}
			if want := "door nas is closed to " + tt.from + ", 1 session ended\n"; out.String() != want {
				t.Errorf("close says %q, want %q", out.String(), want)
			}
			select {
			case err := <-ended:
				if err == nil {
					t.Error("ssh ended as if all were well")
				}
			case <-time.After(time.Minute): // ssh waits for some signs of life
				t.Error("ssh goes on")
			}
		})
	}
}

// TestOptionCutEndsSessionsOnTime lets the grant end by itself. The neighbour's session to the other
// door, which has not that option, goes on.
func TestOptionCutEndsSessionsOnTime(t *testing.T) {
	d := start(t, strings.Replace(home, "\toption open_for '3s'\n", "\toption open_for '3s'\n\toption cut '1'\n", 1))
	lab.Serve(t, "nas", ":22")
	lab.Serve(t, "router", ":8443")
	for _, a := range []string{phone, phone6} {
		for _, door := range []string{"nas", "web"} {
			r := control.Request{Method: "open", Door: door, Address: a}
			if door == "web" {
				r.For = "1s"
			}
			if err := d.ask(r, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	cut := []net.Conn{lab.Connect(t, "phone", nasDoor, 5*time.Second), lab.Connect(t, "phone", nasDoor6, 5*time.Second)}
	kept := []net.Conn{lab.Connect(t, "phone", webDoor, 5*time.Second), lab.Connect(t, "phone", webDoor6, 5*time.Second)}
	for _, c := range append(kept, cut...) {
		if c == nil || !echoes(c, 5*time.Second) {
			t.Fatal("a session does not work before")
		}
		defer c.Close()
	}
	lab.Wait(t, "all grants are over", func() bool {
		return d.count("expired", phone)+d.count("expired", phone6) == 4
	})
	for i, c := range cut {
		if echoes(c, closedFor) {
			t.Errorf("session %d of the door with option cut goes on", i)
		}
	}
	for i, c := range kept {
		if !echoes(c, 5*time.Second) {
			t.Errorf("session %d of the door without it ended", i)
		}
	}
}

// echoes reports whether a byte comes back.
func echoes(c net.Conn, within time.Duration) bool {
	if _, err := c.Write([]byte{'x'}); err != nil {
		return false
	}
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		return false
	}
	n, _ := c.Read(make([]byte, 1))
	return n == 1
}
