// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"bytes"
	"math/big"
	"testing"

	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestSlots(t *testing.T) {
	msg := make([]byte, 24)
	msg[0], msg[1], msg[23] = 255, 7, 255
	ports := Slots(msg, 20480)
	if ports[0] != 20480+255 || ports[1] != 20480+256+7 || ports[2] != 20480+512 || ports[23] != 26623 {
		t.Errorf("ports are %v", ports)
	}
	if got := bytesOf(t, ports, 20480); !bytes.Equal(got, msg) {
		t.Errorf("back is %x, want %x", got, msg)
	}
	for _, port := range []uint16{0, 20479, 26624, 65535} {
		if slot, b, ok := slotOf(port, 20480); ok {
			t.Errorf("port %d is byte %#x of slot %d, want none", port, b, slot)
		}
	}
	if ports := Slots(msg, 65536-24*256); ports[23] != 65535 {
		t.Errorf("the last port of the highest base is %d", ports[23])
	}
}

// bytesOf reads back what Slots returned.
func bytesOf(t *testing.T, ports []uint16, base uint16) (msg []byte) {
	t.Helper()
	for i, port := range ports {
		slot, b, ok := slotOf(port, base)
		if slot != i || !ok {
			t.Fatalf("port %d is in slot %d (%v), want %d", port, slot, ok, i)
		}
		msg = append(msg, b)
	}
	return msg
}

// forms are ordered forms of many radixes, each with the digits of 24 and of 40 bytes.
var forms = []struct {
	Ordered
	short, long int
}{
	{Ordered{Groups: []wire.PortRange{{First: 4000, Last: 4001}}}, 192, 320},
	{Ordered{Groups: []wire.PortRange{{First: 1, Last: 1}, {First: 65535, Last: 65535}}, Header: []uint16{9}}, 192, 320},
	{Ordered{Groups: []wire.PortRange{{First: 10, Last: 12}}, Footer: []uint16{13, 13}}, 122, 202},
	{Ordered{Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 854}}, // radix 256
		Header: []uint16{900, 901, 900}, Footer: []uint16{902}}, 24, 40},
	{Ordered{Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 855}}}, 24, 40}, // radix 257
	{Ordered{Groups: []wire.PortRange{{First: 20480, Last: 26623}}, Header: []uint16{1000, 1000}}, 16, 26},
	{Ordered{Groups: []wire.PortRange{{First: 1, Last: 65535}}}, 13, 21},
}

func TestDigits(t *testing.T) {
	for _, f := range forms {
		for _, size := range []int{24, 40} {
			want := f.short
			if size == 40 {
				want = f.long
			}
			for _, fill := range []byte{0, 1, 0x80, 0xff} {
				msg := bytes.Repeat([]byte{fill}, size)
				ports := Digits(msg, f.Ordered)
				if n := len(ports) - len(f.Header) - len(f.Footer); n != want {
					t.Errorf("%+v: %d digits for %d bytes, want %d", f.Ordered, n, size, want)
				}
				if got, want := numberOf(t, ports, f.Ordered), new(big.Int).SetBytes(msg); got.Cmp(want) != 0 {
					t.Errorf("%+v: the digits are %x, want %x", f.Ordered, got, want)
				}
			}
		}
	}
	t.Run("radix_256_is_one_port_for_each_byte", func(t *testing.T) {
		msg := []byte("one port for each byte..")
		ports := Digits(msg, forms[3].Ordered)
		if ports[3] != 700+'o'-101 || ports[4] != 700+'n'-101 || ports[6] != 500+' ' {
			t.Errorf("ports are %v", ports)
		}
	})
}

// numberOf reads the ports between header and footer as the digits of a number, by math/big.
func numberOf(t *testing.T, ports []uint16, o Ordered) *big.Int {
	t.Helper()
	number, radix := new(big.Int), big.NewInt(int64(o.radix()))
	for _, port := range ports[len(o.Header) : len(ports)-len(o.Footer)] {
		digit, ok := o.digit(port)
		if !ok {
			t.Fatalf("port %d is no digit of %+v", port, o)
		}
		number.Add(number.Mul(number, radix), big.NewInt(int64(digit)))
	}
	return number
}

// TestDigitsThatAreMoreThanAMessageHolds: the highest digits of a form may be, as 257^24 - 1 in 24 bytes.
func TestDigitsThatAreMoreThanAMessageHolds(t *testing.T) {
	number := make([]byte, 24)
	for range len(number) - 1 {
		if !multiplyAdd(number, 257, 256) {
			t.Fatalf("%x has no room for one digit more", number)
		}
	}
	if multiplyAdd(number, 257, 256) {
		t.Errorf("257^24 - 1 is %x", number)
	}
}

// formOf makes a valid form of any numbers.
func formOf(a, b, gap, header uint16) Ordered {
	first := wire.PortRange{First: 1 + a%20000, Last: 1 + a%20000 + b%20000}
	second := wire.PortRange{First: first.Last + 2 + gap%1000}
	second.Last = second.First + (a^b)%20000
	o := Ordered{Groups: []wire.PortRange{first, second}}
	for i := range header % MaxFrame {
		o.Header = append(o.Header, second.Last+1+i%3)
		o.Footer = append(o.Footer, second.Last+4)
	}
	return o
}

func FuzzDigits(f *testing.F) {
	f.Add(bytes.Repeat([]byte{0xff}, 40), uint16(1), uint16(2), uint16(3), uint16(0))
	f.Add(make([]byte, 24), uint16(65535), uint16(65535), uint16(65535), uint16(65535))
	f.Fuzz(func(t *testing.T, seed []byte, a, b, gap, header uint16) {
		msg := make([]byte, 24)
		if len(seed) > 24 {
			msg = make([]byte, 40)
		}
		copy(msg, seed)
		o := formOf(a, b, gap, header)
		ports := Digits(msg, o)
		if got, want := numberOf(t, ports, o), new(big.Int).SetBytes(msg); got.Cmp(want) != 0 {
			t.Errorf("%+v: the digits are %x, want %x", o, got, want)
		}
	})
}

func FuzzSlots(f *testing.F) {
	f.Add([]byte("any message of 24 bytes"), uint16(20480))
	f.Fuzz(func(t *testing.T, seed []byte, base uint16) {
		base %= 65536 - slotCount*slotSize + 1
		msg := make([]byte, 24)
		copy(msg, seed)
		if got := bytesOf(t, Slots(msg, base), base); !bytes.Equal(got, msg) {
			t.Errorf("back is %x, want %x", got, msg)
		}
	})
}
