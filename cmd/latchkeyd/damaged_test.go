// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestDamagedContents sends knocks that were cut at each byte, or whose content is not what it says, each from an
// address of its own. None may open.
func TestDamagedContents(t *testing.T) {
	d := start(t, everyKind, "--clock", "synchronised")
	send := d.wire()
	k := newKnocker(t)
	from := map[netip.Addr]string{}
	try := func(name string, six bool, packets func(netip.Addr) [][]byte) {
		n := uint16(len(from) + 1)
		a := netip.AddrFrom4([4]byte{198, 18, byte(n >> 8), byte(n)})
		if six {
			a = netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 9, 14: byte(n >> 8), 15: byte(n)})
		}
		from[a] = name
		send(frames(packets(a))...)
	}
	stun := func(name string, payload []byte) {
		try(name, false, func(a netip.Addr) [][]byte { return [][]byte{k.udp(a, stunPort, payload)} })
		try(name, true, func(a netip.Addr) [][]byte { return [][]byte{k.udp(a, stunPort, payload)} })
	}
	spa := k.payload()
	spaOf := func(name string, payload []byte) {
		try(name, false, func(a netip.Addr) [][]byte { return [][]byte{k.udp(a, spaPort, payload)} })
	}

	k.same = k.message() // it is received by nobody
	for _, kind := range kinds {
		for _, family := range kind.families {
			packets := kind.packets
			if kind.name == "fwknop" {
				packets = func(k *knocker, a netip.Addr) [][]byte { return [][]byte{k.udp(a, spaPort, spa)} }
			}
			list := packets(k, netip.MustParseAddr(family))
			whole := len(list[len(list)-1])
			for size := 0; size < whole; size += 1 + whole/100 {
				try(fmt.Sprintf("%s cut to %d of %d bytes", kind.name, size, whole), netip.MustParseAddr(family).Is6(), func(a netip.Addr) [][]byte {
					list := packets(k, a)
					last := len(list) - 1
					list[last] = list[last][:size]
					if size == 0 {
						list = list[:last]
					}
					return list
				})
			}
		}
	}
	k.same = nil
	for i := range 24 {
		msg := k.message()
		msg[i] ^= 1
		stun(fmt.Sprintf("message with another byte %d", i), request(msg))
		try(fmt.Sprintf("message by ports with another byte %d", i), i%2 == 0, func(a netip.Addr) (list [][]byte) {
			for _, port := range knock.Slots(msg, portsBase) {
				list = append(list, k.syn(a, port))
			}
			return list
		})
	}
	for _, msg := range [][]byte{k.message()[:23], append(k.message(), 0), bytes.Repeat(k.message(), 2)[:40], nil} {
		stun(fmt.Sprintf("message of %d bytes", len(msg)), request(msg))
	}
	for name, change := range map[string]func(b []byte) []byte{
		"answer instead of a request":   set(0, 1, 1),
		"another method":                set(1, 3),
		"another magic cookie":          set(4, 0),
		"length of nothing":             set(2, 0, 0),
		"huge length":                   set(2, 0xff, 0xfc),
		"length that is not even":       set(3, 1),
		"user name of nothing":          set(22, 0, 0),
		"user name of one byte":         set(22, 0, 1),
		"huge user name":                set(22, 0xff, 0xff),
		"user name one byte short":      set(23, 31),
		"user name with a space":        set(24+5, ' '),
		"user name with a line's end":   set(24+5, '\n'),
		"user name of another alphabet": set(24+5, '_'),
		"user name with padding":        set(24+31, '='),
		"no user name":                  set(20, 0x80, 0x99),
		"user name behind its integrity": func(b []byte) []byte {
			return append(append(bytes.Clone(b[:20]), b[80:104]...), append(b[20:80:80], b[104:]...)...)
		},
		"nothing but attributes":        func(b []byte) []byte { return append(bytes.Clone(b[:20]), make([]byte, len(b)-20)...) },
		"one attribute without its end": func(b []byte) []byte { return set(2, 0, 2)(b[:22]) },
	} {
		stun("STUN with "+name, change(request(k.message())))
	}
	for i := 0; i < len(spa); i += 5 {
		changed := bytes.Clone(spa)
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		spaOf(fmt.Sprintf("fwknop packet with another character %d", i), changed)
	}
	for name, payload := range map[string][]byte{
		"nothing":          {},
		"1400 zeros":       make([]byte, 1400),
		"1400 characters":  bytes.Repeat([]byte("A"), 1400),
		"two in one":       append(bytes.Clone(spa), spa...),
		"no base64":        bytes.Repeat([]byte("%"), len(spa)),
		"characters ahead": append([]byte("AAAA"), spa...),
	} {
		spaOf("fwknop packet of "+name, payload)
	}

	d.knocksOfEveryKind(send, k)
	for _, a := range d.grants("web") {
		if name, is := from[netip.MustParseAddr(a)]; is {
			t.Errorf("opened for %s from %s", name, a)
		}
	}
	t.Logf("%d damaged knocks", len(from))
	lab.Withstood(t, "packets", "knocks of each kind, cut at any byte", nothingOpened)
	lab.Withstood(t, "packets", "a message with one byte changed, or of another length", nothingOpened)
	lab.Withstood(t, "packets", "STUN requests whose type, lengths, cookie or user name are not what they should be", nothingOpened)
	lab.Withstood(t, "packets", "fwknop packets with a character changed, too long, empty or no base64", nothingOpened)
}

// TestRandomChanges changes packets of knocks that would open nothing, for want of a key or of a step, in any way.
func TestRandomChanges(t *testing.T) {
	d := start(t, everyKind, "--clock", "synchronised")
	send := d.wire()
	k, stranger := newKnocker(t), newKnocker(t)
	stranger.key, stranger.spa = otherKey, []string{spaKey, otherKey + "="}
	r := rand.New(rand.NewPCG(12, 1))
	var packets [][]byte
	for _, kind := range kinds {
		for _, family := range kind.families {
			from := netip.MustParseAddr("198.51.100.77")
			if netip.MustParseAddr(family).Is6() {
				from = netip.MustParseAddr("2001:db8:9::77")
			}
			list := kind.packets(stranger, from)
			if kind.name == "sequence" {
				list = list[1:] // it is nobody's: one step is missing
			}
			packets = append(packets, list...)
		}
	}
	const total = 5000
	for range total {
		f := ether(packets[r.IntN(len(packets))])
		for range 1 + r.IntN(4) {
			switch at := 12 + r.IntN(len(f)-12); r.IntN(6) {
			case 0:
				f[at] ^= 1 << r.IntN(8)
			case 1:
				f[at] = []byte{0, 1, 0x7f, 0x80, 0xff}[r.IntN(5)]
			case 2:
				f = f[:max(at, 14)]
			case 3:
				f = slices.Insert(f, at, f[at:at+r.IntN(len(f)-at)]...)
			case 4:
				f = append(f, make([]byte, r.IntN(64))...)
			case 5:
				copy(f[at:], f[12+r.IntN(len(f)-12):])
			}
			f = f[:min(len(f), 1500)]
		}
		send(f)
	}
	d.knocksOfEveryKind(send, k)
	if list := d.grants("nas"); len(list) > 0 {
		t.Errorf("door nas is open for %v", list)
	}
	for _, a := range d.grants("web") {
		if !isHonest(a) {
			t.Errorf("door web is open for %v", a)
		}
	}
	lab.Withstood(t, "packets", "thousands of packets of knocks with bits, lengths and pieces changed at random", nothingOpened)
}
