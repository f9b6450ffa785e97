// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"

	hook "github.com/latchkey/latchkey/pkgs/hooks"

	"github.com/latchkey/latchkey/pkgs/control"
)

// askAgain is the pause after the daemon went away.
const askAgain = time.Second

// hooks follows the daemon's events, also over its restarts.
func hooks(e env, args []string) error {
	f := newFlags(e, "hooks")
	folder := f.String("folder", "/etc/hotplug.d/latchkey", "folder of the scripts")
	socket := f.socket()
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	out, ok := e.err.(*os.File)
	if !ok {
		out = os.Stderr
	}
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	last, fresh := uint64(0), true
	for {
		from, err := startAfter(*socket, last, fresh)
		if err == nil {
			last, fresh = from, false
			r := control.Request{Method: "events", Since: from}
			err = followEvents(ctx, *socket, r, func(ev control.Event) error {
				last = ev.Number
				return hook.Run(ctx, *folder, ev, out)
			})
		}
		if ctx.Err() != nil {
			return nil
		}
		if err != nil && !fresh {
			fmt.Fprintf(out, "hooks: %v\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(askAgain):
		}
	}
}

// startAfter returns the number of the event to start after: what happened before this process
// began is not for the scripts, and the numbers of a daemon that was started anew begin again.
func startAfter(socket string, last uint64, fresh bool) (uint64, error) {
	var s control.Status
	if err := ask(socket, control.Request{Method: "status"}, &s); err != nil {
		return 0, err
	}
	switch {
	case fresh:
		return s.Last, nil
	case s.Last < last:
		return 0, nil
	}
	return last, nil
}
