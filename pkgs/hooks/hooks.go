// SPDX-License-Identifier: Apache-2.0

// Package hooks runs the owner's scripts for events.
//
// It is the work of a process of its own, because scripts need rights that the daemon gave up.
//
// It is not meant for other programs.
package hooks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sort"
	"strconv"
	"syscall"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

const (
	shell   = "/bin/sh"
	maxRuns = 64 // scripts in the folder that are run
)

// ofDoors are the kinds of events of what clients and the owner do with doors.
var ofDoors = []string{"opened", "extended", "closed", "expired"}

// IsOfDoor reports whether an event is of what clients and the owner do with doors. Others can come of strangers.
func IsOfDoor(e control.Event) bool { return slices.Contains(ofDoors, e.Kind) }

// Run runs the scripts in folder for e, one after the other in the order of their names. They are shell
// scripts and get ACTION (the event's kind), DOOR, CLIENT, ADDRESS, UNTIL (seconds since 1970 UTC; empty for
// what is over), REASON and EVENT (all of it, as JSON on one line) in the environment. What they print, and
// what is wrong with them, goes to out. One that takes longer than longest is killed.
func Run(ctx context.Context, folder string, longest time.Duration, e control.Event, out *os.File) {
	scripts, err := list(folder)
	if err != nil {
		fmt.Fprintf(out, "hooks: %v\n", err)
	}
	for _, name := range scripts {
		script := folder + "/" + name
		if err := runOne(ctx, script, longest, environment(e), out); err != nil {
			fmt.Fprintf(out, "hook %s for %s %s: %v\n", script, e.Kind, e.Door, err)
		}
	}
}

// list returns the names of the scripts in folder in their order. A folder that is not there has none.
func list(folder string) ([]string, error) {
	d, err := os.Open(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	if len(names) > maxRuns {
		return nil, fmt.Errorf("%s has %d scripts, the limit is %d", folder, len(names), maxRuns)
	}
	sort.SliceStable(names, func(i, j int) bool { return names[i] < names[j] }) // as package wire sorts
	return names, nil
}

func environment(e control.Event) []string {
	until := ""
	if e.Until != nil {
		until = strconv.FormatInt(e.Until.Unix(), 10)
	}
	return []string{
		"PATH=" + os.Getenv("PATH"),
		"ACTION=" + e.Kind, "DOOR=" + e.Door, "CLIENT=" + e.Client, "ADDRESS=" + e.Address, "UNTIL=" + until,
		"REASON=" + e.Reason, "EVENT=" + string(control.Marshal(e)),
	}
}

// runOne starts a script, without os/exec and os.Process, which the router's program has no room for.
// The script has a process group of its own, so that what it has started ends with it.
func runOne(ctx context.Context, script string, longest time.Duration, env []string, out *os.File) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	pid, err := syscall.ForkExec(shell, []string{shell, script}, &syscall.ProcAttr{
		Env: env, Files: []uintptr{null.Fd(), out.Fd(), out.Fd()}, Sys: &syscall.SysProcAttr{Setpgid: true},
	})
	if err != nil {
		return err
	}
	limited, done := context.WithTimeout(ctx, longest)
	defer done()
	defer context.AfterFunc(limited, func() { syscall.Kill(-pid, syscall.SIGKILL) })()
	status, err := wait(pid)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("killed, because the service stops")
	case limited.Err() != nil:
		return fmt.Errorf("killed, because it took longer than %s", longest)
	case status.Signaled():
		return fmt.Errorf("killed by signal %d", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// wait waits for a child to end. The runtime's own signals interrupt wait4(2).
func wait(pid int) (syscall.WaitStatus, error) {
	var status syscall.WaitStatus
	for {
		_, err := syscall.Wait4(pid, &status, 0, nil)
		if err != syscall.EINTR {
			return status, err
		}
	}
}
