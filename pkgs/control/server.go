// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Limits of the server side. A caller over one of them gets an error, and is hung up on.
const (
	MaxCallers   = 16              // at the same time; one more takes the place of one who keeps us waiting
	MaxFollowers = 12              // of them, so that there always is a place for a question
	MaxLine      = 1 << 20         // bytes in one request: a whole configuration for check
	shortLine    = 4096            // bytes; there is memory for one longer request at a time …
	longTime     = 5 * time.Second // … which has to come within this time
	writeTime    = 5 * time.Second // for a caller to take one line of an answer

	patience    = time.Second            // with an answer that is made or taken, where others wait for the place
	acceptAgain = 100 * time.Millisecond // after there was no descriptor for a caller
)

// Handler makes the answers. It calls reply once, or, for events with follow, for each event until
// reply fails or ctx ends.
type Handler func(ctx context.Context, r Request, reply func(result any) error) error

// Serve answers the callers of l until ctx ends or l fails. It closes l, and returns nil after ctx
// ended and every caller is gone.
func Serve(ctx context.Context, l *Listener, h Handler) error {
	var callers sync.WaitGroup
	defer callers.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	context.AfterFunc(ctx, func() { l.Close() })
	s := server{handler: h, long: make(chan struct{}, 1)}
	for {
		conn, err := l.accept()
		if ctx.Err() != nil {
			return nil
		}
		if noRoom(err) {
			<-time.After(acceptAgain) // the caller waits in the socket meanwhile
			continue
		}
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		c := &caller{File: conn, in: bufio.NewReaderSize(conn, shortLine), since: time.Now()}
		c.ctx, c.hangUp = context.WithCancel(ctx)
		context.AfterFunc(c.ctx, func() { conn.Close() })
		if !s.enter(c) {
			c.send(Response{Error: fmt.Sprintf("more than %d callers at the same time", MaxCallers)})
			c.hangUp()
			continue
		}
		callers.Go(func() {
			defer s.remove(c)
			for s.answer(c) == nil {
			}
		})
		runtime.Gosched() // it may say what it wants before others come who take its place
	}
}

// noRoom reports whether the system has no room for a caller, which it may have later.
func noRoom(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOBUFS) || errors.Is(err, syscall.ENOMEM)
}

type server struct {
	handler Handler
	long    chan struct{} // has a value while a long request is read or answered

	mu      sync.Mutex
	callers []*caller // at most MaxCallers, of which at most MaxFollowers follow
}

// caller is one connection.
type caller struct {
	*os.File
	in     *bufio.Reader
	ctx    context.Context // ends with the connection …
	hangUp func()          // … which this ends

	// Guarded by server.mu:
	since   time.Time // when it was heard last, or got its last answer
	asked   bool      // its answer is under way
	follows bool      // and goes on until it hangs up
}

// keepsWaiting is how long a caller has kept its place without any use to it, 0 = it has not. A follower
// has a right to its place.
func (c *caller) keepsWaiting() time.Duration {
	wait := time.Since(c.since)
	if c.asked {
		wait -= patience
	}
	if c.follows {
		return 0
	}
	return max(wait, 0)
}

// enter gives a caller a place, if need be that of the one who keeps us waiting longest: those who hang
// keep nobody out. It reports whether there is one.
func (s *server) enter(c *caller) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.callers) < MaxCallers {
		s.callers = append(s.callers, c)
		return true
	}
	longest, place := time.Duration(0), 0
	for i, other := range s.callers {
		if wait := other.keepsWaiting(); wait > longest {
			longest, place = wait, i
		}
	}
	if longest == 0 {
		return false
	}
	s.callers[place].hangUp()
	s.callers[place] = c
	return true
}

// remove takes back the place of a caller who is gone, unless another has it already.
func (s *server) remove(c *caller) {
	c.hangUp()
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, other := range s.callers {
		if other == c {
			last := len(s.callers) - 1
			s.callers[i] = s.callers[last]
			s.callers = s.callers[:last]
			return
		}
	}
}

// begin notes that a caller was heard. It reports whether it may have an answer.
func (s *server) begin(c *caller, follow bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	followers := 0
	for _, other := range s.callers {
		if other.follows {
			followers++
		}
	}
	if follow && followers >= MaxFollowers {
		return fmt.Errorf("more than %d callers follow the events", MaxFollowers)
	}
	c.since, c.asked, c.follows = time.Now(), true, follow
	return nil
}

func (s *server) end(c *caller) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.since, c.asked, c.follows = time.Now(), false, false
}

// answer reads the next request of a caller and answers it. An error ends the connection.
func (s *server) answer(c *caller) error {
	line, err := c.in.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		select {
		case s.long <- struct{}{}:
			defer func() { <-s.long }()
		case <-c.ctx.Done():
			return c.ctx.Err()
		}
		line, err = c.rest(line)
	}
	if err != nil {
		return err
	}
	var r Request
	if err := Unmarshal(line, &r); err != nil {
		return c.refuse("request is not one JSON object on a line: %v", err)
	}
	if r.Follow && len(line) > shortLine { // it would keep the memory for a long request
		return c.refuse("request to follow the events is longer than %d bytes", shortLine)
	}
	if err := s.begin(c, r.Follow); err != nil {
		return c.refuse("%v", err)
	}
	defer s.end(c)
	if r.Follow {
		defer c.hangUp()
		go c.skip() // that is how a follower who hangs up is noticed
	}
	err = s.handler(c.ctx, r, func(result any) error { return c.send(Response{Result: Marshal(result)}) })
	if err == nil {
		return nil
	}
	answer := Response{Error: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		answer.Hint = e.Hint
	}
	return c.send(answer)
}

// skip reads what a caller says, until it hangs up.
func (c *caller) skip() {
	var b [64]byte // io.Copy brings in 12 kB (compressed) for files
	for {
		if _, err := c.Read(b[:]); err != nil {
			c.hangUp()
			return
		}
	}
}

// rest reads the rest of a long request that begins with line.
func (c *caller) rest(line []byte) ([]byte, error) {
	late := time.AfterFunc(longTime, func() {
		c.refuse("request of more than %d bytes takes longer than %s", shortLine, longTime)
		c.hangUp()
	})
	defer late.Stop()
	text := append([]byte(nil), line...)
	for {
		line, err := c.in.ReadSlice('\n')
		text = append(text, line...)
		switch {
		case len(text) > MaxLine:
			return nil, c.refuse("request is longer than %d bytes", MaxLine)
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		}
		return text, err
	}
}

// refuse says why a caller gets no answer, and returns that it got none.
func (c *caller) refuse(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	return errors.Join(err, c.send(Response{Error: err.Error()}))
}

// send sends one line of an answer.
func (c *caller) send(r Response) error {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := c.Write(append(Marshal(r), '\n'))
	return err
}
