// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
	"github.com/latchkey/latchkey/pkgs/knock"
)

// What the names of knocks begin with.
const (
	sequencePrefix = "sequence "
	messagePrefix  = "message "
)

// level is how much an event matters to a log.
func level(e control.Event) config.Level {
	switch e.Kind {
	case trouble:
		return config.LevelError
	case refused, pending, broken:
		if !e.Usual {
			return config.LevelWarn
		}
	case attempt:
		return config.LevelDebug
	}
	return config.LevelInfo
}

// Log calls write, never twice at once, for every event of this run that matters enough by the
// configuration's log level, until ctx has ended and all were written. It is called as soon as a door
// opens: what comes later of the same press of a button is no line of its own. Of more events at once than are kept
// it says how many were left out.
func (d *Daemon) Log(ctx context.Context, write func(config.Level, control.Event)) {
	var writing sync.Mutex
	log := func(e control.Event) {
		if l := level(e); l >= config.Level(d.logLevel.Load()) {
			writing.Lock()
			defer writing.Unlock()
			write(l, e)
		}
	}
	var lists sync.WaitGroup
	for _, list := range []*events{d.events, d.attempts} {
		last := list.former
		each := func(e control.Event) error {
			if n := e.Number - last - 1; n > 0 {
				log(control.Event{Kind: trouble, Time: e.Time, Detail: fmt.Sprintf("%d events before the next one are not listed: there were too many at once", n)})
			}
			last = e.Number
			log(e)
			return nil
		}
		lists.Go(func() { list.follow(ctx, last, each) })
	}
	lists.Wait()
}

// knockName says how somebody knocked, in the words of the configuration.
func knockName(r knock.Request) string {
	switch r.Kind {
	case knock.KindSequence:
		return sequencePrefix + r.Name
	case knock.KindMessage:
		return messagePrefix + string(r.Carrier)
	}
	return string(r.Kind)
}

// explainGivenUp explains a knock that its detector gave up.
func explainGivenUp(f knock.Finding) string {
	if f.Fault != nil {
		return f.Fault.Error()
	}
	switch f.Reason {
	case knock.TripWire:
		if f.Whole {
			return "every step was right, but a packet to a neighbour of a step's port came shortly before: knock once more"
		}
		return fmt.Sprintf("after %d right steps a packet to a neighbour of a step's port: looks like a port scan", f.Step)
	case knock.WrongOrder:
		return fmt.Sprintf("after %d right steps a packet to the port of another step", f.Step)
	case knock.TooSlow:
		return fmt.Sprintf("only %d steps came within the time window", f.Step)
	case knock.BadMessage:
		return "the message was damaged or forged"
	case knock.UnknownKey:
		return "no client has this key"
	case knock.NotAllowed:
		return "the knock asks for more than a door"
	}
	return ""
}

// explainSkew explains a difference between a sender's clock and ours.
func explainSkew(skew time.Duration) string {
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	return fmt.Sprintf("the client's clock is %s %s the router's", formatTime(skew.Abs()), direction)
}

// timeUnits are those of formatTime.
var timeUnits = [...]struct {
	long time.Duration
	name string
}{{365 * 24 * time.Hour, "year"}, {24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}}

// formatTime writes a time as people say it, in its two largest units: "3 days 4 hours". Years are enough alone.
func formatTime(d time.Duration) string {
	var words []string
	left := d.Round(time.Second)
	for _, u := range timeUnits {
		n := left / u.long
		left %= u.long
		if n > 0 {
			words = append(words, fmt.Sprintf("%d %s", n, u.name))
		}
		if n > 1 {
			words[len(words)-1] += "s"
		}
		if len(words) == 2 || len(words) == 1 && (n == 0 || u.name == "year") {
			break
		}
	}
	if words == nil {
		return "0 seconds"
	}
	return strings.Join(words, " ")
}

// closing is what fails when the firewall ends no grant, though it may take others.
const closing = "firewall, closing"

// reportClosed reports grants that were closed, and ends their sessions if their doors have the option cut.
func (d *Daemon) reportClosed(now time.Time, grants []door.Grant, why string) {
	d.reportEnded(now, closed, grants, why, d.byOption)
}

// reportSets reports doors whose sets came or went in the firewall. reportBroken reports sets of the wrong
// kind.
func (d *Daemon) reportSets(now time.Time, found []string, unserved []door.Unserved) {
	for _, name := range found {
		d.events.add(now, control.Event{Kind: ready, Door: name, Detail: "the firewall has its sets"})
	}
	for _, u := range unserved {
		if errors.Is(u.Reason, door.ErrPending) {
			d.events.add(now, control.Event{Kind: pending, Door: u.Door, Detail: "the firewall has no set for this door: it opens as soon as there is one"})
		}
	}
}

// reportFailure reports what failed when that begins, changes or ends, but not each time it is tried.
func (d *Daemon) reportFailure(now time.Time, what string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text == d.failing[what] {
		return
	}
	d.failing[what] = text
	if text == "" {
		text = "works again"
	}
	d.events.add(now, control.Event{Kind: trouble, Detail: what + ": " + text})
}

// reportUsedUp reports lists that have no sequence left.
func (d *Daemon) reportUsedUp(now time.Time) {
	for _, s := range d.policy.cfg.Sequences {
		if len(s.Once) > 0 && !slices.ContainsFunc(s.Once, func(text string) bool { return !d.sys.Memory.Used(text) }) {
			d.events.add(now, control.Event{
				Kind: trouble, Knock: sequencePrefix + s.Name, Reason: string(knock.UsedUp),
				Detail: "every sequence of the list was used: nobody can knock with it any more",
			})
		}
	}
}
