// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// events returns the newest events of a kind, as "reason address".
func (d *latchkeydProcess) refusals() []string {
	d.t.Helper()
	var list []control.Event
	if err := d.ask(control.Request{Method: "events"}, &list); err != nil {
		d.t.Fatal(err)
	}
	var refusals []string
	for _, e := range list {
		if e.Kind == "refused" {
			refusals = append(refusals, e.Reason+" "+e.Address)
		}
	}
	return refusals
}

// restart ends the daemon and starts it again, as an upgrade or a reboot would: the state stays.
func (d *latchkeydProcess) restart(flags ...string) {
	d.t.Helper()
	d.stop()
	d.run(flags...)
}

func TestCopyOfMessageOpensNothing(t *testing.T) {
	carriers := map[string]func(t *testing.T, host, from string, msg []byte){
		"stun":  func(t *testing.T, host, _ string, msg []byte) { sendSTUN(t, host, msg) },
		"ports": func(t *testing.T, _, from string, msg []byte) { sendPorts(t, msg, from) },
	}
	for name, send := range carriers {
		t.Run(name, func(t *testing.T) {
			d := start(t, sealed, "--clock", "synchronised")
			msg := freshMessage(t)
			send(t, "phone", phone, msg)
			lab.Wait(t, "the message opens", func() bool { return d.count("opened", phone) == 1 })

			for _, when := range []struct {
				name   string
				before func()
			}{
				{"at_once", func() {}},
				{"after_a_restart", func() { d.restart("--clock", "synchronised") }},
				{"after_a_reboot_without_a_clock", func() { d.restart("--clock", "free") }},
			} {
				t.Run(when.name, func(t *testing.T) {
					when.before()
					send(t, "neighbour", neighbour, msg)
					lab.Wait(t, "the owner is told", func() bool {
						return slices.Contains(d.refusals(), "replayed "+neighbour)
					})
					if slices.Contains(d.grants("web"), neighbour) {
						t.Error("a copy opened the door")
					}
				})
			}
			lab.Withstood(t, "keys and doors", "copy of a used message, at once, after a restart and after a reboot without a clock", "refused as replayed, and the owner is told")
		})
	}
}

func TestNoKnockIsLostWhenTheFilterIsSwapped(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised")
	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				d.cmd.Process.Signal(unix.SIGHUP) // each reload swaps the filter
				time.Sleep(time.Millisecond)      // so that it is not only reloads
			}
		}
	}()
	defer func() {
		close(stop)
		<-stopped
	}()
	reloads := func() int { return strings.Count(d.log.String(), "reload") }
	for range 30 { // of the 40 in a row that a client may knock, which a reload does not give back
		seen := reloads()
		// Events of reloads push those of knocks out of the list: the client's last knock tells.
		last := func() time.Time {
			if l := must(d.status()).Clients[0].Last; l != nil {
				return *l
			}
			return time.Time{}
		}
		before := last()
		sendSTUN(t, "phone", freshMessage(t))
		lab.Wait(t, "the knock opens", func() bool { return last().After(before) })
		lab.Wait(t, "a reload", func() bool { return reloads() > seen })
	}
}

func TestHooksRunScripts(t *testing.T) {
	d := start(t, home)
	folder, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	script := "echo $ACTION $DOOR [$CLIENT] $ADDRESS $([ \"$UNTIL\" -gt \"$(date +%s)\" ] && echo later) >>" + out + "\n"
	if err := os.WriteFile(filepath.Join(folder, "10-write"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "05-fail"), []byte("exit 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	d.knock("neighbour", router, toNAS...) // what was before is not for the scripts
	lab.Wait(t, "the neighbour's knock", func() bool { return d.count("opened", neighbour) == 1 })

	hooks := lab.On("router", must(os.Executable()), "hooks", "--folder", folder, "--socket", d.socket)
	hooks.Env = append(os.Environ(), asDaemon+"=1")
	said := &lockedBuffer{}
	hooks.Stdout, hooks.Stderr = said, said
	if err := hooks.Start(); err != nil {
		t.Fatal(err)
	}
	text := func() string { b, _ := os.ReadFile(out); return string(b) }

	// The process follows when it does: until then knocks are not for it.
	lab.Wait(t, "a script ran", func() bool {
		d.knock("phone", router, toNAS...)
		return text() != ""
	})
	if err := d.ask(closeRequest("nas"), nil); err != nil {
		t.Fatal(err)
	}
	want := "closed nas [] " + phone + "\n"
	lab.Wait(t, "the script for the close", func() bool { return strings.Contains(text(), want) })
	if first, _, _ := strings.Cut(text(), "\n"); !strings.HasSuffix(first, "ed nas [] "+phone+" later") {
		t.Errorf("the first script printed %q", first)
	}
	if !strings.Contains(said.String(), "05-fail for ") || !strings.Contains(said.String(), "exit status 3") {
		t.Errorf("nothing was said of the script that failed: %s", said)
	}

	// What strangers bring about is for scripts of another folder, and one of them that hangs holds up no other.
	others, hangs, fifo := folder+"-events", filepath.Join(t.TempDir(), "hangs"), filepath.Join(t.TempDir(), "fifo")
	if err := errors.Join(os.Mkdir(others, 0o700), unix.Mkfifo(fifo, 0o600), os.WriteFile(filepath.Join(others, "10-hang"),
		[]byte("echo $ACTION $REASON >>"+hangs+"\nread word <"+fifo+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	d.knock("neighbour", router, "7431:tcp", "2951:udp", "8811:tcp") // a neighbour of the last step
	lab.Wait(t, "the script for a refusal", func() bool { b, _ := os.ReadFile(hangs); return string(b) == "refused trip-wire\n" })
	d.knock("phone", router, toNAS...)
	lab.Wait(t, "a script for a door beside it", func() bool {
		return strings.Count(text(), "opened nas [] "+phone+" later\n") >= 1 && !strings.HasSuffix(text(), want)
	})
	if strings.Contains(text(), "refused") {
		t.Errorf("a script for doors was run for a refusal:\n%s", text())
	}

	d.restart()
	d.knock("phone", router, sorted...)
	lab.Wait(t, "a script after the daemon was started again", func() bool { return strings.Contains(text(), "opened web [] "+phone+" later") })
	if err := hooks.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := hooks.Wait(); err != nil {
		t.Errorf("hooks ended with %v:\n%s", err, said)
	}
}
