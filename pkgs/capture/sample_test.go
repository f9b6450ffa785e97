// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// readableSample is sampleProgram in words.
func readableSample(but []uint16, shift uint8) []bpf.Instruction {
	const (
		srcPort, both = 0, uint32(wire.SYN | wire.ACK)
		memFlags      = 0 // scratch memory: what TCP flags the packet must have …
		memTheirs     = 1 // … and the port of theirs
		toUs          = 0 // PACKET_HOST of <linux/if_packet.h>
	)
	code := append(plain(), block{
		bpf.LoadConstant{Dst: bpf.RegA, Val: both},
		bpf.StoreScratch{Src: bpf.RegA, N: memFlags},
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: packetOutgoing, SkipTrue: 8}, // to the IP header
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: toUs, SkipTrue: 1},
		drop,
		bpf.LoadExtension{Num: bpf.ExtRand},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: 1<<shift - 1},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		drop,
		bpf.LoadConstant{Dst: bpf.RegA, Val: uint32(wire.SYN)},
		bpf.StoreScratch{Src: bpf.RegA, N: memFlags},

		// The IP header: X becomes its length, A what follows. Fragments are dropped.
		bpf.LoadAbsolute{Off: 0, Size: 1},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: 6 << 4, SkipTrue: 6},
		bpf.LoadAbsolute{Off: ip4Fragment, Size: 2},
		bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: 0x3fff, SkipTrue: 1},
		drop,
		bpf.LoadMemShift{Off: 0},
		bpf.LoadAbsolute{Off: ip4Proto, Size: 1},
		bpf.Jump{Skip: 2},
		bpf.LoadConstant{Dst: bpf.RegX, Val: ip6Header},
		bpf.LoadAbsolute{Off: ip6Next, Size: 1},

		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(wire.TCP), SkipTrue: 6},
		bpf.LoadIndirect{Off: tcpFlags, Size: 1},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: uint32(wire.SYN | wire.ACK | wire.RST | wire.FIN)},
		bpf.LoadScratch{Dst: bpf.RegX, N: memFlags},
		bpf.JumpIfX{Cond: bpf.JumpNotEqual, SkipTrue: 1},
		bpf.RetConstant{Val: snapSample},
		drop,

		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(wire.UDP), SkipTrue: 1},
		drop,
		bpf.LoadScratch{Dst: bpf.RegA, N: memFlags},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: both, SkipTrue: 4},
		bpf.LoadIndirect{Off: srcPort, Size: 2},
		bpf.StoreScratch{Src: bpf.RegA, N: memTheirs},
		bpf.LoadIndirect{Off: dstPort, Size: 2},
		bpf.Jump{Skip: 3},
		bpf.LoadIndirect{Off: dstPort, Size: 2}, // of what is sent
		bpf.StoreScratch{Src: bpf.RegA, N: memTheirs},
		bpf.LoadIndirect{Off: srcPort, Size: 2},
		bpf.TAX{}, // ours
		bpf.LoadScratch{Dst: bpf.RegA, N: memTheirs},
		bpf.JumpIf{Cond: bpf.JumpGreaterOrEqual, Val: farPorts, SkipTrue: 1},
		drop,
		bpf.TXA{},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: ourPorts, SkipTrue: 1},
		drop,
	}...)
	for _, port := range but {
		code = append(code, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: uint32(port), SkipTrue: 1}, drop)
	}
	return append(code, bpf.RetConstant{Val: snapSample})
}

func TestSampleProgramIsWhatItSays(t *testing.T) {
	for _, tt := range []struct {
		but   []uint16
		shift uint8
	}{{nil, 0}, {[]uint16{7}, 3}, {[]uint16{5060, 6881, 123}, mostShift}} {
		want, err := bpf.Assemble(readableSample(tt.but, tt.shift))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, sampleCode(tt.but, tt.shift)); diff != "" {
			t.Errorf("except %d, one of 1 << %d (-want +got):\n%s", tt.but, tt.shift, diff)
		}
	}
}
