// SPDX-License-Identifier: Apache-2.0

package capture

import "golang.org/x/net/bpf"

// What a Sampler looks at, besides connections that are asked for over TCP from outside (SYN), or granted from
// here (SYN with ACK): UDP from strangers' ports from farPorts on to ours below ourPorts, and the other way.
const (
	// farPorts is where the ports begin that strangers ask from. Answers of services come from below: names
	// from 53, time from 123, QUIC from 443.
	farPorts = 1024

	// ourPorts is where the ports begin that systems take for their own questions (Linux 32768 to 60999, others
	// 49152 and up), which a NAT keeps: what comes to them are answers.
	ourPorts = 32768
)

// snapSample is how much of a packet is handed over: IPv6 and TCP have 60 bytes.
const snapSample = 64

// atShift is where sampleProgram has the mask of the random number.
const atShift = 20

// instruction is bpf.RawInstruction with names that need not be said.
type instruction bpf.RawInstruction

// sampleProgram is the beginning of the program of a Sampler's socket, as tcpdump -dd writes it. The test
// makes it of words that can be read; in the router's program those would be four times as long.
var sampleProgram = [...]instruction{
	{0x20, 0, 0, 0xfffff000}, {0x15, 2, 0, 0x800}, {0x15, 1, 0, 0x86dd}, {0x6, 0, 0, 0x0}, // IPv4 and IPv6
	{0x20, 0, 0, 0xfffff004}, {0x15, 0, 1, packetOtherHost}, {0x6, 0, 0, 0x0}, // not for others
	{0x20, 0, 0, 0xfffff030}, {0x15, 4, 0, 0x0}, {0x20, 0, 0, 0xfffff02c}, {0x54, 0, 0, 0xfff}, {0x15, 1, 0, 0x0}, {0x6, 0, 0, 0x0}, // no VLAN
	{0x0, 0, 0, 0x12}, {0x2, 0, 0, 0x0}, {0x20, 0, 0, 0xfffff004}, {0x15, 8, 0, 0x4}, {0x15, 1, 0, 0x0}, {0x6, 0, 0, 0x0}, // sent by us: SYN with ACK; for us:
	{0x20, 0, 0, 0xfffff038}, {0x54, 0, 0, 0x0}, {0x15, 1, 0, 0x0}, {0x6, 0, 0, 0x0}, // one of 1 << shift, and
	{0x0, 0, 0, 0x2}, {0x2, 0, 0, 0x0}, // SYN
	{0x30, 0, 0, 0x0}, {0x35, 6, 0, 0x60}, {0x28, 0, 0, 0x6}, {0x45, 0, 1, 0x3fff}, {0x6, 0, 0, 0x0}, {0xb1, 0, 0, 0x0}, {0x30, 0, 0, 0x9}, {0x5, 0, 0, 0x2}, {0x1, 0, 0, 0x28}, {0x30, 0, 0, 0x6}, // the IP header: no fragment, X = its length, A = the protocol
	{0x15, 0, 6, 0x6}, {0x50, 0, 0, 0xd}, {0x54, 0, 0, 0x17}, {0x61, 0, 0, 0x0}, {0x1d, 0, 1, 0x0}, {0x6, 0, 0, snapSample}, {0x6, 0, 0, 0x0}, // TCP: the flags
	{0x15, 1, 0, 0x11}, {0x6, 0, 0, 0x0}, // UDP
	{0x60, 0, 0, 0x0}, {0x15, 4, 0, 0x12}, {0x48, 0, 0, 0x0}, {0x2, 0, 0, 0x1}, {0x48, 0, 0, 0x2}, {0x5, 0, 0, 0x3}, {0x48, 0, 0, 0x2}, {0x2, 0, 0, 0x1}, {0x48, 0, 0, 0x0}, // A = the port of ours, M[1] = that of theirs
	{0x7, 0, 0, 0x0}, {0x60, 0, 0, 0x1}, {0x35, 1, 0, farPorts}, {0x6, 0, 0, 0x0}, {0x87, 0, 0, 0x0}, {0x35, 0, 1, ourPorts}, {0x6, 0, 0, 0x0}, // theirs from farPorts on, ours below ourPorts
}

// sampleCode is that program: of what comes in it takes one packet of 1 << shift, at random, and no UDP to or
// from the ports of ours in but.
func sampleCode(but []uint16, shift uint8) (code []bpf.RawInstruction) {
	for _, i := range sampleProgram {
		code = append(code, bpf.RawInstruction(i))
	}
	code[atShift].K = 1<<shift - 1
	for _, port := range but {
		code = append(code, bpf.RawInstruction{Op: 0x15, Jf: 1, K: uint32(port)}, bpf.RawInstruction{Op: 0x6})
	}
	return append(code, bpf.RawInstruction{Op: 0x6, K: snapSample})
}
