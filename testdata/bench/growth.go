// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// many is the larger number of doors; the configuration takes 256 of them, and as many clients, of which
// three are of fwknop here.
const many = 200

// manyGrants is the larger number of addresses that a door is open to.
const manyGrants = 10_000

// unrelatedRate is that of traffic which is no knock, in packets per second: what the sender reaches.
const unrelatedRate = 100_000

// ignoring measures what traffic costs that is no knock, and how often a daemon wakes up by itself. The radar
// looks at a sample of such traffic, and is measured apart from all else.
func (b *bench) ignoring(c *candidate, row string, doors int) error {
	h := newHousehold(doors)
	h.radar = row == rowRadar
	at := figure{Row: row, Candidate: c.name, Knock: c.kind, Doors: doors}
	return b.during(c, h, 1, func(d *process, _ *phone, _ knocks) error {
		time.Sleep(settle)
		var wakes, core []float64 // in windows, too: their median leaves out what is done once in a while
		for range b.windows {
			before := d.usage()
			time.Sleep(window)
			after := d.usage()
			long := after.at.Sub(before.at)
			wakes = append(wakes, float64(after.wakes-before.wakes)/long.Seconds())
			core = append(core, float64(after.cpu-before.cpu)/float64(long))
		}
		b.out.add(at, whatIdle, "per second", newSamples(wakes))
		b.out.add(at, whatIdleCore, "CPUs", newSamples(core))
		s := b.beginFlood(unrelated, h, unrelatedRate)
		begin, sent := time.Now(), s.sent.Load()
		price := s.price(d, b.windows)
		offered := float64(s.sent.Load()-sent) / time.Since(begin).Seconds()
		at.Flood, at.Rate = unrelated.name, unrelatedRate
		b.out.add(at, whatOffered, "packets/s", samples{offered})
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
		t, err := b.alone(c, p, next, int(b.few()))
		if err != nil {
			return err
		}
		b.out.add(at, whatLatency, "s", seconds(t.opened))
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
		t, err := b.alone(c, p, next, int(b.few()))
		if err != nil {
			return err
		}
		b.out.add(at, whatLatency, "s", seconds(t.opened))
		ways, err := b.ways(b.windows)
		if err != nil {
			return err
		}
		b.out.add(at, whatPath, "s", seconds(ways))
		return b.filled(grants)
	})
}

// latchkeyd takes out of its own sets what it has not given, and its owner may give 32 grants by hand: all others are
// in another set of the same kind, of another rule of the door.
const (
	bookGrants = 30
	otherSet   = "bench_grants"
)

// fill opens the door to addresses: some by the daemon, the others in the kernel alone.
func (b *bench) fill(grants int) error {
	own := min(grants, bookGrants)
	if err := b.openByHand(own); err != nil {
		return err
	}
	text := fmt.Sprintf("add set inet fw4 %s { type ipv4_addr; flags timeout; }\n"+
		"insert rule inet fw4 input_wan tcp dport %d ip saddr @%s accept\n", otherSet, doorPort, otherSet)
	if err := lab.Output(lab.On("router", "nft", text)); err != nil {
		return err
	}
	const most = 1000 // at once: the buffer of nft's socket has a limit
	for first := own; first < grants; first += most {
		var list []string
		for i := first; i < min(first+most, grants); i++ {
			list = append(list, guest(i).String()+" timeout 1h")
		}
		file, err := b.file("grants.nft", "add element inet fw4 "+otherSet+" { "+strings.Join(list, ", ")+" }\n")
		if err != nil {
			return err
		}
		if err := lab.Output(lab.On("router", "nft", "-f", file)); err != nil {
			return err
		}
	}
	return b.filled(grants)
}

// guest is an address that a door is open to, and that nobody has in the lab.
func guest(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}

// openByHand has the daemon open the door to the first n of them.
func (b *bench) openByHand(n int) error {
	conn, err := control.Dial(b.socket())
	if err != nil {
		return err
	}
	defer conn.Close()
	for i := range n {
		if err := conn.Call(control.Request{Method: "open", Door: "web", Address: guest(i).String(), For: "10m"}, nil); err != nil {
			return err
		}
	}
	return nil
}

// filled says if it is not open to all of them.
func (b *bench) filled(grants int) error {
	left := 0
	for _, set := range []string{"latchkey1_web_4", otherSet} {
		list, err := lab.On("router", "nft", "list", "set", "inet", "fw4", set).Output()
		if err != nil {
			return fmt.Errorf("list %s: %w", set, err)
		}
		left += strings.Count(string(list), "expires")
	}
	if left < grants {
		return fmt.Errorf("only %d of %d grants are left", left, grants)
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
