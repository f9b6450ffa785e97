// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
)

// TestAnswersSteerNoTerminal asks a daemon that was taken over, as root does from a terminal.
func TestAnswersSteerNoTerminal(t *testing.T) {
	const bad = "a\x1b]0;x\a\x1b[2J\u009b31m\u202eb\r"
	socket := playDaemon(t, func(r control.Request, reply func(any) error) error {
		switch r.Method {
		case "status":
			return reply(control.Status{Version: bad, Clock: bad, Problem: bad,
				Devices: []control.Device{{Name: bad, State: bad, Problem: bad}},
				Doors:   []control.Door{{Name: bad, Title: bad, State: bad, Grants: []control.Grant{{Address: bad, Client: bad, Knock: bad}}}}})
		case "events":
			return reply([]control.Event{{Kind: bad, Door: bad, Client: bad, Address: bad, Knock: bad, Reason: bad, Detail: bad}})
		}
		return &control.Error{Text: bad, Hint: bad}
	})

	steering := regexp.MustCompile("[^\n\t -~]")
	for _, args := range [][]string{{"status"}, {"status", "--json"}, {"events"}, {"events", "--json"}, {"open", "nas", "203.0.113.7"}, {"close", "nas"}, {"forget", "phone"}} {
		cmd := exec.Command(os.Args[0], append(args, "--socket", socket)...)
		cmd.Env = append(os.Environ(), asDaemon+"=1")
		out, _ := cmd.CombinedOutput() // the answers that are errors end with 1
		if found := steering.Find(out); found != nil || len(out) < len(bad) {
			t.Errorf("latchkeyd %q prints %q in %q", args, found, out)
		}
	}
}
