// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/clock"
)

// ntpFile is where root keeps NTP's last event for the daemon. It must not outlive a reboot, and
// its folder is root's alone: the daemon only reads there.
const ntpFile = "/var/run/latchkey.clock/ntp"

// clockJudge returns what tells whether the clock is right.
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

// givenClock is what a user says of the clock.
func givenClock(how string) (clock.Verdict, error) {
	if how != "synchronised" && how != "free" {
		return clock.Verdict{}, usageError{fmt.Errorf("clock %q is neither synchronised nor free", how)}
	}
	return clock.Verdict{Right: how == "synchronised", Reason: clock.Given}, nil
}

// judgeClock looks at all that can be known of the clock, which takes microseconds. A record that
// cannot be read says nothing.
func judgeClock(adjtimex func(*unix.Timex) (int, error), record string) clock.Verdict {
	var last *clock.Event
	if e, err := readEvent(record); err == nil { // before now, so that it is not of the future
		last = &e
	}
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

func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &t); err != nil {
		return 0 // a kernel before Linux 2.6.39: no event counts
	}
	return time.Duration(t.Nano())
}

// ntp keeps what the NTP daemon says, for /etc/hotplug.d/ntp. It runs as root.
func ntp(e env, args []string) error {
	f := newFlags(e, "ntp")
	record := f.String("file", ntpFile, "where the daemon finds it")
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	event, err := clock.NewEvent(words[0], words[1], moment())
	if err != nil {
		return usageError{err}
	}
	if !event.Tells() {
		return nil
	}
	return keepEvent(*record, event)
}

// keepEvent replaces the record, so that a reader finds the old one or the new one, whole. It makes
// the folder if need be, for an event that comes before the service's first start.
func keepEvent(path string, event clock.Event) error {
	dir := filepath.Dir(path)
	defer unix.Umask(unix.Umask(0o022)) // the daemon's user must be able to read it
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	temp := path + "." + strconv.Itoa(os.Getpid()) // two events may come at once
	err := os.WriteFile(temp, event.Append(nil), 0o644)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp)
	}
	return err
}

// readEvent reads the record. It never waits, whatever is there.
func readEvent(path string) (clock.Event, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return clock.Event{}, err
	}
	defer f.Close()
	b := make([]byte, clock.MaxRecord+1)
	n, err := io.ReadFull(f, b)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return clock.Event{}, err
	}
	return clock.Parse(b[:n])
}
