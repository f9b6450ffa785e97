// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"slices"

	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The layout of a message in slots: byte i is one of the slotSize ports from base + slotSize*i.
const (
	slotCount = seal.ShortSize
	slotSize  = 256
)

// SpanPorts is how many ports the layout in slots takes.
const SpanPorts = slotCount * slotSize

// Slots returns the ports that carry a message of 24 bytes in slots: one for each byte, in the
// order of the slots. base is the first port of the first slot, at most 65536 - 24*256.
func Slots(msg []byte, base uint16) []uint16 {
	ports := make([]uint16, len(msg))
	for i, b := range msg {
		ports[i] = base + uint16(i*slotSize) + uint16(b)
	}
	return ports
}

// slotOf is the reverse of Slots for one port; ok is false if it is in none of the slots.
func slotOf(port, base uint16) (slot int, b byte, ok bool) {
	offset := int(port) - int(base)
	return offset / slotSize, byte(offset % slotSize), offset >= 0 && offset < SpanPorts
}

// Digits returns the ports that carry a message in the ordered form, in the order in which they
// must be sent: the header, the digits and the footer.
//
// The digits are those of the message as one big-endian number, the most significant first, in
// radix N, where N is the number of ports in all groups and digit 0 is the first port of the
// first group. There are always as many as the largest message of its length needs.
func Digits(msg []byte, o Ordered) []uint16 {
	radix := o.radix()
	count := digitCount(len(msg), radix)
	ports := make([]uint16, len(o.Header)+count, len(o.Header)+count+len(o.Footer))
	copy(ports, o.Header)
	rest := slices.Clone(msg)
	for i := len(ports) - 1; i >= len(o.Header); i-- {
		ports[i] = o.port(divide(rest, radix))
	}
	return append(ports, o.Footer...)
}

// radix is the number of ports in all groups, at most 65 536.
func (o *Ordered) radix() uint32 {
	n := uint32(0)
	for _, g := range o.Groups {
		n += size(g)
	}
	return n
}

func size(r wire.PortRange) uint32 { return uint32(r.Last) - uint32(r.First) + 1 }

// digit returns which digit a port stands for.
func (o *Ordered) digit(port uint16) (uint32, bool) {
	below := uint32(0)
	for _, g := range o.Groups {
		if g.First <= port && port <= g.Last {
			return below + uint32(port-g.First), true
		}
		below += size(g)
	}
	return 0, false
}

// port returns the port that stands for a digit below the radix.
func (o *Ordered) port(digit uint32) uint16 {
	for _, g := range o.Groups {
		if digit < size(g) {
			return g.First + uint16(digit)
		}
		digit -= size(g)
	}
	return 0
}

// The arithmetic below is done byte by byte: math/big would make the router's binary bigger, and
// a message has at most 40 bytes.

// digitCount returns how many digits the largest number of size bytes has.
func digitCount(size int, radix uint32) int {
	largest := make([]byte, size)
	for i := range largest {
		largest[i] = 0xff
	}
	n := 0
	for slices.Max(largest) != 0 {
		divide(largest, radix)
		n++
	}
	return n
}

// divide divides a big-endian number in place and returns the remainder. The radix is at most
// 65 536, so nothing here exceeds 24 bits.
func divide(number []byte, radix uint32) (remainder uint32) {
	for i, b := range number {
		v := remainder<<8 | uint32(b)
		number[i], remainder = byte(v/radix), v%radix
	}
	return remainder
}

// multiplyAdd makes number*radix+digit of a big-endian number in place, and reports whether it fits.
func multiplyAdd(number []byte, radix, digit uint32) bool {
	carry := digit
	for i := len(number) - 1; i >= 0; i-- {
		v := uint32(number[i])*radix + carry
		number[i], carry = byte(v), v>>8
	}
	return carry == 0
}
