// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// many is the larger number of doors; the configuration takes 256 of them, and as many clients, of which
// three are of fwknop here.
const many = 200

// manyGrants is the larger number of addresses that a door is open to.
const manyGrants = 10_000

// unrelatedRate is that of traffic which is no knock, in packets per second.
const unrelatedRate = 250_000

// ignoring measures what traffic costs that is no knock, and how often a daemon wakes up by itself.
func (b *bench) ignoring(c *candidate, doors int) error {
	h := newHousehold(doors)
	at := figure{Row: rowUnrelated, Candidate: c.name, Knock: c.kind, Doors: doors}
	return b.during(c, h, 1, func(d *process, _ *phone, _ knocks) error {
		time.Sleep(settle)
		before := d.usage()
		time.Sleep(2 * window)
		after := d.usage()
		long := after.at.Sub(before.at)
		b.out.add(at, whatIdle, "per second", samples{float64(after.wakes-before.wakes) / long.Seconds()})
		b.out.add(at, whatIdleCore, "CPUs", samples{float64(after.cpu-before.cpu) / float64(long)})
		s := b.beginFlood(unrelated, h, unrelatedRate)
		begin, sent := time.Now(), s.sent.Load()
		price := s.price(d, b.windows)
		offered := float64(s.sent.Load()-sent) / time.Since(begin).Seconds()
		at.Flood, at.Rate = unrelated.name, unrelatedRate
		b.out.add(at, whatOffered, "packets/s", samples{offered})
		b.fellShort(at, offered)
		price.note(b.out, at)
		return s.end()
	})
}

// growing measures a flood's price and memory with a number of doors and clients.
func (b *bench) growing(c *candidate, doors int) error {
	h := newHousehold(doors)
	at := figure{Row: rowGrowth, Candidate: c.name, Knock: c.kind, Doors: doors}
	return b.during(c, h, b.want.n, func(d *process, p *phone, next knocks) error {
		memory := d.memory()
		opened, _, err := b.alone(c, p, next, int(b.few()))
		if err != nil {
			return err
		}
		b.out.add(at, whatLatency, "s", seconds(opened))
		b.out.add(at, whatRest, "bytes", samples{float64(memory.Resident) * 1024})
		s := b.beginFlood(c.floods[0], h, c.grows)
		at.Flood, at.Rate = c.floods[0].name, c.grows
		s.price(d, b.windows).note(b.out, at)
		return s.end()
	})
}

// granting measures with addresses that a door is open to: the latency of one more, and the way of a SYN
// to the door from an address that is none of them.
func (b *bench) granting(c *candidate, grants int) error {
	at := figure{Row: rowGrowth, Candidate: c.name, Knock: c.kind, Grants: grants}
	return b.during(c, b.house, b.want.n, func(d *process, p *phone, next knocks) error {
		if err := b.fill(grants); err != nil {
			return err
		}
		opened, _, err := b.alone(c, p, next, int(b.few()))
		if err != nil {
			return err
		}
		b.out.add(at, whatLatency, "s", seconds(opened))
		ways, err := b.ways(b.windows)
		if err != nil {
			return err
		}
		b.out.add(at, whatPath, "s", seconds(ways))
		list, err := lab.On("router", "nft", "list", "set", "inet", "fw4", "latchkey1_web_4").Output()
		if left := strings.Count(string(list), "expires"); err == nil && left < grants {
			err = fmt.Errorf("only %d grants were left at the end", left)
		}
		return err
	})
}

// fill puts addresses into the set of door web, as grants of long ago: the daemon's own book takes 1024 at
// a time, so that the others are what the kernel alone has to bear.
func (b *bench) fill(grants int) error {
	const most = 1000 // at once: the buffer of nft's socket has a limit
	for first := 0; first < grants; first += most {
		var list []string
		for i := first; i < min(first+most, grants); i++ {
			list = append(list, fmt.Sprintf("10.%d.%d.%d timeout 1h", i>>16&255, i>>8&255, i&255))
		}
		file, err := b.file("grants.nft", "add element inet fw4 latchkey1_web_4 { "+strings.Join(list, ", ")+" }\n")
		if err != nil {
			return err
		}
		if err := lab.Output(lab.On("router", "nft", "-f", file)); err != nil {
			return err
		}
	}
	return nil
}

// ways measures how long SYNs to the door take from the sender until they are dropped: on veth that is all
// in the time of the call.
func (b *bench) ways(rounds int) (list []time.Duration, err error) {
	const batch = 20_000
	err = traffic.OnCable(func(out traffic.Socket) error {
		random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
		toDoor := flood{packet: func(r *rand.Rand, _ *household) []byte { return stranger(r, doorPort) }}
		next := toDoor.load(random, b.house)
		for range rounds {
			begin := time.Now()
			for range batch {
				if err := out.Send(next(random)); err != nil {
					return err
				}
			}
			list = append(list, time.Since(begin)/batch)
			traffic.Sleep(time.Millisecond)
		}
		return nil
	})
	return list, err
}
