// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// flooding is a flood that goes on until it is ended.
type flooding struct {
	sent  atomic.Int64 // packets so far
	cease context.CancelFunc
	ended chan error
}

// beginFlood begins a flood.
func (r *rig) beginFlood(f flood, h *household, rate float64) *flooding {
	ctx, cease := context.WithCancel(context.Background())
	s := &flooding{cease: cease, ended: make(chan error, 1)}
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	next := f.load(random, h)
	go func() {
		s.ended <- traffic.OnCable(func(out traffic.Socket) error {
			_, err := out.Flood(ctx, random, func(random *rand.Rand) []byte {
				s.sent.Add(1)
				return next(random)
			}, rate)
			return err
		})
	}()
	time.Sleep(settle)
	return s
}

// end ends it, and tells what went wrong with it.
func (s *flooding) end() error {
	s.cease()
	return <-s.ended
}

// settle is how long a flood lasts before anything is measured: longer than any table of strangers that
// came before takes to be full of them, but for knockd's, which has no limit.
const settle = 300 * time.Millisecond

// window is how long each of the measurements of a flood's price is.
const window = 500 * time.Millisecond

// price is what a flood costs while nobody else sends anything.
type price struct {
	cpu   []time.Duration // for each packet
	core  []float64       // share of a CPU
	wakes []float64       // for each packet
	peak  lab.Memory
}

// price measures it in windows one after the other.
func (s *flooding) price(d *process, windows int) (p price) {
	for range windows {
		before, sent := d.usage(), s.sent.Load()
		time.Sleep(window)
		after, packets := d.usage(), max(s.sent.Load()-sent, 1)
		cpu := after.cpu - before.cpu
		p.cpu = append(p.cpu, cpu/time.Duration(packets))
		p.core = append(p.core, float64(cpu)/float64(after.at.Sub(before.at)))
		p.wakes = append(p.wakes, float64(after.wakes-before.wakes)/float64(packets))
		p.peak = larger(p.peak, d.memory())
	}
	return p
}

// note adds them to a report.
func (p price) note(out *report, f figure) {
	out.add(f, whatCPU, "s", seconds(p.cpu))
	out.add(f, whatCore, "CPUs", newSamples(p.core))
	out.add(f, whatWakes, "per packet", newSamples(p.wakes))
}

// underFlood measures a candidate while strangers flood: first its price alone, then honest knocks beside it.
func (b *bench) underFlood(c *candidate, f flood, rate float64) error {
	at := figure{Row: rowFloods, Candidate: c.name, Knock: c.kind, Flood: f.name, Rate: rate}
	return b.during(c, b.house, b.want.n, func(d *process, p *phone, next knocks) error {
		if d != nil && rate > wholeWay {
			if err := b.shorten(); err != nil {
				return err
			}
		}
		rest := d.memory()
		s := b.beginFlood(f, b.house, rate)
		begin, sent := time.Now(), s.sent.Load()
		price := s.price(d, b.windows)
		opened, err := p.play(b.crowd(p, c.knock, next, b.want.n), time.Millisecond, 0)
		peak := larger(price.peak, d.memory())
		offered := float64(s.sent.Load()-sent) / time.Since(begin).Seconds()
		if err := errors.Join(err, s.end()); err != nil {
			return err
		}
		b.out.count(at, whatOpened, "knocks", len(opened), b.want.n)
		b.out.add(at, whatOffered, "packets/s", samples{offered})
		if d == nil {
			return nil
		}
		price.note(b.out, at)
		for what, kB := range map[string]int{whatRest: rest.Resident, whatPeak: peak.Resident, whatAfter: d.memory().Resident,
			whatOwn: rest.Own, whatOwnPeak: peak.Own} {
			b.out.add(at, what, "bytes", samples{float64(kB) * 1024})
		}
		return nil
	})
}

// wholeWay is the rate, in packets per second, up to which the sender's CPU bears all that the router's kernel does
// with a packet: see shorten.
const wholeWay = 100_000

// shorten makes the router drop what does not come from the phone before it is tracked, which takes most of a packet's
// time, but behind the place where daemons read. On a cable of veth all of that time is the sender's.
func (r *rig) shorten() error {
	return lab.Output(lab.On("router", "nft", `table inet bench {
		chain early {
			type filter hook prerouting priority raw
			iifname "wan" ip saddr != { 198.18.0.0/15, 203.0.113.0/24 } drop
		}
	}`))
}

// crowdPause is how far honest knocks beside a flood are from each other, on average.
const crowdPause = 80 * time.Millisecond

// crowd makes n knocks that begin at random times, one after the other in the order in which they were made:
// no device sends a newer message before an older one, and whoever does is refused. See seal.Stamps.
func (b *bench) crowd(p *phone, k knock, next knocks, n int) (list []*press) {
	begins := make([]time.Duration, n)
	for i := range begins {
		begins[i] = p.between(0, time.Duration(n)*crowdPause)
	}
	slices.Sort(begins)
	for _, begin := range begins {
		from := b.sender()
		list = append(list, p.newPress(k, next(from), from, begin))
	}
	return list
}

func larger(a, b lab.Memory) lab.Memory {
	return lab.Memory{Resident: max(a.Resident, b.Resident), Own: max(a.Own, b.Own)}
}
