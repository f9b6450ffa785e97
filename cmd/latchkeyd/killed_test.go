// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// program writes a shell script that becomes latchkeyd, with something done before.
func program(t *testing.T, before, redirect string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "latchkeyd")
	text := fmt.Sprintf("#!/bin/sh\n%s '%s' \"$@\" %s\n", before, shipped.program(t), redirect)
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// inKernel reports whether the router's kernel has an address in a door's set for IPv4.
func inKernel(t *testing.T, door, address string) bool {
	t.Helper()
	out, err := lab.On("router", "nft", "-j", "list", "set", "inet", "fw4", "latchkey1_"+door+"_4").CombinedOutput()
	return err == nil && strings.Contains(string(out), `"`+address+`"`)
}

// TestKilledAtAnyStepOfOpening kills latchkeyd just before each system call that opening a door takes, from
// the first of writing the knock down to the one that logs it.
func TestKilledAtAnyStepOfOpening(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	const openTime = 3 * time.Second
	short := strings.Replace(sealed, "\toption open_for '5m'\n", fmt.Sprintf("\toption open_for '%s'\n", openTime), 1)
	d := startProgram(t, program(t, "exec", ">>"+log+" 2>&1"), short, "--clock", "synchronised")
	state := filepath.Join(d.dir, "state")
	fresh := func(call string) []string {
		return []string{"-P", state + ".new", "-e", "trace=" + call, "-e", "inject=" + call + ":signal=KILL"}
	}
	folder := func(call string) []string {
		return []string{"-P", d.dir, "-e", "trace=" + call, "-e", "inject=" + call + ":signal=KILL"}
	}
	steps := []struct {
		name string
		args []string
		used bool // the message is used up then
		open bool // the kernel lets the phone in then
	}{
		{"what_a_crash_left_is_taken_away", fresh("/unlink.*"), false, false},
		{"the_new_state_is_made", fresh("openat"), false, false},
		{"it_is_written", fresh("write"), false, false},
		{"it_is_on_the_disk", fresh("fsync"), false, false},
		{"it_is_closed", fresh("close"), false, false},
		{"it_takes_its_name", fresh("/rename.*"), false, false},
		{"the_folder_is_opened", folder("openat"), true, false},
		{"the_name_is_on_the_disk", folder("fsync"), true, false},
		{"the_folder_is_closed", folder("close"), true, false},
		{"the_event_is_written", []string{"-P", log, "-e", "trace=write", "-e", "inject=write:signal=KILL"}, true, true},
	}
	for _, step := range steps {
		t.Run("before_"+step.name, func(t *testing.T) {
			k := d.killWhileItOpens(t, step.args, false)
			late := step.open && k.took > openTime // on a machine that is very busy
			if k.used != step.used || k.open != step.open && !late {
				t.Errorf("the message is used up: %t, want %t; open in the kernel: %t, want %t", k.used, step.used, k.open, step.open)
			}
			d.recovers(t, k)
		})
	}
	t.Run("before_the_firewall_is_changed", func(t *testing.T) {
		// strace counts the messages to the kernel for each thread, and any may send this one: all of them wait.
		k := d.killWhileItOpens(t, []string{"-e", "trace=sendto", "-e", "inject=sendto:delay_enter=3000000"}, true)
		if !k.used || k.open {
			t.Errorf("the message is used up: %t, want true; open in the kernel: %t, want false", k.used, k.open)
		}
		d.recovers(t, k)
	})
	lab.Withstood(t, "power and disk", "latchkeyd killed (SIGKILL) before any system call of an opening",
		"what may have opened is used up and closes on time by the kernel; it starts again, and the next knock opens")
}

// killed is how things stand after a message of the phone and the death of latchkeyd.
type killed struct {
	msg  []byte
	used bool // the state says so
	open bool // in the kernel
	took time.Duration
}

// killWhileItOpens lets strace, with these arguments, kill latchkeyd while it takes a message of the phone. If
// strace only slows it down, it is killed as soon as its state says that the message is used up.
func (d *latchkeydProcess) killWhileItOpens(t *testing.T, args []string, slow bool) (k killed) {
	t.Helper()
	state := filepath.Join(d.dir, "state")
	before, _ := os.ReadFile(state)
	used := func() bool {
		after, _ := os.ReadFile(state)
		return !bytes.Equal(before, after)
	}
	over, detach := lab.Attach(t, d.cmd.Process.Pid, args...)
	defer detach()
	k.msg = freshMessage(t)
	sent := time.Now()
	sendSTUN(t, "phone", k.msg)
	lab.Wait(t, "latchkeyd is killed", func() bool {
		select {
		case <-d.ended:
			d.ended = nil
			<-over
			return true
		default:
			if slow && used() {
				d.cmd.Process.Kill()
			}
			return false
		}
	})
	k.used = used()
	k.open = inKernel(t, "web", phone)
	k.took = time.Since(sent)
	return k
}

// recovers checks all that must hold after a death: the door closes on time with nobody there, latchkeyd
// starts, and what was used stays used, while what was not, and what is new, opens.
func (d *latchkeydProcess) recovers(t *testing.T, k killed) {
	t.Helper()
	if k.open {
		lab.Wait(t, "the kernel closes the door", func() bool { return !inKernel(t, "web", phone) })
	}
	d.run("--clock", "synchronised")
	if inKernel(t, "web", phone) {
		t.Error("open after the start")
	}
	if k.used {
		sendSTUN(t, "neighbour", k.msg)
		lab.Wait(t, "the copy is refused", func() bool { return slices.Contains(d.refusals(), "replayed "+neighbour) })
		k.msg = freshMessage(t)
	}
	sendSTUN(t, "phone", k.msg)
	lab.Wait(t, "the door opens", func() bool { return inKernel(t, "web", phone) })
	if inKernel(t, "web", neighbour) {
		t.Error("open for the neighbour")
	}
	if err := d.ask(closeRequest("web"), nil); err != nil {
		t.Fatal(err)
	}
}
