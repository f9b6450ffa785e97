// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// flood is what strangers send, each packet from another address.
type flood struct {
	name   string
	weight int
	// shuts are the ways that it may shut out, by SECURITY.md's table.
	shuts []string
	// packet returns what makes the packets of one such flood.
	packet func(s *soak) func(*rand.Rand) []byte
}

func (f flood) share() int { return f.weight }

var floods = []flood{
	{"SYNs to the steps of a sequence", 2, nil, func(*soak) func(*rand.Rand) []byte { return stepsFlood }},
	{"SYNs to the span of ports", 2, nil, func(*soak) func(*rand.Rand) []byte { return spanFlood }},
	{"messages by ports with wrong keys", 1, nil, func(*soak) func(*rand.Rand) []byte { return slotsFlood() }},
	{"STUN requests with wrong hints", 2, nil, func(*soak) func(*rand.Rand) []byte { return stunFlood }},
	{"STUN requests with a right hint", 1, []string{bySTUN, byPorts}, hintFlood},
	{"random bytes to the STUN port", 1, nil, func(*soak) func(*rand.Rand) []byte { return bytesFlood }},
	{"random base64 to the fwknop port", 1, nil, func(*soak) func(*rand.Rand) []byte { return base64Flood }},
	{"fwknop packets right up to the HMAC", 1, []string{byFwknop}, func(*soak) func(*rand.Rand) []byte { return spaFlood }},
	{"SYNs to the doors", 1, nil, func(*soak) func(*rand.Rand) []byte { return doorsFlood }},
}

// port is one of the router's.
func port(n uint16) netip.AddrPort { return netip.AddrPortFrom(router4, n) }

func stepsFlood(r *rand.Rand) []byte {
	list := steps[withSequence[r.IntN(len(withSequence))]]
	number, proto, _ := strings.Cut(list[r.IntN(len(list))], "/")
	n, _ := strconv.Atoi(number)
	if proto == "udp" {
		return wire.AppendUDP(nil, traffic.Stranger(r), port(uint16(n)), nil)
	}
	return traffic.SYN(traffic.Stranger(r), port(uint16(n)), r.Uint32())
}

func spanFlood(r *rand.Rand) []byte {
	return traffic.SYN(traffic.Stranger(r), port(uint16(portsBase+r.IntN(24*256))), r.Uint32())
}

// slotsFlood sends whole messages, one SYN after the other.
func slotsFlood() func(*rand.Rand) []byte {
	var from netip.AddrPort
	var left []uint16
	return func(r *rand.Rand) []byte {
		if len(left) == 0 {
			from, left = traffic.Stranger(r), knock.Slots(traffic.Bytes(r, seal.ShortSize), portsBase)
		}
		to := left[0]
		left = left[1:]
		return traffic.SYN(from, port(to), r.Uint32())
	}
}

func stunFlood(r *rand.Rand) []byte {
	return traffic.STUN(traffic.Stranger(r), port(stunPort), traffic.Bytes(r, seal.ShortSize))
}

// hintFlood sends forged messages with the hint that a client's have in this minute, which somebody on the
// path could see.
func hintFlood(s *soak) func(*rand.Rand) []byte {
	seen := seal.Seal(s.people[0].keys.browser, seal.Body{Stamp: uint64(time.Now().UnixMilli())})
	return func(r *rand.Rand) []byte {
		forged := traffic.Bytes(r, seal.ShortSize)
		copy(forged, seen[:3])
		return traffic.STUN(traffic.Stranger(r), port(stunPort), forged)
	}
}

func bytesFlood(r *rand.Rand) []byte {
	return wire.AppendUDP(nil, traffic.Stranger(r), port(stunPort), traffic.Bytes(r, 128))
}

func base64Flood(r *rand.Rand) []byte { return traffic.SPA(r, port(spaPort)) }

func spaFlood(r *rand.Rand) []byte { return traffic.ForgedSPA(r, port(spaPort)) }

func doorsFlood(r *rand.Rand) []byte {
	s := services[r.IntN(len(services))]
	return traffic.SYN(traffic.Stranger(r), port(s.port), r.Uint32())
}

// How long and how fast floods are: bounded, because the machine has other things to do.
const (
	floodLeast, floodMost = 2 * time.Second, 6 * time.Second
	slowest, fastest      = 100, 1500 // packets per second
)

// strangers is their lane.
func (s *soak) strangers(ctx context.Context) {
	entries(ctx, &lane{seed: s.seed, number: 1}, s.each, 4*time.Second, floods, func(r *rand.Rand, f flood) {
		rate, long := slowest+r.IntN(fastest-slowest), between(r, floodLeast, floodMost)
		ctx, over := context.WithTimeout(ctx, long)
		defer over()
		s.flood(ctx, r, f, rate)
	})
}

// flood sends one flood until ctx ends.
func (s *soak) flood(ctx context.Context, r *rand.Rand, f flood, rate int) {
	s.note(fmt.Sprintf("strangers: %s, %d a second", f.name, rate))
	t := s.model.begin(f.name, 0, f.shuts)
	defer s.model.finish(t)
	var sent int
	err := traffic.From("neighbour", func(out traffic.Socket) (err error) {
		sent, err = out.Flood(ctx, r, f.packet(s), float64(rate))
		return err
	})
	s.model.count(func(c *counts) { c.Floods++; c.FloodPackets += sent })
	s.did("flood: " + f.name)
	if err != nil && s.ctx.Err() == nil {
		s.give(fmt.Errorf("%s: %w", f.name, err))
	}
}
