// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/offer/offertest"
	"github.com/latchkey/latchkey/pkgs/pickup"
)

const pageAddress = "http://" + lanAddress + "/latchkey/"

const deviceKey = "3q2-7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs"

// deviceLink returns a link whose router has a name of its own.
func deviceLink(name string) string {
	return pageAddress + "#v=1&n=" + name + "&a=203.0.113.1&u=41641&k=" + deviceKey + "&d=nas"
}

// TestPageLeavesNoKeyInTheHistory plays the whole pick-up in real browsers in the router's LAN, and reads what they
// remember of it.
func TestPageLeavesNoKeyInTheHistory(t *testing.T) {
	for browser, databases := range map[string][]string{
		"chromium": {"History", "Favicons", "Top Sites", "Shortcuts", "Network Action Predictor", "Web Data"},
		"firefox":  {"places.sqlite", "favicons.sqlite", "formhistory.sqlite"},
	} {
		t.Run(browser, func(t *testing.T) {
			router := handsOut(t)
			device := visit(t, browser)
			codes := playPickUp(t, router, device)
			device.close(t)
			history := readHistory(t, device.profile, databases)
			if !strings.Contains(history, pageAddress) {
				t.Fatalf("the history does not know the page at all:\n%s", history)
			}
			for what, secret := range map[string]string{
				"the key": string(must(base64.RawURLEncoding.DecodeString(deviceKey))), "the key's text": deviceKey, "a part of a link": "k=" + deviceKey[:8], "parts of a link": "v=1&n=",
			} {
				if form := offertest.Finds([]byte(history), []byte(secret)); form != "" {
					t.Errorf("the history has %s, as %s", what, form)
				}
			}
			if form := offertest.Finds([]byte(history), []byte(codes.pasted)); form != "" {
				t.Errorf("the history has a code that was pasted, as %s", form)
			}
			// Browsers write an address down before the page's own script can change it. So a code that was scanned
			// stays there. It must be worth nothing.
			for _, code := range codes.all {
				c := must(pickup.ParseCode(code))
				if text, sealed := router.Ask(t, c.Name()); sealed != "" {
					t.Errorf("for a code of the history, the router answers %s", text)
				}
				offertest.CheckSilence(t, router.Ear.Heard(), deviceLink("x"), code)
			}
		})
	}
}

// What the page says, in English.
const (
	gone = "This code was used or is too old. Let the router show a new one."
	mute = "The router did not answer. Go to its own network, then press OK to try again."
	torn = "The router’s answer is damaged. Let it show a new code."
)

// offeredCodes are those that a device was given.
type offeredCodes struct {
	pasted string
	all    []string
}

// playPickUp does all that can be done with codes and with a link, one after the other, in one browser.
func playPickUp(t *testing.T, router *offertest.Router, d *device) offeredCodes {
	t.Helper()
	offered := func(name string) string { return router.Offer(t, name, deviceLink(name)) }
	scanned, pasted, late, tried, damaged := offered("scanned"), offered("pasted"), offered("late"), offered("tried"), offered("damaged")
	open := func(code string) string { return "open " + pageAddress + "#" + code }

	d.want(t, open(scanned), "scanned")
	d.want(t, "open "+pageAddress, "scanned") // kept
	d.want(t, open(scanned), "scanned", gone) // what was kept goes on
	d.want(t, "empty", "")
	d.want(t, open(scanned), "", gone)
	d.want(t, open(scanned[:21]+"Q"), "", gone) // a code that nobody made, or the used one
	router.Age(t, late)
	d.want(t, open(late), "", gone)
	router.Web.Busy.Store(true)
	d.want(t, open(tried), "", mute)
	router.Web.Busy.Store(false)
	d.want(t, "again", "tried") // the code still works
	d.want(t, "empty", "")
	router.Web.Damages.Store(true)
	d.want(t, open(damaged), "", torn)
	router.Web.Damages.Store(false)
	d.want(t, "paste "+pageAddress+"#"+pasted, "pasted")
	d.want(t, "empty", "")
	d.want(t, "paste "+deviceLink("itself"), "itself")
	return offeredCodes{pasted, []string{scanned, pasted, late, tried, damaged}}
}

// device is a browser in the LAN.
type device struct {
	profile string
	cmd     *exec.Cmd
	said    *lockedBuffer
	in      io.WriteCloser
	out     *bufio.Scanner
}

func visit(t *testing.T, browser string) *device {
	t.Helper()
	d := &device{profile: t.TempDir(), said: &lockedBuffer{}}
	d.cmd = nodeOn(t, "nas", "../../testdata/browser/pickup.mjs", browser, d.profile, pageAddress)
	d.cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	d.cmd.Stderr = d.said
	d.in, d.out = must(d.cmd.StdinPipe()), bufio.NewScanner(must(d.cmd.StdoutPipe()))
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Kill(-d.cmd.Process.Pid, unix.SIGKILL) })
	return d
}

// shown is what the page shows.
type shown struct {
	Title, Address, Field string
	Doors, Notes          []string
}

func (d *device) do(t *testing.T, step string) shown {
	t.Helper()
	if _, err := io.WriteString(d.in, step+"\n"); err != nil {
		t.Fatalf("%v: %s", err, d.said)
	}
	var s shown
	if !d.out.Scan() {
		t.Fatalf("%s: the browser ended: %s", step, d.said)
	}
	if err := json.Unmarshal(d.out.Bytes(), &s); err != nil {
		t.Fatalf("%s: %q: %v", step, d.out.Text(), err)
	}
	return s
}

// saveNow is what the page says of all settings that came over HTTP.
const saveNow = "Save now: only this tab keeps the settings."

// want does a step. Then the page must show the doors of the router of this name ("": none) and these notes, and an address
// without a fragment.
func (d *device) want(t *testing.T, step, name string, notes ...string) {
	t.Helper()
	s := d.do(t, step)
	doors := []string{"nas"}
	if name == "" {
		name, doors = "Latchkey", nil
	} else {
		notes = append(notes, saveNow)
	}
	if s.Title != name || len(s.Doors) != len(doors) || !slices.Equal(s.Notes, notes) || s.Address != pageAddress {
		t.Errorf("%s: the page shows %+v, want %s with the notes %q", step, s, name, notes)
	}
}

func (d *device) close(t *testing.T) {
	t.Helper()
	d.in.Close()
	if err := d.cmd.Wait(); err != nil {
		t.Fatalf("%v: %s", err, d.said)
	}
}

// readHistory returns all that is in the databases of these names, as SQL.
func readHistory(t *testing.T, profile string, names []string) string {
	t.Helper()
	if _, err := exec.LookPath("sqlite3"); err != nil {
		t.Skip("SKIP: sqlite3 is not installed (hint: apt-get install sqlite3)")
	}
	var all bytes.Buffer
	err := filepath.WalkDir(profile, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !slices.Contains(names, d.Name()) {
			return err
		}
		out, err := exec.Command("sqlite3", path, ".dump").Output()
		all.Write(out)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
