// SPDX-License-Identifier: Apache-2.0

package control_test

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// server answers an honest caller, and does what bad ones ask for.
func server(ctx context.Context, r control.Request, reply func(any) error) error {
	switch r.Method {
	case "events": // until the caller hangs up
		if err := reply(control.Event{Number: 1}); err != nil {
			return err
		}
		<-ctx.Done()
		return nil
	case "much": // more than the kernel keeps for a caller who does not read
		return reply(control.Request{Text: strings.Repeat("x", 1<<20)})
	}
	return reply(r)
}

// connect is dial for a caller who does as he likes.
func connect(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// answered asks as `latchkeyd status` does, and reports whether there was an answer.
func answered(path string) error {
	c, err := control.Dial(path)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Call(control.Request{Method: "status"}, nil)
}

func TestServeWithstandsBadCallers(t *testing.T) {
	t.Parallel()
	must := func(t *testing.T, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("an honest caller: %v", err)
		}
	}
	t.Run("who_hang", func(t *testing.T) {
		path := serve(t, server)
		first := connect(t, path)
		for range 10 * control.MaxCallers {
			connect(t, path)
		}
		must(t, answered(path))
		first.SetReadDeadline(time.Now().Add(10 * time.Second))
		if _, err := first.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the first of those who hang has %v, want that it lost its place", err)
		}
		lab.Withstood(t, "control", "callers of the control socket who connect and hang", "the next caller takes the place of the one who hangs longest")
	})
	t.Run("who_drip", func(t *testing.T) {
		t.Parallel()
		path := serve(t, server)
		stop := make(chan struct{})
		defer close(stop)
		for i := range control.MaxCallers {
			c := connect(t, path)
			if i == 0 { // the place for a long request
				c.Write([]byte(strings.Repeat("x", 5000)))
			}
			go func() {
				for {
					if _, err := c.Write([]byte("x")); err != nil {
						return
					}
					select {
					case <-stop:
						return
					case <-time.After(50 * time.Millisecond):
					}
				}
			}()
		}
		must(t, answered(path))
		must(t, dial(t, path).Call(control.Request{Method: "check", Text: strings.Repeat("x", control.MaxLine/2)}, nil))
		must(t, answered(path))
		lab.Withstood(t, "control", "callers who send a request byte by byte", "others are answered; a long request has to come within 5 s")
	})
	t.Run("who_send_junk_in_a_flood", func(t *testing.T) {
		path := serve(t, server)
		stop, ended := make(chan struct{}), make(chan struct{})
		const floods = 4
		for range floods {
			go func() {
				defer func() { ended <- struct{}{} }()
				for {
					select {
					case <-stop:
						return
					default:
					}
					c, err := net.Dial("unix", path)
					if err != nil {
						continue
					}
					c.Write([]byte("\x00{\"}\xff\n"))
					io.Copy(io.Discard, c) // until it is hung up on
					c.Close()
				}
			}()
		}
		for range 20 {
			must(t, answered(path))
		}
		close(stop)
		for range floods {
			<-ended
		}
		lab.Withstood(t, "control", "flood of callers who send junk and hang up", "junk is refused, each honest caller is answered meanwhile")
	})
	t.Run("who_follow_events", func(t *testing.T) {
		path := serve(t, server)
		follow := control.Request{Method: "events", Follow: true}
		var last *control.Conn
		for range control.MaxFollowers {
			last = dial(t, path)
			must(t, last.Call(follow, nil))
		}
		if err := dial(t, path).Call(follow, nil); err == nil || err.Error() != "more than 12 callers follow the events" {
			t.Errorf("one follower too many: %v", err)
		}
		for range control.MaxCallers { // who hang do not take the places of those who follow
			connect(t, path)
		}
		must(t, answered(path))
		last.Close()
		wait(t, "a follower who hangs up makes room for another", func() bool { return dial(t, path).Call(follow, nil) == nil })
		lab.Withstood(t, "control", "as many followers of events as can be", "one more is refused, questions are answered")
	})
	t.Run("who_do_not_read_the_answer", func(t *testing.T) {
		t.Parallel()
		path := serve(t, server)
		for range control.MaxCallers {
			connect(t, path).Write(append(control.Marshal(control.Request{Method: "much"}), '\n'))
		}
		var err error
		wait(t, "an honest caller is answered", func() bool { err = answered(path); return err == nil })
		lab.Withstood(t, "control", "callers who do not read their answers", "whoever takes longer than a second has to make room for others")
	})
	t.Run("who_take_their_time_with_a_long_request", func(t *testing.T) {
		t.Parallel()
		path := serve(t, server)
		slow := connect(t, path)
		slow.Write([]byte(strings.Repeat("x", 5000)))
		long := control.Request{Method: "check", Text: strings.Repeat("x", control.MaxLine/2)}
		must(t, dial(t, path).Call(long, nil))
		if answer, err := io.ReadAll(slow); err != nil || !strings.Contains(string(answer), "request of more than 4096 bytes takes longer than 5s") {
			t.Errorf("the slow one gets %q, %v", answer, err)
		}
	})
	t.Run("who_follow_by_a_long_request", func(t *testing.T) {
		path := serve(t, server)
		text := strings.Repeat("x", 5000)
		err := dial(t, path).Call(control.Request{Method: "events", Follow: true, Text: text}, nil)
		if err == nil || err.Error() != "request to follow the events is longer than 4096 bytes" {
			t.Errorf("it is told %v", err)
		}
		must(t, dial(t, path).Call(control.Request{Method: "check", Text: text}, nil))
	})
	t.Run("who_are_too_many_at_once", func(t *testing.T) {
		path := serve(t, func(ctx context.Context, r control.Request, reply func(any) error) error {
			err := reply(r)
			if r.Method != "status" {
				<-ctx.Done()
			}
			return err
		})
		for range control.MaxFollowers {
			must(t, dial(t, path).Call(control.Request{Method: "events", Follow: true}, nil))
		}
		// On a machine that is slow the first of these may have to make room before the last one comes.
		wait(t, "one caller too many is refused", func() (refused bool) {
			for range control.MaxCallers - control.MaxFollowers + 1 {
				err := dial(t, path).Call(control.Request{}, nil)
				refused = refused || err != nil && err.Error() == "more than 16 callers at the same time"
			}
			return refused
		})
	})
	t.Run("who_hang_up_half-way", func(t *testing.T) {
		path := serve(t, server)
		c := connect(t, path)
		c.Write(append(control.Marshal(control.Request{Method: "status"}), '\n'))
		if err := c.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(c)
		if err != nil || !strings.Contains(string(answer), `"method":"status"`) {
			t.Errorf("answer %q, %v", answer, err)
		}
		half := connect(t, path)
		half.Write([]byte(`{"method":"sta`))
		half.CloseWrite()
		if answer, err := io.ReadAll(half); err != nil || len(answer) > 0 {
			t.Errorf("answer to half a request: %q, %v", answer, err)
		}
		must(t, answered(path))
		lab.Withstood(t, "control", "callers who close their side half-way", "a whole request is answered, half a one is nothing")
	})
}

// wait is lab.Wait for what may take as long as the server's limits.
func wait(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited 30 s for: %s", what)
		}
	}
}
