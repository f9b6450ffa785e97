// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// siege is a flood that goes on until it is ended.
type siege struct {
	end   func()
	sent  atomic.Int64 // packets so far
	ended chan error
}

// lay begins a flood.
func (r *rig) lay(f flood, h *household, rate float64) *siege {
	ctx, end := context.WithCancel(context.Background())
	s := &siege{end: end, ended: make(chan error, 1)}
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	next := f.load(random, h)
	go func() {
		s.ended <- traffic.From("neighbour", func(out traffic.Socket) error {
			_, err := out.Flood(ctx, random, func(random *rand.Rand) []byte {
				s.sent.Add(1)
				return next(random)
			}, rate)
			return err
		})
	}()
	return s
}

// raise ends it.
func (s *siege) raise() error {
	s.end()
	return <-s.ended
}

// How long a flood lasts before it is measured, and each of the measurements of its price. Memory of
// strangers is for 5 s: what grows has grown when honest knocks begin.
const (
	settle  = 300 * time.Millisecond
	window  = 500 * time.Millisecond
	windows = 4
)

// assault is what was measured of a flood.
type assault struct {
	rate        float64         // offered, per second
	cost        []time.Duration // CPU per packet in each window
	core        []float64       // share of a CPU in each window
	wakes       []float64       // per packet in each window
	honest, of  int             // honest knocks that opened, of how many
	rest, after lab.Memory
	peak        lab.Memory // of the samples during it
}

// assail measures a candidate while strangers flood: first its price alone, then honest knocks.
func (r *rig) assail(c *candidate, h *household, f flood, rate float64, n int) (a assault, err error) {
	collect()
	next, err := c.prepare(r, h, n+warmUps)
	if err != nil {
		return a, err
	}
	daemon, err := r.begin(c, h)
	if err != nil {
		return a, err
	}
	defer daemon.stop()
	if err := r.onPhone(func(p *phone) error { return p.warmUp(r, c.knock, next) }); err != nil {
		return a, errors.Join(err, daemon.logEnd())
	}
	a.rest, a.of = daemon.memory(), n
	s := r.lay(f, h, rate)
	time.Sleep(settle)
	begin, first := time.Now(), s.sent.Load()
	for range windows {
		before, sent := daemon.usage(), s.sent.Load()
		time.Sleep(window)
		after, packets := daemon.usage(), s.sent.Load()-sent
		a.cost = append(a.cost, (after.cpu-before.cpu)/time.Duration(max(packets, 1)))
		a.core = append(a.core, float64(after.cpu-before.cpu)/float64(after.at.Sub(before.at)))
		a.wakes = append(a.wakes, float64(after.wakes-before.wakes)/float64(max(packets, 1)))
		a.peak = larger(a.peak, daemon.memory())
	}
	err = r.onPhone(func(p *phone) error {
		opened, err := p.play(r.crowd(p, c.knock, next, n), time.Millisecond, 0)
		a.honest = len(opened)
		return err
	})
	a.peak = larger(a.peak, daemon.memory())
	a.rate = float64(s.sent.Load()-first) / time.Since(begin).Seconds()
	err = errors.Join(err, s.raise())
	a.after = daemon.memory()
	return a, err
}

// crowd makes n knocks that begin at random times, ten in a second.
func (r *rig) crowd(p *phone, k knock, next knocks, n int) (list []*press) {
	for range n {
		from := r.sender()
		list = append(list, p.newPress(k, next(from), from, p.between(0, time.Duration(n)*100*time.Millisecond)))
	}
	return list
}

func larger(a, b lab.Memory) lab.Memory {
	return lab.Memory{Resident: max(a.Resident, b.Resident), Own: max(a.Own, b.Own)}
}
