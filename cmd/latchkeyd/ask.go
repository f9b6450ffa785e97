// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/pkgs/control"
)

// ask sends one request to the daemon and stores the answer.
func ask(socket string, r control.Request, answer any) error {
	c, err := control.Dial(socket)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Call(r, answer)
}

func status(e env, args []string) error {
	f := newFlags(e, "status")
	asJSON := f.Bool("json", "print the answer as JSON")
	socket := f.socket()
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	if *asJSON {
		var raw control.Raw
		if err := ask(*socket, control.Request{Method: "status"}, &raw); err != nil {
			return err
		}
		return printJSON(e.out, raw)
	}
	var s control.Status
	if err := ask(*socket, control.Request{Method: "status"}, &s); err != nil {
		return err
	}
	printStatus(e.out, s)
	return nil
}

func open(e env, args []string) error {
	f := newFlags(e, "open")
	long := f.String("for", "", "how long, such as 30s, 10m or 8h (default: the door's own time)")
	socket := f.socket()
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	var g control.Grant
	r := control.Request{Method: "open", Door: words[0], Address: words[1], For: *long}
	if err := ask(*socket, r, &g); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "door %s is open to %s for %s\n", words[0], g.Address, formatSeconds(g.Left))
	if g.Pending {
		fmt.Fprintln(e.out, "as soon as the firewall has its sets: it has none for this door yet")
	}
	return nil
}

func closeDoor(e env, args []string) error {
	f := newFlags(e, "close")
	cut := f.Bool("cut", "end the sessions that were let in, too")
	socket := f.socket()
	words, err := f.parse(args, 1, 2)
	if err != nil {
		return err
	}
	r := control.Request{Method: "close", Door: words[0], Cut: *cut}
	if len(words) == 2 {
		r.Address = words[1]
	}
	var closed control.Closed
	if err := ask(*socket, r, &closed); err != nil {
		return err
	}
	for _, g := range closed.Grants {
		fmt.Fprintf(e.out, "door %s is closed to %s%s\n", words[0], g.Address, sessions(", ", g.Sessions, ""))
	}
	if closed.More > 0 {
		fmt.Fprintf(e.out, "door %s is closed to %d more\n", words[0], closed.More)
	}
	if len(closed.Grants) == 0 {
		fmt.Fprintf(e.out, "door %s was not open\n", words[0])
	}
	return nil
}

func events(e env, args []string) error {
	f := newFlags(e, "events")
	asJSON := f.Bool("json", "print each event as one line of JSON")
	follow := f.Bool("follow", "go on and print new events as they come")
	since := f.Uint64("since", 0, "print only events after this number")
	socket := f.socket()
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	show := func(ev control.Event) error { return printEvent(e.out, ev) }
	if *asJSON {
		show = func(ev control.Event) error { return printJSON(e.out, ev) }
	}
	r := control.Request{Method: "events", Since: *since}
	if *follow {
		return followEvents(context.Background(), *socket, r, show)
	}
	var list []control.Event
	if err := ask(*socket, r, &list); err != nil {
		return err
	}
	for _, ev := range list {
		if err := show(ev); err != nil {
			return err
		}
	}
	return nil
}

// followEvents calls each for every event until ctx or the daemon ends.
func followEvents(ctx context.Context, socket string, r control.Request, each func(control.Event) error) error {
	c, err := control.Dial(socket)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	r.Follow = true
	var ev control.Event
	for err = c.Call(r, &ev); err == nil; err = c.Next(&ev) {
		if err := each(ev); err != nil {
			return err
		}
		ev = control.Event{}
	}
	if ctx.Err() != nil || errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// forget asks the daemon to forget, or removes the whole state file, which the daemon may have refused.
func forget(e env, args []string) error {
	f := newFlags(e, "forget")
	state := f.String("state", stateFile, "file of what must survive a reboot, for --all")
	all := f.Bool("all", "forget everything, also a damaged state file; the daemon must not run")
	socket := f.socket()
	words, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	if *all == (len(words) == 1) {
		return usageError{errors.New("name a client, or use --all")}
	}
	if *all {
		return forgetAll(e, *socket, *state)
	}
	if err := ask(*socket, control.Request{Method: "forget", Client: words[0]}, new(control.Forgotten)); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "forgotten: messages of the present count again, those that were received do not")
	return nil
}

func forgetAll(e env, socket, state string) error {
	c, err := control.Dial(socket)
	if err == nil {
		c.Close()
		return &control.Error{Text: "latchkeyd is running", Hint: "stop it first: /etc/init.d/latchkey stop"}
	}
	if !errors.Is(err, control.ErrNotRunning) {
		return err
	}
	if err := becomeOwner(filepath.Dir(state)); err != nil {
		return err
	}
	if err := os.Remove(state); err != nil {
		return err
	}
	fmt.Fprintln(e.out, "forgotten: every message counts again, also copies of old ones: give every client a new key")
	return nil
}
