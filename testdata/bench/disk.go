// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/testdata/traffic"
)

// disk replaces a small file when it is told, on the daemons' CPU, as latchkeyd does before it opens.
type disk struct {
	path  string
	turns chan struct{}
	ended chan struct{}
	began atomic.Int64 // of the latest turn: nanoseconds of the wall clock, 0 before it
	done  atomic.Bool
	err   error // for after stop
}

// useDisk starts it. It is a thread of its own, as the daemon is: what the sender does meanwhile is the same.
func (r *rig) useDisk() *disk {
	d := &disk{path: filepath.Join(r.dir, "disk"), turns: make(chan struct{}), ended: make(chan struct{})}
	go func() {
		defer close(d.ended)
		runtime.LockOSThread() // and not unlocked: the thread ends with its CPU
		var one unix.CPUSet
		one.Set(r.cpus.daemon)
		d.err = unix.SchedSetaffinity(0, &one)
		for range d.turns {
			d.began.Store(time.Now().UnixNano())
			d.err = errors.Join(d.err, replace(d.path, make([]byte, stateSize)))
			d.done.Store(true)
		}
	}()
	return d
}

// stop ends it.
func (d *disk) stop() {
	close(d.turns)
	<-d.ended
}

// watch has the disk take its turn, and sends SYNs to the door meanwhile, as play does for a knock. The time is
// from its begin to the first SYN that is sent after it: that one would have been let in.
func (p *phone) watch(d *disk, step time.Duration, from netip.Addr) (time.Duration, error) {
	d.began.Store(0)
	d.done.Store(false)
	d.turns <- struct{}{}
	source, first := netip.AddrPortFrom(from, traffic.AnyPort(p.random)), p.random.Uint32()
	for end := time.Now().Add(10 * patience); time.Now().Before(end); first++ {
		now, done := time.Now().UnixNano(), d.done.Load()
		if err := p.out.Send(traffic.SYN(source, to(doorPort), first)); err != nil {
			return 0, err
		}
		if done {
			return time.Duration(now - d.began.Load()), nil
		}
		p.drain()
		traffic.Sleep(step)
	}
	return 0, errors.New("the disk took longer than 10 s")
}

// stateSize is about what latchkeyd's file has for a household of the bench, in bytes.
const stateSize = 500

// replace is what latchkeyd does before it opens a door for a message, so that the message cannot be used
// again after a power cut: it replaces a small file as rename(2) and fsync(2) want it: file, name, folder.
func replace(path string, text []byte) error {
	temp := path + ".new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
