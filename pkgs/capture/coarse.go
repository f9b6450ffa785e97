// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"

	"golang.org/x/net/bpf"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// compiled is a filter as the kernel takes it.
type compiled struct {
	code []bpf.RawInstruction
	lost string // what it lacks of the filter that was asked for, "" = nothing
}

// plain begins every program: it drops what is no IP, what is for another machine's hardware address, as
// the kernel's own IP does, and what belongs to a VLAN, since a socket on a device sees that of the devices
// above it, too, before it is theirs. A tag with the number 0 is none but a priority (IEEE 802.1Q). At the
// device above it the tag is gone, but before Linux 6.2 its number can still be read.
func plain() block {
	const number = 0xfff // of the tag, in SKF_AD_VLAN_TAG of <linux/filter.h>
	return block{
		bpf.LoadExtension{Num: bpf.ExtProto},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherIPv4, SkipTrue: 2},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: etherIPv6, SkipTrue: 1},
		drop,
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: packetOtherHost, SkipTrue: 1},
		drop,
		bpf.LoadExtension{Num: bpf.ExtVLANTagPresent},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 4},
		bpf.LoadExtension{Num: bpf.ExtVLANTag},
		bpf.ALUOpConstant{Op: bpf.ALUOpAnd, Val: number},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0, SkipTrue: 1},
		drop,
	}
}

// coarser is what takes the place of a filter that is too big, in this order. The last one has less than
// 300 instructions.
var coarser = [...]struct {
	most int // of Coarsen; 0 = what was asked for
	lost string
}{
	{0, ""},
	{1 << 16, "without the hints of messages"},
	{64, "without the hints of messages and with 64 ranges of ports at the most"},
	{8, "without the hints of messages and with 8 ranges of ports at the most"},
}

// Check reports whether a program that leaves out no more than hints can be made for f. Whether a kernel
// has room for it is another question, see Link.Coarse.
func Check(f wire.Filter) error {
	f.Normalize()
	f.Coarsen(coarser[1].most)
	_, err := compile(f)
	return err
}

// programs translates a filter, and what may take its place, as far as they are asked for: most kernels take
// the first.
type programs struct {
	filter wire.Filter
	coarse int // how many of coarser were tried
	list   []compiled
}

// translate translates f, and returns what translates all that may take its place.
func translate(f wire.Filter) (*programs, error) {
	f.Normalize()
	p := &programs{filter: f}
	_, _, err := p.at(0)
	return p, err
}

// at returns the nth program, each shorter than the one before it; ok is false if there are no more.
func (p *programs) at(n int) (program compiled, ok bool, err error) {
	for ; n >= len(p.list) && p.coarse < len(coarser); p.coarse++ {
		c := coarser[p.coarse]
		if c.most > 0 {
			p.filter.Coarsen(c.most)
		}
		code, err := compile(p.filter)
		if errors.Is(err, errFilterTooBig) {
			continue
		}
		raw, err := bpf.Assemble(append(plain(), code...))
		if err != nil {
			return compiled{}, false, fmt.Errorf("assemble filter: %w", err)
		}
		if last := len(p.list) - 1; last < 0 || len(raw) < len(p.list[last].code) {
			p.list = append(p.list, compiled{raw, c.lost})
		}
	}
	if n >= len(p.list) {
		return compiled{}, false, nil
	}
	return p.list[n], true, nil
}

// because says what a program lacks and why, "" if it lacks nothing.
func (c compiled) because(why string) string {
	if c.lost == "" {
		return ""
	}
	return c.lost + ", because " + why
}
