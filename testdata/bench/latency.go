// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"os"
	"path/filepath"
	"time"
)

// probe is the time between SYNs to the door, far below every latency.
const probe = 20 * time.Microsecond

// longestPause is the longest time between two knocks of a trial; the pauses are random.
const longestPause = 200 * time.Millisecond

// latencies measures how long knocks take to open, and what the disk alone takes between them.
func (b *bench) latencies(c *candidate) error {
	f := figure{Row: rowLatency, Candidate: c.name, Knock: c.kind}
	return b.during(c, b.house, b.want.n, func(d *process, p *phone, next knocks) error {
		opened, disk, err := b.alone(c, p, next, b.want.n)
		b.out.add(f, whatLatency, "s", seconds(opened))
		b.out.add(f, whatDisk, "s", seconds(disk))
		b.out.count(f, whatOpened, "knocks", len(opened), b.want.n)
		return err
	})
}

// during calls f while a candidate serves a household, with n knocks.
func (b *bench) during(c *candidate, h *household, n int, f func(d *process, p *phone, next knocks) error) error {
	collect()
	next, err := c.prepare(b.rig, h, n+warmUps)
	if err != nil {
		return err
	}
	d, err := b.begin(c, h)
	if err != nil {
		return err
	}
	defer d.stop()
	return b.onPhone(func(p *phone) error {
		if err := p.warmUp(b.rig, c.knock, next); err != nil {
			return errors.Join(err, d.logEnd())
		}
		return f(d, p, next)
	})
}

// alone knocks n times, with pauses, and while no stranger sends anything.
func (b *bench) alone(c *candidate, p *phone, next knocks, n int) (opened, disk []time.Duration, err error) {
	for range n {
		time.Sleep(p.between(0, longestPause))
		from := b.sender()
		times, err := p.play([]*press{p.newPress(c.knock, next(from), from, 0)}, probe, probe)
		if err != nil {
			return nil, nil, err
		}
		opened = append(opened, times...)
		if c.durable && c.name == ours {
			time.Sleep(p.between(0, longestPause)) // a disk that is kept busy is faster
			begin := time.Now()
			if err := replace(filepath.Join(b.dir, "disk"), make([]byte, 100)); err != nil {
				return nil, nil, err
			}
			disk = append(disk, time.Since(begin))
		}
	}
	return opened, disk, nil
}

// replace is what latchkeyd does before it opens a door for a message, so that the message cannot be used
// again after a power cut: it replaces a small file as rename(2) and fsync(2) want it: file, name, folder.
func replace(path string, text []byte) error {
	f, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, err := f.Write(text); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return folder.Sync()
}
