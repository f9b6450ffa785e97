// SPDX-License-Identifier: Apache-2.0

// Package clock says whether a router's wall clock is right, and who says so.
//
// Two witnesses are heard: the NTP daemon's events (event.go), and the kernel's own flag. The flag
// alone is not enough on OpenWrt: BusyBox ntpd up to 1.36 keeps the time without ever telling the
// kernel how good it is, so the kernel goes on saying that its clock is not synchronised.
//
// The package reads no clock and no file: times and events are arguments.
//
// It is not meant for other programs.
package clock

import "time"

const (
	// Patience is how long an event counts. BusyBox ntpd sends one at least every 11 minutes, so
	// by then three in a row did not come.
	Patience = 40 * time.Minute

	// Slack is by how much the wall clock and the boot clock may part before somebody must have
	// set the wall clock. Slewing (at most 500 ppm, so 1.2 s in all that time) moves both alike on
	// Linux, even so it has room here; a leap second takes 1 s.
	Slack = 2 * time.Second
)

// Moment is one moment by two clocks.
type Moment struct {
	Wall time.Time     // by the clock that is to be judged
	Boot time.Duration // since the start of the router (CLOCK_BOOTTIME), which nobody can set
}

// Reason is why a clock counts as right or does not: a word for programs.
type Reason string

// Why a clock is right …
const (
	NTP    Reason = "ntp"    // NTP's last event says so
	Kernel Reason = "kernel" // the kernel says so, and NTP's events do not say otherwise
	Given  Reason = "given"  // whoever started the program says so; also why it is not
)

// … and why it is not.
const (
	Unset  Reason = "unset"  // nobody has said that it is since the router started
	Unsync Reason = "unsync" // NTP's last event says that no time server answers
	Silent Reason = "silent" // NTP said that it is, but not lately
	Moved  Reason = "moved"  // NTP said that it is, and since then something else set it
)

// Verdict is whether a clock is right.
type Verdict struct {
	Right  bool
	Reason Reason
	Since  time.Time // NTP's last event, by the wall clock of now; zero if there is none
}

// Judge says whether the wall clock is right now. kernel is what the kernel says (its own bound on
// the error is below 16 s); last is NTP's last event, nil if there is none that can be read.
//
// A fresh event outweighs the kernel: its flag may stand for hours after the last time server fell
// silent. Without one the kernel decides, as where chrony keeps the time.
func Judge(now Moment, kernel bool, last *Event) Verdict {
	v := judge(now, last)
	if kernel && v.Reason != NTP && v.Reason != Unsync {
		return Verdict{Right: true, Reason: Kernel}
	}
	return v
}

// judge hears NTP only.
func judge(now Moment, last *Event) Verdict {
	if last == nil || last.At.Boot > now.Boot { // of another start of the router
		return Verdict{Reason: Unset}
	}
	age := now.Boot - last.At.Boot
	v := Verdict{Since: now.Wall.Add(-age)}
	switch {
	case age > Patience:
		v.Reason = Silent
	case !last.Right():
		v.Reason = Unsync
	case now.Wall.Sub(last.At.Wall.Add(age)).Abs() > Slack:
		v.Reason = Moved
	default:
		v.Right, v.Reason = true, NTP
	}
	return v
}
