// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// startDaemon is the script command: daemon CONFIG. It runs the real latchkeyd on the lab's router
// until the script ends.
func startDaemon(ts *testscript.TestScript, neg bool, args []string) {
	turn.Lock() // there is one lab
	ts.Defer(turn.Unlock)
	socket := ts.MkAbs("latchkeyd.sock")
	program, err := lab.Program("latchkeyd", ts.MkAbs("."))
	ts.Check(err)
	log, err := os.Create(ts.MkAbs("latchkeyd.log"))
	ts.Check(err)
	d := lab.On("router", program, "run", "--config", ts.MkAbs(args[0]), "--state", ts.MkAbs("state"), "--socket", socket)
	d.Stdout, d.Stderr = log, log
	ts.Check(d.Start())
	ts.Defer(func() {
		_ = d.Process.Kill()
		_ = d.Wait()
		log.Close()
		ts.Logf("latchkeyd said:\n%s", ts.ReadFile("latchkeyd.log"))
	})
	for deadline := time.Now().Add(10 * time.Second); !listens(socket); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			ts.Fatalf("latchkeyd does not listen within 10 s")
		}
	}
}

// listens reports whether the daemon at a socket reads from its first device.
func listens(socket string) bool {
	c, err := control.Dial(socket)
	if err != nil {
		return false
	}
	defer c.Close()
	var s control.Status
	err = c.Call(control.Request{Method: "status"}, &s)
	return err == nil && len(s.Devices) > 0 && s.Devices[0].State == "up"
}
