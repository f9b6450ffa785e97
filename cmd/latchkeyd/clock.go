// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/control"
)

// ntpFile is where root keeps NTP's last event for the daemon. It must not outlive a reboot, and
// its folder is root's alone: the daemon only reads there.
const ntpFile = "/var/run/latchkey.clock/ntp"

// clockJudge returns the function that judges whether the clock is right.
func clockJudge(how, record string) (func() clock.Verdict, error) {
	if how == "auto" {
		return func() clock.Verdict { return judgeClock(unix.Adjtimex, record) }, nil
	}
	given, err := givenClock(how)
	if err != nil {
		return nil, usageError{fmt.Errorf("clock %q is none of auto, synchronised and free", how)}
	}
	return func() clock.Verdict { return given }, nil
}

// givenClock is the verdict that the option --clock gives.
func givenClock(how string) (clock.Verdict, error) {
	if how != control.Synchronised && how != control.Free {
		return clock.Verdict{}, usageError{fmt.Errorf("clock %q is neither synchronised nor free", how)}
	}
	return clock.Verdict{Right: how == control.Synchronised, Reason: clock.Given}, nil
}

// judgeClock judges by all that is known of the clock, which takes microseconds.
func judgeClock(adjtimex func(*unix.Timex) (int, error), record string) clock.Verdict {
	last := lastEvent(record) // before now, so that it is not of the future
	return clock.Judge(moment(), kernelSynced(adjtimex), last)
}

// phaseLimit is the greatest error that the kernel knows, in microseconds (NTP_PHASE_LIMIT in
// include/linux/timex.h): from there on it calls the clock not synchronised.
const phaseLimit = 16_000_000

// kernelSynced asks the kernel by adjtimex(2). BusyBox ntpd up to 1.36 clears the flag at each of
// its questions without saying how good the clock is; the kernel sets it again within a second.
func kernelSynced(adjtimex func(*unix.Timex) (int, error)) bool {
	var t unix.Timex
	state, err := adjtimex(&t)
	return err == nil && state != unix.TIME_ERROR && t.Status&unix.STA_UNSYNC == 0 && t.Maxerror < phaseLimit
}

// Two readings of the clocks count as one moment if not more than together passed between them.
const (
	together = 100 * time.Millisecond
	tries    = 10 // of a machine that is so busy, before the last one is taken
)

// moment reads both clocks.
func moment() (m clock.Moment) {
	for range tries {
		before := sinceBoot()
		m = clock.Moment{Wall: time.Now().Round(0), Boot: sinceBoot()}
		if m.Boot-before < together {
			break
		}
	}
	return m
}

// sinceBoot is a time that nobody can set, and that goes on while the router sleeps.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // a kernel before Linux 2.6.39: no event counts, no offer expires
	}
	return time.Duration(t.Nano())
}

// ntp records what the NTP daemon says, for /etc/hotplug.d/ntp. It runs as root.
func ntp(e env, args []string) error {
	f := newFlags(e, "ntp")
	record := f.String("file", ntpFile, "where the daemon finds it")
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	event, err := clock.NewEvent(words[0], words[1], clock.Moment{}) // its time is that of its record
	if err != nil {
		return usageError{err}
	}
	return keepEvent(*record, event)
}

// keepEvent makes the event of now the last one. A reader finds the one before or this one, whole.
// It makes the folder if need be, for an event that comes before the service's first start.
func keepEvent(path string, event clock.Event) error {
	dir := filepath.Dir(path)
	defer unix.Umask(unix.Umask(0o022)) // the daemon's user must be able to read it
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	// Two events may come at once. Nobody else may be able to hold this lock.
	lock, err := os.OpenFile(path+".lock", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	event.At = moment()
	if !event.Replaces(lastEvent(path)) {
		return nil
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, event.Append(nil), 0o644); err != nil {
		return err
	}
	return os.Rename(temp, path)
}

// lastEvent reads the record; nil if there is none, or none that can be read. It never waits, whatever
// is there.
func lastEvent(path string) *clock.Event {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	b := make([]byte, clock.MaxRecord+1)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	event, err := clock.Parse(b[:n])
	if err != nil {
		return nil
	}
	return &event
}
