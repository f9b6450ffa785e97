// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// writes counts how often a file was replaced, by renaming another one to its name: on a router each time
// wears its flash.
type writes struct {
	watch *os.File
	n     atomic.Int64
}

// countWrites begins to count those of a file in a folder (inotify(7)).
func countWrites(folder, file string) (*writes, error) {
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("count writes: %w", err)
	}
	w := &writes{watch: os.NewFile(uintptr(fd), "inotify")}
	if _, err := unix.InotifyAddWatch(fd, folder, unix.IN_MOVED_TO); err != nil {
		return nil, fmt.Errorf("count writes in %s: %w", folder, err)
	}
	go w.read(file)
	return w, nil
}

func (w *writes) read(file string) {
	b := make([]byte, 64<<10)
	for {
		n, err := w.watch.Read(b)
		if err != nil {
			return
		}
		for at := 0; at+unix.SizeofInotifyEvent <= n; {
			event := (*unix.InotifyEvent)(unsafe.Pointer(&b[at]))
			name := b[at+unix.SizeofInotifyEvent : at+unix.SizeofInotifyEvent+int(event.Len)]
			if string(bytes.TrimRight(name, "\x00")) == file {
				w.n.Add(1)
			}
			at += unix.SizeofInotifyEvent + int(event.Len)
		}
	}
}

func (w *writes) number() int { return int(w.n.Load()) }
