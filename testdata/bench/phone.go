// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// patience is how long a knock may take to open.
const patience = time.Second

// warmUps is how many knocks a daemon may miss while it starts.
const warmUps = 10

// phone is the honest sender.
type phone struct {
	random *rand.Rand
	out    traffic.Socket
	answer int // receives every TCP packet for the phone
	buf    []byte
}

// onPhone calls f with the phone's sockets.
func (r *rig) onPhone(f func(*phone) error) error {
	return traffic.From("phone", func(out traffic.Socket) error {
		answer, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		defer unix.Close(answer)
		return f(&phone{random: r.random, out: out, answer: answer, buf: make([]byte, 2048)})
	})
}

// between returns a random time. Fixed ones would be in phase with the timers of a candidate.
func (p *phone) between(low, high time.Duration) time.Duration {
	return low + time.Duration(p.random.Int64N(int64(high-low)))
}

// step returns a random time between two steps of a sequence.
func (p *phone) step() time.Duration { return p.between(11*time.Millisecond, 34*time.Millisecond) }

// press is one knock, and then a SYN to the door again and again.
type press struct {
	packets [][]byte
	times   []time.Duration // when each packet is to be sent
	source  netip.AddrPort
	first   uint32          // sequence number of the first SYN to the door
	probes  []time.Duration // when each of these SYNs was sent
	last    time.Duration   // when the last packet was sent
	done    bool
}

// newPress makes a knock that begins at a time.
func (p *phone) newPress(k knock, packets [][]byte, from netip.Addr, begin time.Duration) *press {
	one := &press{packets: packets, source: netip.AddrPortFrom(from, traffic.AnyPort(p.random)), first: p.random.Uint32()}
	for i := range packets {
		if i > 0 && k.stepwise {
			begin += p.step()
		}
		one.times = append(one.times, begin)
	}
	return one
}

// due is when it has to be looked after again.
func (one *press) due(probe time.Duration) time.Duration {
	switch {
	case len(one.packets) > 0:
		return one.times[0]
	case len(one.probes) == 0:
		return one.last
	}
	return one.probes[len(one.probes)-1] + probe
}

// advance sends what is due.
func (p *phone) advance(one *press, since func() time.Duration, probe time.Duration) error {
	now := since()
	for len(one.packets) > 0 && now >= one.times[0] {
		one.last = since()
		if err := p.out.Send(one.packets[0]); err != nil {
			return err
		}
		one.packets, one.times = one.packets[1:], one.times[1:]
	}
	now = since()
	if len(one.packets) > 0 || now < one.due(probe) {
		return nil
	}
	one.probes = append(one.probes, now)
	return p.out.Send(traffic.SYN(one.source, to(doorPort), one.first+uint32(len(one.probes)-1)))
}

// took is the time from the last packet of the knock to a SYN that was accepted.
func (one *press) took(seq uint32) (d time.Duration, ok bool) {
	i := seq - one.first
	if int64(i) >= int64(len(one.probes)) {
		return 0, false
	}
	return one.probes[i] - one.last, true
}

// play looks after knocks until each has opened or lost patience, and returns how long those took that
// opened. Below spin it waits for the next probe without giving the CPU away: one that is idle
// takes longer to wake up than a knock to open.
func (p *phone) play(presses []*press, probe, spin time.Duration) (opened []time.Duration, err error) {
	byAddress := map[netip.AddrPort]*press{}
	for _, one := range presses {
		byAddress[one.source] = one
	}
	begin := time.Now()
	since := func() time.Duration { return time.Since(begin) }
	for left := len(presses); left > 0; {
		now := since()
		next := now + patience
		for _, one := range presses {
			switch {
			case one.done:
				continue
			case len(one.packets) == 0 && now > one.last+patience:
				one.done = true
				left--
				continue
			}
			if now >= one.due(probe) {
				if err := p.advance(one, since, probe); err != nil {
					return nil, err
				}
			}
			next = min(next, one.due(probe))
		}
		for {
			to, seq, ok := p.accepted()
			if !ok {
				break
			}
			one := byAddress[to]
			if one == nil || one.done {
				continue
			}
			if took, ok := one.took(seq); ok {
				opened = append(opened, took)
				one.done = true
				left--
			}
		}
		if pause := next - since(); pause > spin && left > 0 {
			traffic.Sleep(min(pause-spin, time.Millisecond))
		}
	}
	return opened, nil
}

// accepted returns the next answer of the door to a SYN: whom it is for, and the SYN's sequence number. The
// kernel of the phone resets the connection, of which it knows nothing.
func (p *phone) accepted() (to netip.AddrPort, seq uint32, ok bool) {
	for {
		n, err := unix.Read(p.answer, p.buf)
		if err != nil {
			return netip.AddrPort{}, 0, false
		}
		var packet wire.Packet
		if packet.Decode(p.buf[:n]) != nil || packet.SrcPort != doorPort || packet.Flags != wire.SYN|wire.ACK {
			continue
		}
		header := int(p.buf[0]&0x0f) * 4
		return netip.AddrPortFrom(packet.Dst, packet.DstPort), binary.BigEndian.Uint32(p.buf[header+8:]) - 1, true // RFC 9293, section 3.1
	}
}

// drain forgets the answers that are there.
func (p *phone) drain() {
	for {
		if _, _, ok := p.accepted(); !ok {
			return
		}
	}
}

// warmUp knocks until a knock opens.
func (p *phone) warmUp(r *rig, k knock, next knocks) error {
	for range warmUps {
		from := r.sender()
		opened, err := p.play([]*press{p.newPress(k, next(from), from, 0)}, time.Millisecond, 0)
		if len(opened) > 0 || err != nil {
			return err
		}
	}
	return fmt.Errorf("none of %d knocks opened", warmUps)
}
