// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
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

// longestScript is how long a script may take before it is killed.
const longestScript = 30 * time.Second

// maxOthers is how many events besides those of doors wait for their scripts. Those that find no room have none.
const maxOthers = 32

// hooks follows the daemon's events, also over its restarts. Scripts run one at a time for events of doors, and
// beside them one at a time for others, so that nothing which strangers bring about holds up what is for a door.
func hooks(e env, args []string) error {
	f := newFlags(e, "hooks")
	folder := f.String("folder", "/etc/hotplug.d/latchkey", "folder of the scripts for doors; FOLDER-events is that for all other events")
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
	others, ended := make(chan control.Event, maxOthers), make(chan struct{})
	go func() {
		for e := range others {
			if ctx.Err() == nil {
				hook.Run(ctx, *folder+"-events", longestScript, e, out)
			}
		}
		close(ended)
	}()
	var seen position
	for {
		err := seen.catchUp(*socket)
		if err == nil {
			err = followEvents(ctx, *socket, control.Request{Method: "events", Since: seen.last}, func(ev control.Event) error {
				seen.last = ev.Number
				if hook.IsOfDoor(ev) {
					hook.Run(ctx, *folder, longestScript, ev, out)
					return nil
				}
				select {
				case others <- ev:
				default:
				}
				return nil
			})
		}
		if ctx.Err() != nil {
			close(others)
			<-ended
			return nil
		}
		if err != nil && !errors.Is(err, control.ErrNotRunning) {
			fmt.Fprintf(out, "hooks: %v\n", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(askAgain):
		}
	}
}

// position is how far the events of which run of the daemon were seen.
type position struct {
	run  string // "" = none was seen yet
	last uint64
}

// catchUp finds the daemon that runs now. What happened before this process began is not for the
// scripts, but all that comes later, also from a daemon that begins later. That one knows the events of
// the former, as far as they were saved in time: numbers go on from there.
func (p *position) catchUp(socket string) error {
	var s control.Status
	if err := ask(socket, control.Request{Method: "status"}, &s); err != nil {
		return err
	}
	switch p.run {
	case s.Run:
	case "":
		p.last = s.Last
	default:
		p.last = min(p.last, s.Former)
	}
	p.run = s.Run
	return nil
}
