// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/net/bpf"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// errFilterTooBig means that no kernel takes a filter of this size. A coarser one may fit: fewer port
// ranges, or nil for the hints of a STUN filter.
var errFilterTooBig = errors.New("filter is too big for the kernel")

// maxInstructions is BPF_MAXINSNS of <linux/bpf_common.h>. Kernels before 6.8 may refuse less
// than that, see attach.
const maxInstructions = 4096

// How much of a packet the kernel hands over, from the IP header on.
const (
	snapHeaders = 128  // TCP and ICMP: IPv4 with options, TCP; nobody reads further
	snapPayload = 1600 // UDP: Ethernet's MTU, with room for the longest fwknop packet and more
)

// Offsets in IP headers (RFC 791, RFC 8200).
const (
	ip4Length, ip4Fragment, ip4Proto = 2, 6, 9
	ip6Length, ip6Next, ip6Header    = 4, 6, 40
)

// Offsets from the transport header. A STUN message is the payload of UDP (RFC 8489, section 5).
const (
	dstPort   = 2
	tcpFlags  = 13
	udpLength = 4
	udpHeader = 8
	stunType  = 8
	stunMagic = 8 + 4
	attrType  = 8 + 20 // of the first attribute
	attrSize  = attrType + 2
	attrValue = attrType + 4
)

// Scratch memory of the filter program.
const (
	memSize = 0 // IP payload in bytes
	memEnd  = 1 // offset of the end of the UDP payload
)

// compile translates f into a classic BPF program for a cooked AF_PACKET socket, where offset 0 is
// the IP header. The program answers like wire.Filter.Match, with these exceptions:
//
//   - IPv6 packets with extension headers are dropped. No client of ours sends them, much of the
//     Internet drops them on the way (RFC 7872), and walking them takes a loop, which BPF has not.
//   - Packets that wire.Packet.Decode refuses may pass.
//
// It returns how many bytes of the packet are of use: at least the headers, and of UDP 1600.
// Ports, sizes and hints are found by binary search. A filter that no kernel takes, behind plain, is
// refused with an error that is errFilterTooBig.
func compile(f wire.Filter) ([]bpf.Instruction, error) {
	f.Normalize()
	transport := slices.Concat(
		when(bpf.JumpEqual, uint32(wire.TCP), then(tcpCode(f), drop)),
		when(bpf.JumpEqual, uint32(wire.UDP), then(udpCode(f), drop)),
		echoCode(f.Echo),
		block{drop},
	)
	ip4 := block{
		bpf.LoadAbsolute{Off: ip4Fragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x3fff, SkipTrue: 1}, // more fragments, offset
		drop,
		bpf.LoadMemShift{Off: 0}, // X = header length
		bpf.LoadAbsolute{Off: ip4Length, Size: 2},
		bpf.ALUOpX{Op: bpf.ALUOpSub},
		bpf.StoreScratch{Src: bpf.RegA, N: memSize},
		bpf.LoadAbsolute{Off: ip4Proto, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(wire.ICMPv6), SkipTrue: 1},
		drop,
	}
	ip6 := block{
		bpf.LoadConstant{Dst: bpf.RegX, Val: ip6Header},
		bpf.LoadAbsolute{Off: ip6Length, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: memSize},
		bpf.LoadAbsolute{Off: ip6Next, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(wire.ICMP), SkipTrue: 1},
		drop,
	}
	program := slices.Concat(
		block{
			bpf.LoadAbsolute{Off: 0, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpShiftRight, Val: 4},
		},
		when(bpf.JumpEqual, 4, then(ip4, bpf.Jump{Skip: uint32(len(ip6)) + 2})),
		block{bpf.JumpIf{Cond: bpf.JumpEqual, Val: 6, SkipTrue: 1}, drop},
		ip6,
		transport,
	)
	if n := len(plain()) + len(program); n > maxInstructions {
		return nil, fmt.Errorf("%w: it has %d instructions, at most %d (BPF_MAXINSNS) are allowed",
			errFilterTooBig, n, maxInstructions)
	}
	return program, nil
}

// A block is a piece of the program. It takes a packet by returning, and a packet that it does not
// want falls off its end, so that blocks can be put one behind the other.
type block = []bpf.Instruction

// drop ends the program without the packet.
var drop = bpf.RetConstant{Val: 0}

func then(b block, last bpf.Instruction) block { return append(slices.Clip(b), last) }

// tcpCode expects X at the TCP header.
func tcpCode(f wire.Filter) block {
	port := block{bpf.LoadIndirect{Off: dstPort, Size: 2}}
	return slices.Concat(
		port, search(ports(f.TCP), snapHeaders),
		block{
			bpf.LoadIndirect{Off: tcpFlags, Size: 1},
			bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(wire.SYN | wire.ACK | wire.RST | wire.FIN)},
		},
		when(bpf.JumpEqual, uint32(wire.SYN), slices.Concat(port, search(ports(f.SYN), snapHeaders))),
	)
}

// udpCode expects X at the UDP header.
func udpCode(f wire.Filter) block {
	code := slices.Concat(
		block{bpf.LoadIndirect{Off: dstPort, Size: 2}},
		search(ports(f.UDP), snapPayload),
	)
	for _, t := range f.Text {
		code = append(code, when(bpf.JumpEqual, uint32(t.Port), textCode(t))...)
	}
	return append(code, within(ports(f.STUN.Ports), then(stunCode(f.STUN.Hints), drop))...)
}

// textCode leaves the port in A if it does not want the packet.
func textCode(t wire.TextFilter) block {
	look := append(block{bpf.LoadIndirect{Off: udpHeader, Size: 1}}, search(ports(t.First), snapPayload)...)
	code := append(block{bpf.LoadIndirect{Off: udpLength, Size: 2}}, when(bpf.JumpGreaterThan, udpHeader+uint32(t.Over), look)...)
	return append(code, bpf.LoadIndirect{Off: dstPort, Size: 2})
}

// stunCode looks for the hint where wire.Filter.Match does: X is moved so that the attribute that
// it points behind is USERNAME.
func stunCode(hints [][4]byte) block {
	const (
		bindingRequest = 0x0001
		magicCookie    = 0x2112a442
		username       = 0x0006
		needed         = attrValue + 4 // UDP header up to the end of a hint in the first attribute
	)
	second := block{
		bpf.LoadIndirect{Off: attrSize, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 3},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 4, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 8, SkipTrue: 1},
		drop,
		bpf.ALUOpConstant{Op: bpf.ALUOpAdd, Val: 4},
		bpf.ALUOpX{Op: bpf.ALUOpAdd},
		bpf.TAX{},
		bpf.LoadIndirect{Off: attrType, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: username, SkipTrue: 1},
		drop,
	}
	code := slices.Concat(
		block{
			bpf.LoadIndirect{Off: stunType, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: bindingRequest, SkipTrue: 1},
			drop,
			bpf.LoadIndirect{Off: stunMagic, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: magicCookie, SkipTrue: 1},
			drop,
			bpf.LoadIndirect{Off: udpLength, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: needed, SkipTrue: 1},
			drop,
			bpf.ALUOpX{Op: bpf.ALUOpAdd},
			bpf.StoreScratch{Src: bpf.RegA, N: memEnd},
			bpf.LoadIndirect{Off: attrType, Size: 2},
		},
		when(bpf.JumpNotEqual, username, second),
		block{
			// Again, now that X may have moved by up to 12 bytes: no underflow, needed is more.
			bpf.LoadScratch{Dst: bpf.RegA, N: memEnd},
			bpf.ALUOpX{Op: bpf.ALUOpSub},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: needed, SkipTrue: 1},
			drop,
			bpf.LoadIndirect{Off: attrSize, Size: 2},
			bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 4, SkipTrue: 1},
			drop,
			bpf.LoadIndirect{Off: attrValue, Size: 4},
		},
	)
	if hints == nil {
		return then(code, bpf.RetConstant{Val: snapPayload})
	}
	spans := make([]span, len(hints))
	for i, h := range hints {
		v := binary.BigEndian.Uint32(h[:])
		spans[i] = span{v, v}
	}
	return append(code, search(spans, snapPayload)...)
}

// echoCode expects X at the ICMP header, and in A its protocol: ICMP or ICMPv6, or another that it
// does not want.
func echoCode(sizes []wire.PortRange) block {
	const icmpHeader, echo4, echo6 = 8, 8, 128
	if len(sizes) == 0 {
		return nil
	}
	spans := ports(sizes)
	for i := range spans {
		spans[i].lo += icmpHeader
		spans[i].hi += icmpHeader
	}
	return slices.Concat(
		block{
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(wire.ICMP), SkipTrue: 2},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(wire.ICMPv6), SkipTrue: 4},
			drop,
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: echo4, SkipTrue: 3},
			drop,
			bpf.LoadIndirect{Off: 0, Size: 1},
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: echo6, SkipTrue: 1},
			bpf.Jump{Skip: 1},
			drop,
			bpf.LoadScratch{Dst: bpf.RegA, N: memSize},
		},
		search(spans, snapHeaders),
	)
}

// A span is the numbers from lo to hi, both included.
type span struct{ lo, hi uint32 }

func ports(ranges []wire.PortRange) []span {
	spans := make([]span, len(ranges))
	for i, r := range ranges {
		spans[i] = span{uint32(r.First), uint32(r.Last)}
	}
	return spans
}

// leafSize is how many spans are compared one by one at the end of a binary search. Smaller makes
// the program longer (3 more instructions for each leaf), larger makes it slower (1 ns a compare).
const leafSize = 16

// search takes the packet if A is in one of the spans, which are sorted and do not overlap. It
// leaves A as it is.
func search(spans []span, snap uint32) block {
	return appendSearch(make(block, 0, searchSize(spans)), spans, snap)
}

// halves are what a binary search goes on in; full leaves are the shortest.
func halves(spans []span) (left, right []span) {
	half := (len(spans)/leafSize + 1) / 2 * leafSize
	return spans[:half], spans[half:]
}

// searchSize is how many instructions search takes.
func searchSize(spans []span) (n int) {
	if len(spans) > leafSize {
		left, right := halves(spans)
		n = searchSize(left) + 1
		return len(condition(bpf.JumpEqual, 0, n)) + n + searchSize(right)
	}
	for _, s := range spans {
		n += compares(s)
	}
	return n + min(n, 1) // the return at the end
}

func appendSearch(code block, spans []span, snap uint32) block {
	if len(spans) == 0 {
		return code
	}
	if len(spans) > leafSize {
		left, right := halves(spans)
		code = append(code, condition(bpf.JumpLessOrEqual, left[len(left)-1].hi, searchSize(left)+1)...)
		code = append(appendSearch(code, left, snap), bpf.Jump{Skip: uint32(searchSize(right))})
		return appendSearch(code, right, snap)
	}
	rest := 0 // compares between the one at hand and the end
	for _, s := range spans {
		rest += compares(s)
	}
	for _, s := range spans {
		rest -= compares(s)
		take, miss := uint8(rest), uint8(0)
		if rest == 0 {
			miss = 1 // over the return at the end
		}
		if s.lo == s.hi {
			code = append(code, bpf.JumpIf{Cond: bpf.JumpEqual, Val: s.lo, SkipTrue: take, SkipFalse: miss})
			continue
		}
		code = append(code,
			bpf.JumpIf{Cond: bpf.JumpLessThan, Val: s.lo, SkipTrue: take + 2}, // sorted: none will fit
			bpf.JumpIf{Cond: bpf.JumpLessOrEqual, Val: s.hi, SkipTrue: take, SkipFalse: miss})
	}
	return append(code, bpf.RetConstant{Val: snap})
}

// compares is how many instructions a span takes in a leaf.
func compares(s span) int {
	if s.lo == s.hi {
		return 1
	}
	return 2
}

// when runs a block if the comparison of A with v holds.
func when(c bpf.JumpTest, v uint32, b block) block { return append(condition(c, v, len(b)), b...) }

// within runs a block if A is in one of the spans, which are few: they are compared one by one. Ports that want
// the same share one block that way, however long it is.
func within(spans []span, b block) block {
	if len(spans) == 0 {
		return nil
	}
	code := block{bpf.Jump{Skip: uint32(len(b))}} // in none: over the block
	for i := len(spans) - 1; i >= 0; i-- {
		s, into := spans[i], bpf.Jump{Skip: uint32(len(code))}
		compare := block{bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: s.lo, SkipTrue: 1}, into}
		if s.lo != s.hi {
			compare = block{
				bpf.JumpIf{Cond: bpf.JumpLessThan, Val: s.lo, SkipTrue: 2},
				bpf.JumpIf{Cond: bpf.JumpGreaterThan, Val: s.hi, SkipTrue: 1},
				into,
			}
		}
		code = append(compare, code...)
	}
	return append(code, b...)
}

// condition begins a block of a length that is run if the comparison of A with v holds. Conditional jumps
// reach 255 instructions (the offsets of classic BPF have 8 bits), further ones go over an unconditional jump.
func condition(c bpf.JumpTest, v uint32, length int) block {
	if length <= 255 {
		return block{bpf.JumpIf{Cond: c, Val: v, SkipFalse: uint8(length)}}
	}
	return block{bpf.JumpIf{Cond: c, Val: v, SkipTrue: 1}, bpf.Jump{Skip: uint32(length)}}
}
