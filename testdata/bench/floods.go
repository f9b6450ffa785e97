// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	kinds "github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// flood is what strangers send, who know the ports and forms of knocks but no secret. Every packet of it
// has a forged sender of its own.
type flood struct {
	name, about string
	// packet makes one of the packets that a flood takes its turns from; the sender is replaced.
	packet func(r *rand.Rand, h *household) []byte
	// few: the senders are 4 million, so that some of them come again within seconds; else any address.
	few bool
}

// variety is how many different packets a flood has, but for their senders. Making one costs more than
// sending it, and more of them than the processor's cache holds would slow the sender down.
const variety = 1 << 12

var (
	firstSteps = flood{"steps", "SYNs to the first step of every sequence",
		func(r *rand.Rand, h *household) []byte { return stranger(r, pick(r, h.people).steps[0]) }, false}
	allSteps = flood{"chance", "SYNs to every step of one sequence at random, from 4 million senders, some of whom complete it by chance",
		func(r *rand.Rand, h *household) []byte { return stranger(r, pick(r, h.people[0].steps[:])) }, true}
	stunRandom = flood{"stun-random", "random bytes to the STUN port",
		func(r *rand.Rand, _ *household) []byte {
			return wire.AppendUDP(nil, traffic.Stranger(r), to(stunPort), traffic.Bytes(r, 128))
		}, false}
	stunWrong = flood{"stun-wrong", "STUN requests with random messages, so with wrong hints",
		func(r *rand.Rand, _ *household) []byte {
			return traffic.STUN(traffic.Stranger(r), to(stunPort), traffic.Bytes(r, seal.ShortSize))
		}, false}
	stunHint = flood{"stun-hint", "STUN requests without a seal, but with the hint of this minute that a client's knocks have: whoever sends them has overheard one within that minute",
		func(r *rand.Rand, h *household) []byte {
			forged := traffic.Bytes(r, seal.ShortSize)
			copy(forged, seal.Seal(h.people[0].key, seal.Body{Stamp: uint64(time.Now().UnixMilli())})[:3])
			return traffic.STUN(traffic.Stranger(r), to(stunPort), forged)
		}, false}
	slotSteps = flood{"ports", "SYNs to all ports that carry messages",
		func(r *rand.Rand, _ *household) []byte {
			slots := kinds.Slots(traffic.Bytes(r, seal.ShortSize), slotsBase)
			return stranger(r, pick(r, slots))
		}, false}
	spaRandom = flood{"spa-random", "random base64 of a fwknop packet's length",
		func(r *rand.Rand, _ *household) []byte { return traffic.SPA(r, to(spaPort)) }, false}
	spaForged = flood{"spa-forged", "base64 that only its HMAC tells from a fwknop packet",
		func(r *rand.Rand, _ *household) []byte { return traffic.ForgedSPA(r, to(spaPort)) }, false}
	unrelated = flood{"unrelated", "UDP packets and SYNs to ports that have no meaning",
		func(r *rand.Rand, _ *household) []byte {
			port := uint16(unrelatedBase + r.IntN(unrelatedPorts))
			if r.IntN(2) == 0 {
				return wire.AppendUDP(nil, traffic.Stranger(r), to(port), traffic.Bytes(r, 64))
			}
			return stranger(r, port)
		}, false}
)

// blind reports whether a stranger can send a flood who knows no more than the ports.
func (f flood) blind() bool {
	return slices.ContainsFunc(blind, func(s series) bool { return s.flood.name == f.name })
}

// allFloods are those that candidates have.
func allFloods() (list []flood) {
	for _, c := range candidates {
		for _, f := range c.floods {
			if !slices.ContainsFunc(list, func(g flood) bool { return g.name == f.name }) {
				list = append(list, f)
			}
		}
	}
	return list
}

func floodNames() (names []string) {
	for _, f := range allFloods() {
		names = append(names, f.name)
	}
	return names
}

// Ports that neither knocks nor doors have.
const unrelatedBase, unrelatedPorts = 30000, 10000

func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// stranger begins a TCP connection to a port of the router.
func stranger(r *rand.Rand, port uint16) []byte {
	return traffic.SYN(traffic.Stranger(r), to(port), r.Uint32())
}

// load makes the packets, and returns what traffic.Flood asks for: one of them from a new sender. It
// allocates nothing, so that no garbage collection takes the sender's CPU.
func (f flood) load(random *rand.Rand, h *household) func(*rand.Rand) []byte {
	packets := make([][]byte, variety)
	for i := range packets {
		packets[i] = f.packet(random, h)
	}
	return func(r *rand.Rand) []byte {
		p := packets[r.IntN(variety)]
		if f.few {
			resend(p, traffic.Stranger(r))
		} else {
			resend(p, forged(r.Uint32(), r.Uint32()))
		}
		return p
	}
}

// forged makes a sender of 64 random bits: any address from 1.0.0.0 to 223.255.255.255, but not a
// loopback, which the kernel refuses before a program sees the packet.
func forged(address, port uint32) netip.AddrPort {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], address)
	if a[0] = 1 + a[0]%223; a[0] == 127 {
		a[0] = 126
	}
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(1024+port%60000))
}

// Where the fields are that resend changes, in IPv4 without options (RFC 791, RFC 768, RFC 9293).
const (
	protocolAt, ipSumAt, sourceAt, portAt = 9, 10, 12, 20
	udpSumAt, tcpSumAt                    = 26, 36
	udp                                   = 17
)

// resend gives a packet of wire.AppendUDP or AppendTCP another sender, with right checksums.
func resend(packet []byte, from netip.AddrPort) {
	sumAt := tcpSumAt
	if packet[protocolAt] == udp {
		sumAt = udpSumAt
	}
	var sender [6]byte
	address := from.Addr().As4()
	copy(sender[:], address[:])
	binary.BigEndian.PutUint16(sender[4:], from.Port())
	ipSum := ^uint32(binary.BigEndian.Uint16(packet[ipSumAt:])) & 0xffff
	sum := ^uint32(binary.BigEndian.Uint16(packet[sumAt:])) & 0xffff
	for i := 0; i < len(sender); i += 2 {
		at := sourceAt + i
		if i == 4 {
			at = portAt
		}
		change := uint32(^binary.BigEndian.Uint16(packet[at:])) + uint32(binary.BigEndian.Uint16(sender[i:])) // RFC 1624
		copy(packet[at:], sender[i:i+2])
		if sum += change; i < 4 {
			ipSum += change
		}
	}
	binary.BigEndian.PutUint16(packet[ipSumAt:], ^fold(ipSum))
	field := ^fold(sum)
	if field == 0 && packet[protocolAt] == udp {
		field = 0xffff // RFC 768: 0 would mean "no checksum"
	}
	binary.BigEndian.PutUint16(packet[sumAt:], field)
}

// fold makes 16 bits of a sum (RFC 1071).
func fold(sum uint32) uint16 {
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return uint16(sum)
}
