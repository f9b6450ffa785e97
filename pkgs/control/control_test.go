// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// serve runs a server with handler h until the test ends, and returns its socket.
func serve(t testing.TB, h control.Handler) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "sock")
	l, err := control.Listen(path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- control.Serve(ctx, l, h) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return path
}

func dial(t testing.TB, path string) *control.Conn {
	t.Helper()
	c, err := control.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func echo(_ context.Context, r control.Request, reply func(any) error) error {
	if r.Method == "fail" {
		return &control.Error{Text: "no", Hint: "say please"}
	}
	return reply(r)
}

func TestCall(t *testing.T) {
	c := dial(t, serve(t, echo))

	t.Run("brings_back_what_the_handler_answers", func(t *testing.T) {
		want := control.Request{Method: "open", Door: "nas", Address: "2001:db8::7", For: "5m"}
		var got control.Request
		if err := c.Call(want, &got); err != nil || got != want {
			t.Errorf("Call = %+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("brings_a_refusal_with_its_hint_and_goes_on", func(t *testing.T) {
		err := c.Call(control.Request{Method: "fail"}, nil)
		refusal, ok := errors.AsType[*control.Error](err)
		if !ok || refusal.Text != "no" || refusal.Hint != "say please" {
			t.Errorf("Call = %#v, want the refusal with its hint", err)
		}
		if err := c.Call(control.Request{Method: "again"}, nil); err != nil {
			t.Errorf("the next call: %v", err)
		}
	})
}

func TestFollow(t *testing.T) {
	gone := make(chan struct{})
	path := serve(t, func(ctx context.Context, _ control.Request, reply func(any) error) error {
		for n := range uint64(3) {
			if err := reply(control.Event{Number: n}); err != nil {
				return err
			}
		}
		<-ctx.Done()
		close(gone)
		return nil
	})
	c := dial(t, path)
	var e control.Event
	if err := c.Call(control.Request{Method: "events", Follow: true}, &e); err != nil {
		t.Fatal(err)
	}
	for want := range uint64(2) {
		if err := c.Next(&e); err != nil || e.Number != want+1 {
			t.Fatalf("Next = %d, %v; want %d", e.Number, err, want+1)
		}
	}
	c.Close()
	<-gone // the handler is told that its caller hung up
}

func TestServeRefuses(t *testing.T) {
	path := serve(t, echo)

	tests := map[string]struct{ line, want string }{
		"what_is_not_json":      {"hello\n", "request is not one JSON object on a line"},
		"a_line_over_the_limit": {strings.Repeat("x", control.MaxLine+1) + "\n", "request is longer than 1048576 bytes"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			raw, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			go raw.Write([]byte(tt.line)) // the server may hang up before it has read all
			b := make([]byte, 4096)
			n, err := raw.Read(b)
			if !strings.Contains(string(b[:n]), tt.want) {
				t.Errorf("answer %q, %v; want %q in it", b[:n], err, tt.want)
			}
		})
	}
	lab.Withstood(t, "control", "requests that are no JSON, or longer than 1 MiB", "refused with the reason")
}

func TestDial(t *testing.T) {
	_, err := control.Dial(filepath.Join(t.TempDir(), "nobody"))
	if !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("Dial where nobody listens: %v, want ErrNotRunning", err)
	}
}
