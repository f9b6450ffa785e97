// SPDX-License-Identifier: Apache-2.0

// Package history keeps the newest events in a file, so that a restart of the daemon does not lose them.
//
// The file belongs into a folder in RAM: it is written while strangers knock, which flash would not
// bear for long, and a reboot may forget it.
package history

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/latchkey/latchkey/pkgs/control"
)

// File is the path of the file.
type File string

const (
	// maxSize is how large the file gets, in bytes: 256 events of 250 have room twice. If they are
	// longer, the oldest are left out.
	maxSize = 128 << 10

	// head is the first line. Each of the others is an event as JSON.
	head = "latchkey events 1\n"

	// maxNumber is the highest number of an event that every reader of JSON takes for an integer.
	maxNumber = 1<<53 - 1
)

// Read returns the events that were written last, oldest first; none if there is no file. A file that
// this package did not write is an error, and is replaced by the next Write.
func (f File) Read() ([]control.Event, error) {
	info, err := os.Lstat(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return nil, fmt.Errorf("%s is no regular file of up to %d bytes", f, maxSize)
	}
	text, err := os.ReadFile(string(f))
	if err != nil {
		return nil, err
	}
	rest, ours := bytes.CutPrefix(text, []byte(head))
	if !ours || len(rest) > 0 && rest[len(rest)-1] != '\n' {
		return nil, fmt.Errorf("%s is damaged, or of another version", f)
	}
	var list []control.Event
	var last uint64
	for line := range bytes.Lines(rest) {
		var e control.Event
		if err := control.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("%s is damaged: line %d: %w", f, len(list)+2, err)
		}
		if e.Number <= last || e.Number > maxNumber || e.Kind == "" {
			return nil, fmt.Errorf("%s is damaged: line %d: event %d behind event %d", f, len(list)+2, e.Number, last)
		}
		last = e.Number
		list = append(list, e)
	}
	return list, nil
}

// Write puts events in the place of those that were written before, at once: whoever reads meanwhile
// sees the old ones or the new ones.
func (f File) Write(list []control.Event) error {
	lines := make([][]byte, len(list))
	first, size := len(list), len(head)
	for first > 0 {
		line := append(control.Marshal(list[first-1]), '\n')
		if size += len(line); size > maxSize {
			break
		}
		first--
		lines[first] = line
	}
	text := append([]byte(head), bytes.Join(lines[first:], nil)...)
	fresh := string(f) + ".new"
	if err := os.WriteFile(fresh, text, 0o600); err != nil { // not synced: nothing here survives a power failure
		return err
	}
	return os.Rename(fresh, string(f))
}
