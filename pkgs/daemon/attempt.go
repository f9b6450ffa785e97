// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"strconv"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// attempt is the kind of an event that says how somebody failed at a sequence, even if he got no further than
// one step. It is in the log at level debug and in what a Trace reports, never among the events that
// everybody may read.
const attempt = "attempt"

// followLive is for how many senders at once attempts are followed at level debug, in sets of 8: 28 kB.
// More of them push out those who got least far. Their lines in the log are limited as refusals are.
const followLive = 32

// follow returns for how many senders at once attempts are to be followed under a configuration.
func (d *Daemon) follow(cfg *config.Config) int {
	switch {
	case d.sys.trace != nil:
		return followTraced
	case cfg.Main.LogLevel == config.LevelDebug:
		return followLive
	}
	return 0
}

// reportAttempt reports an attempt: a Trace with the ports, the log by the numbers of the steps, since
// others than the owner may read it.
func (d *Daemon) reportAttempt(now time.Time, f knock.Finding) {
	e := control.Event{
		Kind: attempt, Time: f.Attempt.At.Round(0), Address: f.From.String(), Knock: knockName(f.Request), Reason: string(f.Reason),
	}
	if s := d.policy.sequences[f.Name]; s != nil {
		e.Client = s.Client
	}
	if t := d.sys.trace; t != nil {
		e.Detail = attemptText{f, t.format, true}.String()
		t.attempts = append(t.attempts, e)
		return
	}
	e.Detail = attemptText{f, func(t time.Time) string { return t.Format(time.TimeOnly) }, false}.String()
	d.attempts.add(now, e)
}

// attemptText describes an attempt: how far it came and what ended it.
type attemptText struct {
	knock.Finding
	format func(time.Time) string // formats a time; "" = it is not known
	ports  bool                   // whether ports may be named
}

func (a attemptText) String() string {
	return a.before() + a.steps() + a.ending()
}

// before describes the lock that the attempt began in.
func (a attemptText) before() string {
	if a.Attempt.Until.IsZero() {
		return ""
	}
	until := ""
	if t := a.format(a.Attempt.Until); t != "" {
		until = " until " + t
	}
	by := "a neighbour of step " + strconv.Itoa(a.Attempt.Lock.Step)
	if a.ports {
		by = target(a.Attempt.Lock)
	}
	return "locked out by " + by + until + ", then "
}

func (a attemptText) steps() string {
	switch t := a.Attempt; t.Right {
	case t.Steps:
		return "all steps right"
	case 0:
		return fmt.Sprintf("none of %d steps in its turn", t.Steps)
	default:
		return fmt.Sprintf("%d of %d steps", t.Right, t.Steps)
	}
}

func (a attemptText) ending() string {
	t := a.Attempt
	switch {
	case t.End.Step == 0:
		return a.silence()
	case a.Reason == knock.TripWire:
		return ", then " + a.name(t.End, "a neighbour of ")
	case a.Reason == knock.TooSlow:
		return fmt.Sprintf(", then %s came %s after the first step: the time window is %s", a.name(t.End, ""), brief(t.Late), t.Within)
	case a.Reason == knock.WrongProtocol:
		return fmt.Sprintf(", then %s by %s instead of %s", a.name(t.End, ""), t.End.Proto, otherOf(t.End.Proto))
	}
	return fmt.Sprintf(", then %s instead of step %d", a.name(t.End, ""), t.Right+1)
}

// silence describes the end of an attempt that no packet ended.
func (a attemptText) silence() string {
	switch t := a.Attempt; {
	case t.Right == t.Steps && t.Until.IsZero():
		return ", but a neighbour of a step's port was touched before"
	case t.Right == t.Steps:
		return ""
	case t.Last:
		return ", then nothing until the end of the file"
	case t.Lost:
		return ", then so many others tried that it was lost sight of"
	default:
		return fmt.Sprintf(", then nothing within the time window of %s", t.Within)
	}
}

// name names a packet by the step that it is or that it stands beside.
func (a attemptText) name(o knock.Obstacle, role string) string {
	role += "step " + strconv.Itoa(o.Step)
	if a.ports {
		return target(o) + " (" + role + ")"
	}
	return role
}

// target returns what a packet was aimed at, written as in a configuration.
func target(o knock.Obstacle) string {
	if o.Proto == wire.ICMP {
		return "icmp:" + strconv.Itoa(int(o.Port))
	}
	return strconv.Itoa(int(o.Port)) + "/" + o.Proto.String()
}

// otherOf returns the protocol of a step that a packet of this protocol missed.
func otherOf(p wire.Proto) wire.Proto {
	if p == wire.TCP {
		return wire.UDP
	}
	return wire.TCP
}

// brief leaves out what is below a tenth of a second.
func brief(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
