// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"slices"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/door"
)

// One press of a button knocks over IPv4 and IPv6. Where a door leads somewhere for one of them
// only, the other knock must not look like a failure to the owner of a door that has opened.
const (
	otherFamily = 3 * time.Second // to wait for the knock that opens the door
	maxDeferred = 16              // refusals that wait; more are reported at once
)

// deferred is the refusal of a knock over a family that its doors do not serve.
type deferred struct {
	due    time.Time
	event  control.Event
	client string
	doors  []string
}

// deferRefusal keeps a refusal back, unless the client is in by the other family already: then it is dropped.
func (d *Daemon) deferRefusal(now time.Time, e control.Event, doors []string) {
	isIn := len(d.book.Select(now, func(g *door.Grant) bool {
		return g.Client == e.Client && slices.Contains(doors, g.Door)
	})) > 0
	switch {
	case e.Client == "" || len(d.waiting) == maxDeferred:
		d.events.add(now, e)
	case !isIn:
		d.waiting = append(d.waiting, deferred{now.Add(otherFamily), e, e.Client, doors})
	}
}

// dropDeferred drops the refusals that were deferred for a client who is now in by the other family.
func (d *Daemon) dropDeferred(client, door string) {
	d.waiting = slices.DeleteFunc(d.waiting, func(h deferred) bool {
		return h.client == client && slices.Contains(h.doors, door)
	})
}

// reportDeferred reports the refusals whose time is over.
func (d *Daemon) reportDeferred(now time.Time) {
	for len(d.waiting) > 0 && !now.Before(d.waiting[0].due) {
		d.events.add(now, d.waiting[0].event)
		d.waiting = slices.Delete(d.waiting, 0, 1)
	}
}
