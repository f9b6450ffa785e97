// SPDX-License-Identifier: Apache-2.0

package main

import (
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestAttemptIsToldInTheDebugLog knocks with Debian's knock as people do who forget the protocol of a
// step. The kernel's filter must let that packet through.
func TestAttemptIsToldInTheDebugLog(t *testing.T) {
	d := start(t, strings.Replace(home, "option enabled '1'", "option enabled '1'\n\toption log_level 'debug'", 1))
	d.knock("phone", router, "7431:tcp", "2951:tcp", "8812:tcp")
	const want = `attempt address=203.0.113.7 knock="sequence to_nas" reason=wrong-protocol detail="1 of 3 steps, then step 2 by tcp instead of udp"` + "\n"
	lab.Wait(t, "the attempt in the log", func() bool { return strings.Contains(d.log.String(), want) })
	for _, port := range []string{"7431", "2951", "8812"} {
		if strings.Contains(d.log.String(), port) {
			t.Errorf("the log, which others than the owner may read, names port %s", port)
		}
	}
	var events []control.Event
	if err := d.ask(control.Request{Method: "events"}, &events); err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		if e.Kind == "attempt" {
			t.Errorf("among the events, which everybody may read: %+v", e)
		}
	}
}
