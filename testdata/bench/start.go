// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// starting measures the time from a daemon's start until it has a packet socket, which is the last thing
// that all of them make before they can be knocked at.
func (b *bench) starting(c *candidate, doors int) error {
	h := newHousehold(doors)
	at := figure{Row: rowStart, Candidate: c.name, Knock: c.kind, Doors: doors}
	var ready, cpu []time.Duration
	for range b.starts {
		collect()
		d, err := b.begin(c, h)
		if err != nil {
			return err
		}
		err = b.listening(d)
		ready = append(ready, time.Since(d.began))
		cpu = append(cpu, d.usage().cpu)
		d.stop()
		if err != nil {
			return err
		}
	}
	b.out.add(at, whatReady, "s", seconds(ready))
	b.out.add(at, whatStart, "s", seconds(cpu))
	return nil
}

// listening waits until the router has a packet socket (packet(7): /proc/net/packet has a line for each).
func (b *bench) listening(d *process) error {
	ctx, over := context.WithTimeout(context.Background(), 10*time.Second)
	defer over()
	return lab.Do("router", func() error {
		for {
			list, err := os.ReadFile("/proc/thread-self/net/packet")
			if bytes.Count(list, []byte("\n")) > 1 || err != nil { // the first line is the heading
				return err
			}
			if ctx.Err() != nil {
				return fmt.Errorf("no packet socket within 10 s: %w", d.logEnd())
			}
			traffic.Sleep(200 * time.Microsecond)
		}
	})
}

// weighing measures a program, with the libraries that come along only for it.
func (b *bench) weighing(c *candidate) error {
	path, err := exec.LookPath(c.program())
	if err != nil {
		return err
	}
	files := []string{path}
	linked, _ := exec.Command("ldd", path).Output() // an error says that it needs none
	for line := range strings.Lines(string(linked)) {
		for _, l := range c.libraries {
			if fields := strings.Fields(line); len(fields) > 2 && strings.HasPrefix(fields[0], l+".") {
				files = append(files, fields[2])
			}
		}
	}
	size, packed := 0, 0
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		var small bytes.Buffer
		w, err := gzip.NewWriterLevel(&small, gzip.BestCompression)
		if err != nil {
			return err
		}
		if _, err := w.Write(text); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		size, packed = size+len(text), packed+small.Len()
	}
	at := figure{Row: rowSize, Candidate: c.name}
	b.out.add(at, whatProgram, "bytes", samples{float64(size)})
	b.out.add(at, whatPacked, "bytes", samples{float64(packed)})
	return nil
}
