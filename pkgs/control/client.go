// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Socket is where the daemon listens by default.
const Socket = "/var/run/latchkey/latchkey.sock"

// Error is a refusal with advice for the person who asked.
type Error struct {
	Text string
	Hint string // "" = none
}

func (e *Error) Error() string { return e.Text }

// ErrNotRunning is wrapped by Dial when no daemon listens.
var ErrNotRunning = errors.New("latchkeyd is not running")

// Conn is one connection to the daemon. It is for one goroutine.
type Conn struct {
	conn *os.File
	in   *bufio.Reader
}

// Dial connects to the daemon that listens at path.
func Dial(path string) (*Conn, error) {
	conn, err := connect(path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w (nobody listens at %s)", ErrNotRunning, path)
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Conn{conn: conn, in: bufio.NewReader(conn)}, nil
}

// Close hangs up.
func (c *Conn) Close() error { return c.conn.Close() }

// Call sends a request and stores the answer in result, a pointer, unless that is nil.
// A refusal by the daemon is an *Error.
func (c *Conn) Call(r Request, result any) error {
	if _, err := c.conn.Write(append(Marshal(r), '\n')); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return c.Next(result)
}

// Next stores the next line of an answer of many lines in result.
func (c *Conn) Next(result any) error {
	line, err := c.in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	var r Response
	if err := Unmarshal(line, &r); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	if r.Error != "" {
		return &Error{Text: r.Error, Hint: r.Hint}
	}
	if result == nil {
		return nil
	}
	if err := Unmarshal(r.Result, result); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}
