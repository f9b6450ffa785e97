// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"math"
	"slices"
	"sort"
)

// ICMP and ICMPv6 types of an echo request (RFC 792, RFC 4443).
const (
	echoRequest4 = 8
	echoRequest6 = 128
)

// IsSYN reports whether p asks for a TCP connection: SYN set; ACK, RST and FIN clear. The other
// flags do not matter (ECN sets two of them, RFC 3168).
func (p *Packet) IsSYN() bool {
	return p.Proto == TCP && p.Flags&(SYN|ACK|RST|FIN) == SYN
}

// IsEcho reports whether p is an echo request, of ICMP or ICMPv6.
func (p *Packet) IsEcho() bool {
	return p.Proto == ICMP && p.ICMPType == echoRequest4 || p.Proto == ICMPv6 && p.ICMPType == echoRequest6
}

// Match reports whether the filter wants p. The kernel filter gives the same answer for the bytes
// that p was decoded from, with one exception: it drops IPv6 packets with extension headers.
//
// Of a STUN Binding request it sees the user name only as the first attribute, or as the second
// behind one of 0, 4 or 8 bytes; see usernameHint for why.
func (f *Filter) Match(p *Packet) bool {
	switch p.Proto {
	case TCP:
		return contains(f.TCP, p.DstPort) || p.IsSYN() && contains(f.SYN, p.DstPort)
	case UDP:
		return contains(f.UDP, p.DstPort) || f.matchSTUN(p) || f.matchText(p)
	case ICMP, ICMPv6:
		return p.IsEcho() && p.Size <= math.MaxUint16 && contains(f.Echo, uint16(p.Size))
	}
	return false
}

func (f *Filter) matchSTUN(p *Packet) bool {
	if !contains(f.STUN.Ports, p.DstPort) {
		return false
	}
	hint, ok := usernameHint(p.Payload)
	return ok && (f.STUN.Hints == nil || slices.Contains(f.STUN.Hints, hint))
}

func (f *Filter) matchText(p *Packet) bool {
	for _, t := range f.Text {
		if t.Port == p.DstPort && p.Size > int(t.Over) && len(p.Payload) > 0 && contains(t.First, uint16(p.Payload[0])) {
			return true
		}
	}
	return false
}

func contains(ranges []PortRange, port uint16) bool {
	return slices.ContainsFunc(ranges, func(r PortRange) bool { return r.First <= port && port <= r.Last })
}

// Normalize sorts the filter and merges what overlaps or touches; it wants the same packets
// afterwards, and two filters that want the same from the same parts are equal. The slices that
// f came with are not written to.
//
// It sorts with package sort, which has one code for all types, where package slices has one for
// each: the router's program must stay small.
func (f *Filter) Normalize() {
	for _, ranges := range f.ranges() {
		*ranges = mergeRanges(*ranges, 0)
	}
	f.STUN.Hints = sortHints(f.STUN.Hints)
	f.Text = slices.Clone(f.Text)
	for i := range f.Text {
		first := &f.Text[i].First
		*first = mergeRanges(*first, 0)
	}
}

// Coarsen makes the filter want more, so that it can be said in fewer words: no hints, and of each kind
// at most so many ranges, those nearest to each other being joined. What it wanted it still wants. The
// slices that f came with are not written to.
func (f *Filter) Coarsen(most int) {
	for _, ranges := range f.ranges() {
		for gap := 1; len(*ranges) > max(most, 1); gap *= 2 {
			*ranges = mergeRanges(*ranges, gap)
		}
	}
	f.STUN.Hints = nil
}

func (f *Filter) ranges() [5]*[]PortRange {
	return [...]*[]PortRange{&f.SYN, &f.TCP, &f.UDP, &f.Echo, &f.STUN.Ports}
}

// sortHints returns hints sorted, each once. Nil stays nil.
func sortHints(hints [][4]byte) [][4]byte {
	hints = slices.Clone(hints)
	sort.SliceStable(hints, func(i, j int) bool { return bytes.Compare(hints[i][:], hints[j][:]) < 0 })
	return slices.Compact(hints)
}

// mergeRanges returns ranges sorted, without empty ones, and joined where they overlap or touch, or leave
// only a gap of so many numbers between them.
func mergeRanges(ranges []PortRange, gap int) []PortRange {
	ranges = slices.Clone(ranges)
	sort.SliceStable(ranges, func(i, j int) bool { return ranges[i].First < ranges[j].First })
	merged := ranges[:0]
	for _, r := range ranges {
		last := len(merged) - 1
		switch {
		case r.First > r.Last:
		case last >= 0 && int(r.First) <= int(merged[last].Last)+1+gap:
			merged[last].Last = max(merged[last].Last, r.Last)
		default:
			merged = append(merged, r)
		}
	}
	return merged
}
