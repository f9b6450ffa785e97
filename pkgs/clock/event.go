// SPDX-License-Identifier: Apache-2.0

package clock

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What an NTP daemon may say. The words are those of the script of BusyBox ntpd (-S), from where
// OpenWrt hands them to /etc/hotplug.d/ntp.
const (
	Step     = "step"     // it set the clock
	Stratum  = "stratum"  // it follows another time server now, or one at last
	Periodic = "periodic" // 11 minutes without another event
	Unsynced = "unsync"   // no server has answered the last 8 questions
)

// apart is how long "periodic" comes at least after another event: really it is 11 minutes.
const apart = 10 * time.Minute

// Unsynchronised is the stratum of a clock that follows no server (RFC 5905, MAXSTRAT).
const Unsynchronised = 16

// MaxRecord bounds what Append writes, in bytes.
const MaxRecord = 64

// Event is what an NTP daemon said, and when.
type Event struct {
	Action  string
	Stratum int // of the router's clock, 1 to Unsynchronised
	At      Moment
}

// NewEvent takes an event in the words of the NTP daemon.
func NewEvent(action, stratum string, at Moment) (Event, error) {
	n, err := strconv.Atoi(stratum)
	switch {
	case action != Step && action != Stratum && action != Periodic && action != Unsynced:
		return Event{}, fmt.Errorf("action %q is none of step, stratum, periodic and unsync", action)
	case err != nil || n < 1 || n > Unsynchronised:
		return Event{}, fmt.Errorf("stratum %q is not a number from 1 to %d", stratum, Unsynchronised)
	}
	return Event{action, n, at}, nil
}

// Replaces reports whether it is to be kept in the place of the last one, nil if there is none.
//
// BusyBox ntpd calls itself unsynchronised when it steps, and reports its stratum after the next
// answer, so a step alone says nothing yet. And it does not wait for its script: "periodic" and
// "unsync" may come at the same time, in either order, and then the second is meant.
func (e Event) Replaces(last *Event) bool {
	if e.Action == Step && e.Stratum == Unsynchronised {
		return false
	}
	if e.Action != Periodic || last == nil {
		return true
	}
	age := e.At.Boot - last.At.Boot
	return age < 0 || age >= apart
}

// Right reports whether it says that the clock is right.
func (e Event) Right() bool { return e.Action != Unsynced && e.Stratum < Unsynchronised }

// Append adds the event to b as a record: one line, with the nanoseconds since the router's start
// and those since 1970.
func (e Event) Append(b []byte) []byte {
	return fmt.Appendf(b, "%s %d %d %d\n", e.Action, e.Stratum, e.At.Boot.Nanoseconds(), e.At.Wall.UnixNano())
}

// Parse reads a record.
func Parse(record []byte) (Event, error) {
	line, whole := strings.CutSuffix(string(record), "\n")
	words := strings.Split(line, " ")
	if !whole || len(words) != 4 || len(record) > MaxRecord {
		return Event{}, fmt.Errorf("event %q is not a line of action, stratum and two times", record)
	}
	boot, err := strconv.ParseInt(words[2], 10, 64)
	if err != nil || boot < 0 {
		return Event{}, fmt.Errorf("event's time since the start %q is not a number of nanoseconds", words[2])
	}
	wall, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return Event{}, fmt.Errorf("event's time since 1970 %q is not a number of nanoseconds", words[3])
	}
	return NewEvent(words[0], words[1], Moment{time.Unix(0, wall), time.Duration(boot)})
}
