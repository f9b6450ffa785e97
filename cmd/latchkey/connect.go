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
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/probe"
	"github.com/latchkey/latchkey/pkgs/send"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// knockAgain is how long a knock has for its effect before another one goes out.
const knockAgain = 5 * time.Second

// lookHome is how long a knock waits for what a door answers without it: at home that is there already.
const lookHome = 10 * time.Millisecond

// maxTried is how many addresses of a name are tried, all at once.
const maxTried = 8

const connectText = `
It knocks at router NAME for DOOR, and tries meanwhile to connect to HOST and PORT, until the door
opens; for ssh: ssh -o ProxyCommand='latchkey connect home nas %h %p' -p 2222 you@home.example.net
Without HOST it connects to the router itself, without PORT to the first TCP port of the door, or to
the one of its ports that --port names.`

func connectCommand(e env, args []string) error {
	f := newFlags("connect")
	family := f.family()
	within := f.duration("within", 15*time.Second, "try for `TIME`, from 1s to 1h (default: 15s)")
	service := f.String("port", "", "connect to `PORT`, one of the door's TCP ports (default: the first)")
	words, err := f.parse(args, 2, 4)
	if err != nil {
		return err
	}
	w := wish{door: words[1]}
	if len(words) == 4 {
		if err := f.refuse("says nothing beside "+strconv.Quote(words[3]), "port"); err != nil {
			return err
		}
		*service = words[3]
	}
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
	port := 0
	if *service != "" {
		if port, err = net.DefaultResolver.LookupPort(ctx, "tcp", *service); err != nil {
			return usageError{fmt.Errorf("%q is not a TCP port", *service)}
		}
	}

	k, err := prepare(ctx, e, words[0], &w)
	if err != nil {
		return err
	}
	if len(words) < 4 {
		if port, err = k.doorPort(w.door, port); err != nil {
			return err
		}
	}
	host, addresses := k.name, k.to
	if len(words) > 2 {
		host = words[2]
		if addresses, err = send.Lookup(ctx, host, w.family); err != nil {
			return err
		}
	}
	var to []netip.AddrPort
	for _, a := range addresses[:min(len(addresses), maxTried)] {
		to = append(to, netip.AddrPortFrom(a, uint16(port)))
	}
	watch := probe.Begin(ctx, to) // what answers this is as it was before the knock
	defer watch.End()
	watch.Settle(ctx, lookHome)
	knocking := make(chan error, 1)
	go func() { knocking <- k.keepKnocking(ctx) }()
	conn := watch.Await(ctx)
	cancel()
	failed := <-knocking
	if conn != nil {
		if watch.Verdict() == probe.Answered {
			fmt.Fprintf(e.err, "latchkey: %s\n", answered(w.door))
		}
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

// doorPort returns the TCP port to connect to: the wished one, if the link says that the door has it, or
// its first if none is wished.
func (k *knocker) doorPort(name string, wished int) (int, error) {
	door, _ := k.link.Door(name)
	ports := door.Of(wire.TCP)
	if wished == 0 && len(ports) > 0 {
		return int(firstPort(ports)), nil
	}
	var texts []string
	for _, r := range ports {
		if int(r.First) <= wished && wished <= int(r.Last) {
			return wished, nil
		}
		texts = append(texts, r.String())
	}
	const hint = "name HOST and PORT to connect to anything else"
	if ports == nil {
		return 0, hinted{fmt.Errorf("the link of %s names no TCP port of door %s", k.name, name), hint}
	}
	return 0, hinted{fmt.Errorf("door %s of %s has no TCP port %d: it has %s", name, k.name, wished, strings.Join(texts, ", ")), hint}
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
