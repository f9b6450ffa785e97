// SPDX-License-Identifier: Apache-2.0

package daemon

import (
	"fmt"
	"math"
	"runtime/debug"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
)

// reportRoom reports when the book has little room left: once, until half of it is free again.
func (d *Daemon) reportRoom(now time.Time) {
	d.limitMemory()
	switch in, most := d.book.Room(); {
	case d.reportedFull:
		d.reportedFull = 2*in >= most
	case config.NearlyFull(in, most):
		d.reportedFull = true
		d.events.add(now, control.Event{
			Kind: trouble, Detail: fmt.Sprintf("%d of %d grants are in use: when there are no more, knocks open nothing until one ends", in, most),
		})
	}
}

// grantMemory is by how many bytes a grant moves the limit of memory: itself takes a third of them.
const grantMemory = 1024

// limitMemory moves the limit that the program was started with (GOMEMLIMIT), if any, with the number of grants: near
// it, the collector works all the time.
func (d *Daemon) limitMemory() {
	in, _ := d.book.Room()
	more := in / 1024 * 1024 * grantMemory
	if more == d.grantBytes {
		return
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		debug.SetMemoryLimit(limit + int64(more-d.grantBytes))
	}
	d.grantBytes = more
}
