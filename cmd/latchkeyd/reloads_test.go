// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// files tells how many files and sockets a process has open.
func files(t *testing.T, pid int) int {
	t.Helper()
	return len(must(os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))))
}

const faultReload = "bad configuration at a reload"

// TestConfigurationThatIsReplacedAllTheTime replaces the file 1000 times, each time with a SIGHUP, while
// knocks come.
func TestConfigurationThatIsReplacedAllTheTime(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	lab.Serve(t, "router", ":8443")
	sendSTUN(t, "phone", freshMessage(t))
	patiently(t, "the web opens", func() bool { return lab.Reach(t, "phone", webDoor, openWithin) })
	since := must(d.status()).Doors[1].Grants[0].Since
	open := files(t, d.cmd.Process.Pid)

	const most = 1 << 20 // bytes, see maxConfig
	path := filepath.Join(d.dir, "config")
	instead := func(make func(path string) error) func() {
		return func() {
			os.RemoveAll(path + ".new")
			if err := errors.Join(make(path+".new"), os.RemoveAll(path), os.Rename(path+".new", path)); err != nil {
				t.Fatal(err)
			}
		}
	}
	with := func(text string) func() { return func() { os.RemoveAll(path + "/"); d.write(text) } }
	padded := func(size int) string { return sealed + "#" + strings.Repeat("x", size-len(sealed)-1) }
	changes := []struct {
		name    string
		problem string // that status tells of, or one of several; "" = it is taken
		change  func()
	}{
		{"one more door", "", with(sealed + "\nconfig door 'vpn'\n\toption proto 'udp'\n\toption port '51820'\n")},
		{"a port that is none", "70000", with(sealed + "\nconfig door 'bad'\n\toption port '70000'\n")},
		{"as much text as may be", "", with(padded(most))},
		{"more text than may be", "the limit is 1048576 bytes", with(padded(most + 1))},
		{"a file that is written only half", "", nil}, // below
		{"no file", "no such file", func() { os.RemoveAll(path) }},
		{"an empty file", "is mandatory but not there", with("")},
		{"a folder", "is no regular file", instead(func(path string) error { return os.Mkdir(path, 0o700) })},
		{"a pipe that nobody writes to", "is no regular file", instead(func(path string) error { return unix.Mkfifo(path, 0o600) })},
		// Where the kernel has Landlock it is that which refuses.
		{"a device without end", "is no regular file|permission denied", instead(func(path string) error { return os.Symlink("/dev/zero", path) })},
		{"what it was", "", with(sealed)},
	}
	// Cut off in its middle a line is no line; where the first half of a file is one that could be meant,
	// nobody can tell: so the init script writes beside it and renames.
	changes[4].problem = "quote without an end"
	changes[4].change = with(sealed[:strings.Index(sealed, "8443")+2])

	t.Run("tells_what_is_wrong_with_each", func(t *testing.T) {
		for _, c := range changes {
			d.change(c.change, path)
			patiently(t, c.name, func() bool {
				problem := must(d.status()).Problem
				told := func(one string) bool { return strings.Contains(problem, one) }
				return c.problem == "" && problem == "" || c.problem != "" && slices.ContainsFunc(strings.Split(c.problem, "|"), told)
			})
		}
	})
	for n := range 1000 {
		c := changes[n%len(changes)]
		if n%50 != 0 && strings.Contains(c.name, "text") {
			c = changes[0] // a MiB each time would measure the disk
		}
		d.change(c.change, path)
		if n%100 == 0 {
			before := d.count("opened", phone) + d.count("extended", phone)
			patiently(t, "a knock is heard", func() bool {
				sendSTUN(t, "phone", freshMessage(t))
				return d.count("opened", phone)+d.count("extended", phone) > before
			})
		}
	}
	d.change(with(sealed), path)
	patiently(t, "the last one is taken", func() bool {
		s := must(d.status())
		return s.Problem == "" && len(s.Doors) == 2
	})
	if got := must(d.status()).Doors[1].Grants; len(got) != 1 || got[0].Since.Sub(*since).Abs() > time.Second {
		t.Errorf("grants of the web: %+v, want the one since %s", got, since)
	}
	if !lab.Reach(t, "phone", webDoor, openWithin) {
		t.Error("the web is closed to the phone")
	}
	if lab.Reach(t, "neighbour", webDoor, closedFor) {
		t.Error("the web is open to the neighbour")
	}
	if now := files(t, d.cmd.Process.Pid); now > open+2 { // the test's own question is one
		t.Errorf("%d files are open, before there were %d", now, open)
	}
	lab.Withstood(t, "load", "configuration replaced 1000 times with SIGHUP while knocks come", "grants stay, knocks open, no file is left open")
	lab.Withstood(t, "power and disk", "configuration that is cut off, too large, a folder, a pipe or away at a reload", "refused, the running one stays, and status says why")
	for _, name := range peers {
		t.Run("beside_"+name, func(t *testing.T) {
			installed(t, name)
			d.stop()
			p := startPeer(t, name)
			p.write("conf", "[web]\nsequence = 7431,99999999:bogus\nPCAP_INTF\n")
			p.signal(unix.SIGHUP)
			outcome := "runs on"
			if p.ends(30 * time.Second) {
				outcome = "ends"
			}
			lab.Peer(t, name, faultReload, outcome)
		})
	}
	lab.Withstood(t, "load", faultReload, "refused whole with every problem, the running one stays")
}

// change changes the configuration's file and tells the daemon.
func (d *latchkeydProcess) change(change func(), path string) {
	d.t.Helper()
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		os.RemoveAll(path)
	}
	change()
	d.signal(unix.SIGHUP)
}
