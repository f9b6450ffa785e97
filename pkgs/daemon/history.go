// SPDX-License-Identifier: Apache-2.0

package daemon

import "github.com/latchkey/latchkey/pkgs/control"

// History keeps the newest events over a restart of the daemon. It may forget them with a reboot.
type History interface {
	// Read returns what was written last, oldest first, nothing if nothing was.
	Read() ([]control.Event, error)
	// Write replaces that.
	Write(list []control.Event) error
}

// restoreEvents brings back what a former run of the daemon reported.
func (d *Daemon) restoreEvents() {
	if d.sys.History == nil {
		return
	}
	list, err := d.sys.History.Read()
	if err != nil {
		d.events.add(d.start, control.Event{Kind: trouble, Detail: "the events from before the restart are lost: " + err.Error()})
		return
	}
	d.events.restore(list)
}

// saveEvents saves what changed, at the end of the daemon or when it is time: at most every 5 s, and
// as it is called at least that often, at the latest 10 s after an event.
func (d *Daemon) saveEvents(end bool) {
	now := d.sys.Now()
	list, is := d.events.toSave(now, end)
	if !is || d.sys.History == nil {
		return
	}
	err := d.sys.History.Write(list)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.reportFailure(now, "events", err)
}
