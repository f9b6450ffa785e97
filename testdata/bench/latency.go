// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"time"
)

// The time between SYNs to the door: far below every latency, and without sleeping in between, since who sleeps
// takes longer to wake up than a knock to open. But where a knock waits for the disk, whoever keeps a CPU busy
// keeps the kernel's threads for the disk from it: there is a pause, which is short beside the disk's time.
const (
	probe       = 20 * time.Microsecond
	patientStep = 200 * time.Microsecond
)

// longestPause is the longest time between two knocks of a trial; the pauses are random.
const longestPause = 200 * time.Millisecond

// latencies measures how long knocks take to open, and what the disk alone takes between them.
func (b *bench) latencies(c *candidate) error {
	f := figure{Row: rowLatency, Candidate: c.name, Knock: c.kind}
	return b.during(c, b.house, b.want.n, func(d *process, p *phone, next knocks) error {
		t, err := b.alone(c, p, next, b.want.n)
		b.out.add(f, whatLatency, "s", seconds(t.opened))
		b.out.add(f, whatDisk, "s", seconds(t.disk))
		b.out.add(f, whatBeyond, "s", seconds(t.beyond))
		b.out.count(f, whatOpened, "knocks", len(t.opened), b.want.n)
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

// trials are times of knocks, of the disk, and of each knock less the disk just after it.
type trials struct{ opened, disk, beyond []time.Duration }

// alone knocks n times, with pauses, and while no stranger sends anything. Of knocks that wait for the disk it
// measures that, too, each time.
func (b *bench) alone(c *candidate, p *phone, next knocks, n int) (t trials, err error) {
	step, spin := probe, probe
	if c.durable && c.name == ours {
		step, spin = patientStep, 0
		disk := b.useDisk()
		defer disk.stop()
		defer func() { err = errors.Join(err, disk.err) }()
		for range n {
			took, ok, err := b.one(c, p, next, step, spin)
			if err != nil {
				return t, err
			}
			time.Sleep(p.between(0, longestPause)) // a disk that is kept busy is faster
			alone, err := p.watch(disk, step, b.sender())
			if err != nil {
				return t, err
			}
			t.disk = append(t.disk, alone)
			if ok {
				t.opened, t.beyond = append(t.opened, took), append(t.beyond, took-alone)
			}
		}
		return t, nil
	}
	for range n {
		took, ok, err := b.one(c, p, next, step, spin)
		if err != nil {
			return t, err
		}
		if ok {
			t.opened = append(t.opened, took)
		}
	}
	return t, nil
}

// one knocks once, after a pause, and reports whether it opened.
func (b *bench) one(c *candidate, p *phone, next knocks, step, spin time.Duration) (took time.Duration, ok bool, err error) {
	time.Sleep(p.between(0, longestPause))
	from := b.sender()
	times, err := p.play([]*press{p.newPress(c.knock, next(from), from, 0)}, step, spin)
	if len(times) == 0 {
		return 0, false, err
	}
	return times[0], true, err
}
