// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
)

// playDaemon answers on a socket in the place of a daemon, and returns its path.
func playDaemon(t *testing.T, answer func(r control.Request, reply func(any) error) error) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "s")
	l, err := control.Listen(socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- control.Serve(ctx, l, func(_ context.Context, r control.Request, reply func(any) error) error { return answer(r, reply) })
	}()
	t.Cleanup(func() { stop(); <-served })
	return socket
}

// Whom an answer does not list is told, and nobody else.
func TestCloseTellsOfAll(t *testing.T) {
	for _, tt := range []struct {
		listed, more int
		last         string
	}{
		{0, 0, "door nas was not open\n"},
		{2, 0, "door nas is closed to 203.0.113.7\n"},
		{control.MaxListed, 0, "door nas is closed to 203.0.113.7\n"},
		{control.MaxListed, 1, "door nas is closed to 1 more\n"},
	} {
		socket := playDaemon(t, func(_ control.Request, reply func(any) error) error {
			closed := control.Closed{Grants: make([]control.Grant, tt.listed), More: tt.more}
			for i := range closed.Grants {
				closed.Grants[i].Address = "203.0.113.7"
			}
			return reply(closed)
		})
		out, said, code := invoke("close", "nas", "--socket", socket)
		lines := strings.SplitAfter(out, "\n")
		if code != exitOK || said != "" || len(lines)-1 != max(tt.listed+tt.more, 1) || lines[len(lines)-2] != tt.last {
			t.Errorf("of %d and %d more: returned %d, printed %d lines, the last %q, and %q", tt.listed, tt.more, code, len(lines)-1, lines[len(lines)-2], said)
		}
	}
}
