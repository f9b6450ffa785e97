// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestPage presses the door of the knock page in real browsers, against a router that drops
// everything. Each browser has a host of its own and gets the page from the other one's.
func TestPage(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	page := must(filepath.Abs("../../luci-app/htdocs/latchkey/index.html"))
	for host, address := range map[string]string{"phone": phone, "neighbour": neighbour} {
		var l net.Listener
		lab.In(t, host, func() (err error) { l, err = net.Listen("tcp", address+":80"); return err })
		t.Cleanup(func() { l.Close() })
		go http.Serve(l, http.FileServer(http.Dir(filepath.Dir(page))))
	}
	t.Run("in", func(t *testing.T) { // returns when both have ended
		t.Run("chromium", func(t *testing.T) {
			t.Parallel()
			for some := range slices.Chunk(presses(page, neighbour, phone, phone6), oneBrowser) {
				pressDoors(t, d, "chromium", "phone", some)
			}
		})
		t.Run("firefox", func(t *testing.T) {
			t.Parallel()
			for some := range slices.Chunk(presses(page, phone, neighbour, neighbour6), oneBrowser) {
				pressDoors(t, d, "firefox", "neighbour", some)
			}
		})
	})
	if r := d.refusals(); len(r) > 0 {
		t.Errorf("refusals %v", r)
	}
}

// press is one press of a button, and what must come of it.
type press struct{ name, url, knock, address string }

// presses returns all ways: the page from a file and over HTTP, the router by IPv4 and IPv6, one
// carrier alone and both.
func presses(page, server, own, own6 string) []press {
	var all []press
	for from, url := range map[string]string{"file": "file://" + page, "http": "http://" + server + "/"} {
		for family, a := range map[string][2]string{"IPv4": {router, own}, "IPv6": {router6, own6}} {
			for carrier, ports := range map[string]string{
				"stun": "&u=41641", "ports": "&p=20480", "": "&u=41641&p=20480",
			} {
				all = append(all, press{
					name:    from + "_" + family + "_" + carrier,
					url:     url + "#v=1&n=home&a=" + a[0] + ports + "&k=" + phoneKey + "&d=web",
					knock:   strings.TrimSpace("message " + carrier),
					address: a[1],
				})
			}
		}
	}
	return all
}

// oneBrowser is how many presses in a row one browser is asked for. Chromium keeps the sockets of a
// knock by ports for two minutes, 48 of the 256 that it may have, although the page aborted it.
const oneBrowser = 4

// mostPresses is how often a door is pressed at the most until it opens, as a person would do it: a
// machine that is busy with other tests may take seconds for what a browser sends in milliseconds.
const mostPresses = 3

func pressDoors(t *testing.T, d *latchkeydProcess, browser, host string, presses []press) {
	args := []string{"../../testdata/browser/press.mjs", "--ask", browser, "web"}
	for _, p := range presses {
		args = append(args, p.url)
	}
	cmd := nodeOn(t, host, args...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	// The browser is node's child: it must not go on knocking when the test is over.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	said := &lockedBuffer{}
	cmd.Stderr = said
	out, in := must(cmd.StdoutPipe()), must(cmd.StdinPipe())
	before := d.knocks(presses[0])
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
	pressed := bufio.NewScanner(out)
	for i, p := range presses {
		opened := false
		for n := 1; n <= mostPresses && !opened; n++ {
			if !pressed.Scan() {
				t.Fatalf("%s: the browser did not press: %s", p.name, said)
			}
			opened = within(4*time.Second, func() bool { return d.knocks(p) > before })
			answer := "next"
			if !opened && n < mostPresses {
				answer = "again"
				t.Logf("%s: pressed once more", p.name)
			}
			if i+1 < len(presses) && answer == "next" {
				before = d.knocks(presses[i+1])
			}
			if _, err := io.WriteString(in, answer+"\n"); err != nil {
				t.Fatalf("%s: %v: %s", p.name, err, said)
			}
		}
		if !opened {
			t.Errorf("%s: the door did not open", p.name)
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", browser, err, said)
	}
}

// knocks counts what opened or extended a door for the address and by the carrier of a press. Presses that
// follow each other fast are one event.
func (d *latchkeydProcess) knocks(p press) (n int) {
	d.t.Helper()
	for _, e := range d.told() {
		if (e.Kind == "opened" || e.Kind == "extended") && e.Address == p.address &&
			(strings.HasPrefix(e.Knock, p.knock) || strings.HasPrefix(e.Also, p.knock)) {
			n += max(e.Count, 1)
		}
	}
	return n
}

// within polls until is says true, or a time has passed.
func within(long time.Duration, is func() bool) bool {
	for end := time.Now().Add(long); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			return false
		}
	}
	return true
}
