// SPDX-License-Identifier: Apache-2.0

// Package history keeps the newest events in a file, so that a restart of the daemon does not lose them.
//
// The file belongs into a folder in RAM: it is written while strangers knock, which flash would not
// bear for long, and a reboot may forget it.
//
// It is not meant for other programs.
package history

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/replace"
)

// File is the path of the file.
type File string

const (
	// maxSize is how large the file gets, in bytes: the 1313 events that the daemon keeps have room
	// if they have 399 each. If they are longer, the oldest are left out.
	maxSize = 512 << 10

	// usualSize is what most events have at least, in bytes.
	usualSize = 240

	// head begins the first line; behind it stands startedAt. Each of the other lines is an event as JSON.
	head = "latchkey events 1"

	// slack is by how many seconds startedAt may differ from itself although nobody set the clock.
	slack = 2

	// maxNumber is the highest number of an event that every reader of JSON takes for an integer.
	maxNumber = 1<<53 - 1
)

// startedAt is when the router started by its clock, in seconds since 1970: it changes when somebody
// sets the clock.
func startedAt() int64 {
	var up unix.Timespec
	if unix.ClockGettime(unix.CLOCK_BOOTTIME, &up) != nil {
		return 0
	}
	return time.Now().Unix() - int64(up.Sec)
}

// setSince returns by how much the clock was set since a file with this first line was written, and
// whether the line is ours. 0.1.0 did not write when the router started.
func setSince(line string) (set time.Duration, ours bool) {
	if line == head {
		return 0, true
	}
	word, ours := strings.CutPrefix(line, head+" ")
	then, err := strconv.ParseInt(word, 10, 64)
	if by := startedAt() - then; by > slack || by < -slack {
		set = time.Duration(by) * time.Second
	}
	return set, ours && err == nil
}

// Read returns the events that were written last, oldest first; none if there is no file. Their times
// are those of the present clock, also if it was set since then. A file that
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
	file, err := os.Open(string(f))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxSize)
	lines.Split(whole)
	lines.Scan()
	set, ours := setSince(lines.Text())
	if !ours {
		return nil, fmt.Errorf("%s is damaged, or of another version", f)
	}
	list := make([]control.Event, 0, info.Size()/usualSize)
	var last uint64
	for lines.Scan() {
		var e control.Event
		if err := control.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("%s is damaged: line %d: %w", f, len(list)+2, err)
		}
		if e.Number <= last || e.Number > maxNumber || e.Kind == "" {
			return nil, fmt.Errorf("%s is damaged: line %d: event %d behind event %d", f, len(list)+2, e.Number, last)
		}
		last = e.Number
		e.Shift(set)
		list = append(list, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s is damaged: line %d: %w", f, len(list)+2, err)
	}
	return list, nil
}

// whole splits a text into its lines, each of which must have an end (bufio.SplitFunc).
func whole(text []byte, atEnd bool) (advance int, line []byte, err error) {
	if end := bytes.IndexByte(text, '\n'); end >= 0 {
		return end + 1, text[:end], nil
	}
	if atEnd && len(text) > 0 {
		return 0, nil, io.ErrUnexpectedEOF
	}
	return 0, nil, nil
}

// Write puts events in the place of those that were written before, at once: whoever reads meanwhile
// sees the old ones or the new ones.
//
// The events are written one by one: all of them at once, every few seconds, would be more than all else that the
// daemon keeps in memory.
func (f File) Write(list []control.Event) error {
	var line []byte
	begin := fmt.Appendf(nil, "%s %d\n", head, startedAt())
	first, size := len(list), len(begin)
	for first > 0 {
		line = appendLine(line[:0], &list[first-1])
		if size += len(line); size > maxSize {
			break
		}
		first--
	}
	return replace.File(string(f), func(file *os.File) error {
		w := bufio.NewWriter(file) // which keeps the first error
		w.Write(begin)
		for i := range list[first:] {
			line = appendLine(line[:0], &list[first+i])
			w.Write(line)
		}
		return w.Flush() // not synced: nothing here survives a power failure
	})
}

func appendLine(b []byte, e *control.Event) []byte { return append(control.Append(b, e), '\n') }
