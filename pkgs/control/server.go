// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// Limits of the server side. A caller over one of them is told so and hung up on.
const (
	MaxCallers = 16              // at the same time
	MaxLine    = 1 << 20         // bytes in one request: a whole configuration for check
	writeTime  = 5 * time.Second // for a caller to take one line of an answer
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
	places := make(chan struct{}, MaxCallers)
	for {
		c, err := l.accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		select {
		case places <- struct{}{}:
		default:
			send(c, Response{Error: fmt.Sprintf("more than %d callers at the same time", MaxCallers)})
			c.Close()
			continue
		}
		callers.Go(func() {
			defer func() { <-places }()
			serveCaller(ctx, c, h)
		})
	}
}

func serveCaller(ctx context.Context, c *os.File, h Handler) {
	ctx, hangUp := context.WithCancel(ctx)
	defer hangUp()
	context.AfterFunc(ctx, func() { c.Close() })

	// Reading goes on while an answer is made: that is how a follower who hangs up is noticed.
	requests := make(chan Request)
	go func() {
		defer hangUp()
		readRequests(ctx, c, requests)
	}()
	for {
		select {
		case <-ctx.Done():
			return
		case r := <-requests:
			err := h(ctx, r, func(result any) error { return sendResult(c, result) })
			if err != nil && sendError(c, err) != nil {
				return
			}
		}
	}
}

func readRequests(ctx context.Context, c *os.File, to chan<- Request) {
	in := bufio.NewScanner(c)
	in.Buffer(make([]byte, 0, 4096), MaxLine)
	for in.Scan() {
		var r Request
		if err := Unmarshal(in.Bytes(), &r); err != nil {
			send(c, Response{Error: fmt.Sprintf("request is not one JSON object on a line: %v", err)})
			return
		}
		select {
		case to <- r:
		case <-ctx.Done():
			return
		}
	}
	if errors.Is(in.Err(), bufio.ErrTooLong) {
		send(c, Response{Error: fmt.Sprintf("request is longer than %d bytes", MaxLine)})
	}
}

func sendResult(c *os.File, result any) error {
	return send(c, Response{Result: Marshal(result)})
}

func sendError(c *os.File, err error) error {
	r := Response{Error: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		r.Hint = e.Hint
	}
	return send(c, r)
}

func send(c *os.File, r Response) error {
	if err := c.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := c.Write(append(Marshal(r), '\n'))
	return err
}
