// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/latchkey/latchkey/pkgs/probe"
	"github.com/latchkey/latchkey/pkgs/send"
)

// knockAgain is how long a knock has for its effect before another one goes out.
const knockAgain = 5 * time.Second

// maxTried is how many addresses of a name are tried, all at once.
const maxTried = 8

const connectText = `
It knocks at router NAME for DOOR, and tries meanwhile to connect to HOST and PORT, until the door
opens; for ssh: ssh -o ProxyCommand='latchkey connect home nas %h %p' -p 2222 you@home.example.net`

func connectCommand(e env, args []string) error {
	f := newFlags("connect")
	family := f.family()
	within := f.duration("within", 15*time.Second, "try for `TIME`, from 1s to 1h (default: 15s)")
	words, err := f.parse(args, 4, 4)
	if err != nil {
		return err
	}
	name, doorName, host, service := words[0], words[1], words[2], words[3]
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
	port, err := net.DefaultResolver.LookupPort(ctx, "tcp", service)
	if err != nil {
		return usageError{fmt.Errorf("%q is not a TCP port", service)}
	}

	k, err := prepare(ctx, e, name, &w)
	if err != nil {
		return err
	}
	addresses, err := send.Lookup(ctx, host, w.family)
	if err != nil {
		return err
	}
	var to []netip.AddrPort
	for _, a := range addresses[:min(len(addresses), maxTried)] {
		to = append(to, netip.AddrPortFrom(a, uint16(port)))
	}
	watch := probe.Begin(ctx, to) // what answers this is as it was before the knock
	defer watch.End()
	knocking := make(chan error, 1)
	go func() { knocking <- k.keepKnocking(ctx) }()
	conn := watch.Await(ctx)
	cancel()
	failed := <-knocking
	if conn != nil {
		stop() // from now on an interrupt ends the program
		defer conn.Close()
		return pipe(conn, e.in, e.raw)
	}
	if err := interrupt.Err(); err != nil {
		return err
	}
	err = fmt.Errorf("connect to %s: %w", net.JoinHostPort(host, strconv.Itoa(port)), watch.Err())
	if failed != nil {
		return withOffline(errors.Join(fmt.Errorf("the knock did not go out: %w", failed), err))
	}
	return k.explain(watch.Verdict(), w.door, *within, err)
}

// explain says why a door did not let anybody in.
func (k *knocker) explain(v probe.Verdict, door string, within time.Duration, err error) error {
	switch v {
	case probe.Refuses:
		return coded{hinted{fmt.Errorf("door %s of %s is open, but the service behind it refuses: %w", door, k.name, err),
			"the service must run, and listen on the port that the door leads to"}, exitRefused}
	case probe.Unclear:
		return hinted{fmt.Errorf("cannot tell whether door %s of %s opened: its port was refused before the knock, too: %w", door, k.name, err),
			"either this router answers closed ports and the door did not open, or no service is behind the door"}
	case probe.Offline:
		return withOffline(err)
	}
	return coded{hinted{fmt.Errorf("door %s of %s did not open within %s: %w", door, k.name, within, err), askOwner}, exitClosed}
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
