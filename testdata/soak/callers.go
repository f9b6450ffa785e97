// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// caller misbehaves at the control socket until ctx ends. Where the daemon is not there he has nothing to do.
type caller struct {
	name   string
	weight int
	shuts  []string
	do     func(ctx context.Context, s *soak, r *rand.Rand)
}

func (c caller) share() int { return c.weight }

var callers = []caller{
	{"callers that say nothing", 2, []string{byControl}, hang},
	{"a caller that drips", 1, nil, drip},
	{"a caller that talks junk", 1, nil, junk},
	{"a caller with a line without end", 1, nil, endless},
	{"a caller with many questions", 1, nil, manyQuestions},
	{"followers that read nothing", 1, nil, deaf},
}

// misbehave is the lane of the callers.
func (s *soak) misbehave(ctx context.Context) {
	entries(ctx, &lane{seed: s.seed, number: 3}, s.each, 5*time.Second, callers, func(r *rand.Rand, c caller) {
		s.stage.RLock()
		defer s.stage.RUnlock()
		if ctx.Err() != nil {
			return
		}
		s.note("control socket: " + c.name)
		t := s.model.begin(c.name, 0, c.shuts)
		defer s.model.finish(t)
		ctx, over := context.WithTimeout(ctx, between(r, time.Second, 4*time.Second))
		defer over()
		c.do(ctx, s, r)
		s.model.count(func(c *counts) { c.Callers++ })
		s.did("caller: " + c.name)
	})
}

// call connects; nil if the daemon does not listen.
func (s *soak) call(ctx context.Context) net.Conn {
	c, err := net.Dial("unix", s.router.socket())
	if err != nil {
		return nil
	}
	context.AfterFunc(ctx, func() { c.Close() })
	return c
}

func hang(ctx context.Context, s *soak, r *rand.Rand) {
	for range 1 + r.IntN(2*control.MaxCallers) {
		s.call(ctx)
	}
	<-ctx.Done()
}

func drip(ctx context.Context, s *soak, r *rand.Rand) {
	c := s.call(ctx)
	for _, b := range []byte(`{"method":"status","door":"` + string(bytes.Repeat([]byte("x"), 1000))) {
		if c == nil || !pause(ctx, 10*time.Millisecond) {
			return
		}
		_, _ = c.Write([]byte{b}) // an error is the daemon's good right
	}
}

func junk(ctx context.Context, s *soak, r *rand.Rand) {
	lines := [][]byte{[]byte("hello\n"), []byte("{}\n"), []byte(`{"method":"open"}` + "\n"), []byte(`{"method":["status"]}` + "\n"),
		[]byte(`{"method":"open","door":"web","address":"0.0.0.0"}` + "\n"), append(bytes.Repeat([]byte("["), 5000), '\n')}
	for pause(ctx, between(r, 0, 50*time.Millisecond)) {
		if c := s.call(ctx); c != nil {
			_, _ = c.Write(append(traffic.Bytes(r, r.IntN(200)), lines[r.IntN(len(lines))]...))
			_, _ = c.Write(lines[r.IntN(len(lines))])
			pause(ctx, between(r, 0, 20*time.Millisecond))
			c.Close()
		}
	}
}

func endless(ctx context.Context, s *soak, r *rand.Rand) {
	c := s.call(ctx)
	for range 2 * control.MaxLine / 4096 {
		if c == nil || ctx.Err() != nil {
			return
		}
		if _, err := c.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
			return
		}
	}
}

func manyQuestions(ctx context.Context, s *soak, r *rand.Rand) {
	text, _ := os.ReadFile(filepath.Join(s.router.folder, "config")) // it may be a bad one
	questions := []control.Request{{Method: "status"}, {Method: "events"}, {Method: "check", Text: string(text)}, {Method: "close", Door: "no"}}
	for pause(ctx, between(r, 0, 30*time.Millisecond)) {
		_ = s.router.ask(questions[r.IntN(len(questions))], nil)
	}
}

func deaf(ctx context.Context, s *soak, r *rand.Rand) {
	for range 1 + r.IntN(4) {
		if c := s.call(ctx); c != nil {
			for range 200 { // answers fill the socket, and the daemon has to hang up
				_ = c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
				if _, err := c.Write([]byte(`{"method":"events"}` + "\n")); err != nil {
					break
				}
			}
		}
	}
	<-ctx.Done()
}
