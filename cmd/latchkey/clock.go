// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// written returns when a file of the folder was written last, the zero time if there is none.
func (h home) written() (last time.Time) {
	entries, _ := os.ReadDir(string(h)) // who needs what cannot be read reports it
	for _, entry := range entries {
		info, err := os.Stat(filepath.Join(string(h), entry.Name()))
		if err == nil && info.ModTime().After(last) {
			last = info.ModTime()
		}
	}
	return last
}

// warnOfClock says why this machine's clock seems to be wrong; "" = it does not. A router takes no message
// whose time differs from its own clock by more than 90 s.
func warnOfClock(now, written time.Time) string {
	const (
		slack   = time.Minute // file systems of other machines
		longAgo = 5 * 365 * 24 * time.Hour
	)
	begin := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC) // Latchkey is younger than that
	reason := ""
	switch {
	case now.Before(begin):
		reason = "which is over"
	case written.IsZero():
	case now.Add(slack).Before(written):
		reason = fmt.Sprintf("but latchkey's files are of %s", written.UTC().Format(time.DateTime))
	case now.Sub(written) > longAgo:
		reason = fmt.Sprintf("but latchkey's newest file is of %d", written.Year())
	}
	if reason == "" {
		return ""
	}
	return fmt.Sprintf("this machine's clock says %s UTC, %s: routers refuse knocks of a wrong clock (stale), so set it",
		now.UTC().Format(time.DateTime), reason)
}
