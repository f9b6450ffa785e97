// SPDX-License-Identifier: Apache-2.0

package seal_test

import (
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestRing_Cost(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	all := keys(3)
	r := seal.NewRing(all)
	msg := seal.Seal(all[1], seal.Body{Stamp: millis(now)})
	if n := r.Cost(msg); n != 3 {
		t.Errorf("with a clock that is not synchronised it costs %d keys, want all 3", n)
	}
	r.Advance(now, true)
	if n := r.Cost(msg); n != 1 {
		t.Errorf("a message with a client's hint costs %d keys, want 1", n)
	}
	if n := r.Cost(seal.Seal(key(99), seal.Body{Stamp: millis(now)})); n != 0 {
		t.Errorf("a message with nobody's hint costs %d keys, want none", n)
	}
	if n := r.Cost(msg[1:]); n != 0 {
		t.Errorf("a message of 23 bytes costs %d keys, want none", n)
	}
}
