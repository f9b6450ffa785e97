// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// Devices returns of how many devices something is remembered, which must not grow with every reload.
func Devices(d *Daemon) int { return len(d.devices) }

// MaxCounts is how many counts there are at the most.
const MaxCounts = maxCounts

// Counted returns how events are counted.
func Counted(list []control.Event) []control.Count {
	l := newEvents(time.Now())
	for _, e := range list {
		l.add(l.start, e)
	}
	var s control.Status
	l.tell(&s)
	return s.Counts
}
