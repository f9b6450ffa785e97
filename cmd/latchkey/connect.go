// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"time"

	"github.com/latchkey/latchkey/pkgs/send"
)

// knockAgain is how long a knock has for its effect before another one goes out.
const knockAgain = 5 * time.Second

// attempts are how long the first tries to connect may take; the last one is for all that follow.
// A door that is still closed answers nothing, and the system sends a lost SYN again only after a
// second. So the first tries are short, for the knock opens at once, and then longer than the way
// there and back, however long that is.
func attempts() []time.Duration {
	return []time.Duration{
		100 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond,
		800 * time.Millisecond, 1600 * time.Millisecond, 3200 * time.Millisecond,
	}
}

func connectCommand(e env, args []string) error {
	f := newFlags("connect")
	family := f.family()
	within := f.duration("within", 15*time.Second, "how long to try")
	words, err := f.parse(args, 4, 4)
	if err != nil {
		return err
	}
	name, doorName, host, port := words[0], words[1], words[2], words[3]
	w := wish{door: doorName}
	if w.family, err = family(); err != nil {
		return err
	}
	const shortest, longest = time.Second, time.Hour
	if *within < shortest || *within > longest {
		return usageError{fmt.Errorf("--within %s is not from %s to %s", *within, shortest, longest)}
	}
	interrupt, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(interrupt, *within)
	defer cancel()
	if _, err := net.DefaultResolver.LookupPort(ctx, "tcp", port); err != nil {
		return usageError{fmt.Errorf("%q is not a TCP port", port)}
	}

	k, err := prepare(ctx, e, name, w)
	if err != nil {
		return err
	}
	knocking := make(chan error, 1)
	go func() { knocking <- k.keepKnocking(ctx) }()
	conn, err := dial(ctx, network(w.family), net.JoinHostPort(host, port))
	late := errors.Is(ctx.Err(), context.DeadlineExceeded)
	cancel()
	failed := <-knocking
	if err == nil {
		stop() // from now on an interrupt ends the program
		defer conn.Close()
		return pipe(conn, e.in, e.raw)
	}
	err = fmt.Errorf("connect to %s: %w", net.JoinHostPort(host, port), err)
	switch {
	case failed != nil:
		return errors.Join(fmt.Errorf("the knock did not go out: %w", failed), err)
	case late:
		return hinted{fmt.Errorf("door %s of %s did not open within %s: %w", doorName, name, *within, err),
			"the router's owner sees the reason under Services > Latchkey > Events, or with latchkeyd events"}
	}
	return err
}

// keepKnocking knocks until ctx ends. It returns an error only if no knock went out.
func (k *knocker) keepKnocking(ctx context.Context) error {
	var failed error
	for out := false; ; {
		again := time.NewTimer(knockAgain)
		results, err := k.send(ctx)
		errs := []error{err}
		for _, r := range results {
			errs = append(errs, r.Err)
			out = out || r.Err == nil
		}
		if failed = errors.Join(errs...); out {
			failed = nil
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return failed
		}
	}
}

func network(f send.Family) string {
	switch f {
	case send.IPv4:
		return "tcp4"
	case send.IPv6:
		return "tcp6"
	}
	return "tcp"
}

// dial tries to connect until it works or ctx ends. It returns what went wrong last.
func dial(ctx context.Context, network, address string) (*net.TCPConn, error) {
	limits := attempts()
	for i := 0; ; i++ {
		limit := limits[min(i, len(limits)-1)]
		next := time.NewTimer(limit)
		// A short delay for the other family: a door may be open for one of them only.
		d := net.Dialer{Timeout: limit, FallbackDelay: 20 * time.Millisecond}
		conn, err := d.DialContext(ctx, network, address)
		if err == nil {
			next.Stop()
			return conn.(*net.TCPConn), nil
		}
		if lost, ok := errors.AsType[*net.DNSError](err); ok && lost.IsNotFound {
			return nil, bare(err)
		}
		select {
		case <-next.C: // a refusal comes at once: do not ask again before the time
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil, ctx.Err()
			}
			return nil, bare(err)
		}
	}
}

// bare leaves out of an error of net what the caller says anyway.
func bare(err error) error {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Err
	}
	return err
}

// pipe joins a connection with in and out until the other side ends it. When in ends, the other
// side is told, and may go on talking.
func pipe(conn *net.TCPConn, in io.Reader, out io.Writer) error {
	go func() {
		_, _ = io.Copy(conn, in)
		_ = conn.CloseWrite()
	}()
	_, err := io.Copy(out, conn)
	return err
}
