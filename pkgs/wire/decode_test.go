// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var (
	phone4  = netip.MustParseAddrPort("203.0.113.7:40000")
	router4 = netip.MustParseAddrPort("198.51.100.1:7000")
	phone6  = netip.MustParseAddrPort("[2001:db8:1::7]:40000")
	router6 = netip.MustParseAddrPort("[2001:db8::1]:7000")

	equalAddr = cmpopts.EquateComparable(netip.Addr{})
)

func TestDecode(t *testing.T) {
	hello := []byte("hello")
	for name, tt := range map[string]struct {
		b    []byte
		want Packet
	}{
		"tcp over ipv4": {
			AppendTCP(nil, phone4, router4, 7, SYN|PSH, hello),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: TCP, SrcPort: 40000, DstPort: 7000, Seq: 7, Flags: SYN | PSH, Size: 5, Payload: hello},
		},
		"tcp over ipv6": {
			AppendTCP(nil, phone6, router6, 1<<31, SYN|ACK, nil),
			Packet{Src: phone6.Addr(), Dst: router6.Addr(), Proto: TCP, SrcPort: 40000, DstPort: 7000, Seq: 1 << 31, Flags: SYN | ACK},
		},
		"udp over ipv4": {
			AppendUDP(nil, phone4, router4, hello),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello},
		},
		"udp over ipv6": {
			AppendUDP(nil, phone6, router6, hello),
			Packet{Src: phone6.Addr(), Dst: router6.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello},
		},
		"icmp": {
			AppendEcho(nil, phone4.Addr(), router4.Addr(), 1, 2, hello),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: ICMP, ICMPType: 8, Size: 5, Payload: hello},
		},
		"icmpv6": {
			AppendEcho(nil, phone6.Addr(), router6.Addr(), 1, 2, hello),
			Packet{Src: phone6.Addr(), Dst: router6.Addr(), Proto: ICMPv6, ICMPType: 128, Size: 5, Payload: hello},
		},
		"padding of ethernet": {
			append(AppendUDP(nil, phone4, router4, hello), 0, 0, 0),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello},
		},
		"cut by the capture": {
			cut(AppendUDP(nil, phone4, router4, hello), 3),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello[:2]},
		},
		"ipv4 options": {
			withOptions(AppendUDP(nil, phone4, router4, hello)),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello},
		},
		"tcp options cut by the capture": {
			cut(withTCPOptions(AppendTCP(nil, phone4, router4, 1, SYN, hello)), 5+8),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: TCP, SrcPort: 40000, DstPort: 7000, Seq: 1, Flags: SYN, Size: 5, Payload: nil},
		},
		"every extension header that is passed over": {
			withExtensions(AppendUDP(nil, phone6, router6, hello), hopByHop, destOptions, routing, fragment, destOptions),
			Packet{Src: phone6.Addr(), Dst: router6.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 5, Payload: hello},
		},
		"udp shorter than ip says": {
			change(AppendUDP(nil, phone4, router4, hello), 25, 8+3),
			Packet{Src: phone4.Addr(), Dst: router4.Addr(), Proto: UDP, SrcPort: 40000, DstPort: 7000, Size: 3, Payload: hello[:3]},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var p Packet
			if err := p.Decode(tt.b); err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if diff := cmp.Diff(tt.want, p, equalAddr, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("packet differs (-want +got):\n%s", diff)
			}
		})
	}
}

func TestDecode_refuses(t *testing.T) {
	udp4, udp6 := AppendUDP(nil, phone4, router4, nil), AppendUDP(nil, phone6, router6, nil)
	tcp4 := AppendTCP(nil, phone4, router4, 1, SYN, nil)
	mapped := slices.Clone(udp6)
	copy(mapped[8:], netip.MustParseAddr("::ffff:203.0.113.7").AsSlice())
	tooMany := slices.Repeat([]uint8{destOptions}, maxExtensions+1)
	for name, tt := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                          {nil, ErrShort},
		"version 5":                        {change(udp4, 0, 0x55), ErrMalformed},
		"ipv4 header of 16 bytes":          {change(udp4, 0, 0x44), ErrMalformed},
		"ipv4 header longer than packet":   {change(udp4, 0, 0x4f), ErrMalformed},
		"ipv4 cut in its header":           {udp4[:19], ErrShort},
		"ipv4 cut in its udp header":       {udp4[:27], ErrShort},
		"ipv4 too short for udp":           {change(udp4, 3, 27), ErrMalformed},
		"first fragment":                   {change(udp4, 6, 0x20), ErrFragment},
		"second fragment":                  {change(udp4, 7, 1), ErrFragment},
		"ipv4 with gre":                    {change(udp4, 9, 47), ErrProtocol},
		"ipv4 with icmpv6":                 {change(udp4, 9, 58), ErrProtocol},
		"udp length below its header":      {change(udp4, 25, 7), ErrMalformed},
		"udp length above the packet":      {change(udp4, 25, 9), ErrMalformed},
		"tcp header of 16 bytes":           {change(tcp4, 32, 0x40), ErrMalformed},
		"tcp header longer than packet":    {change(tcp4, 32, 0x60), ErrMalformed},
		"ipv6 cut in its header":           {udp6[:39], ErrShort},
		"ipv6 cut in its udp header":       {udp6[:47], ErrShort},
		"ipv6 with icmp":                   {change(udp6, 6, 1), ErrProtocol},
		"ipv6 jumbogram":                   {change(udp6, 5, 0), ErrMalformed},
		"ipv4-mapped source":               {mapped, ErrMapped},
		"ipv6 fragment":                    {change(withExtensions(udp6, fragment), 43, 1), ErrFragment},
		"ipv6 second fragment":             {change(withExtensions(udp6, fragment), 43, 8), ErrFragment},
		"ipv6 on its way":                  {change(withExtensions(udp6, routing), 43, 1), ErrMalformed},
		"ipv6 extension beyond the packet": {change(withExtensions(udp6, destOptions), 41, 3), ErrMalformed},
		"ipv6 cut in its extension":        {withExtensions(udp6, destOptions)[:44], ErrShort},
		"ipv6 with many extensions":        {withExtensions(udp6, tooMany...), ErrMalformed},
		"ipv6 with no next header":         {change(udp6, 6, 59), ErrProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			p := Packet{Proto: TCP, Size: 1}
			if err := p.Decode(tt.b); err != tt.want {
				t.Errorf("Decode: %v, want %v", err, tt.want)
			}
			if diff := cmp.Diff(Packet{}, p, equalAddr); diff != "" {
				t.Errorf("packet is not zero after an error:\n%s", diff)
			}
		})
	}
}

func TestDecode_allocates_nothing(t *testing.T) {
	packets := [][]byte{
		AppendTCP(nil, phone4, router4, 7, SYN, nil),
		AppendUDP(nil, phone6, router6, AppendBindingRequest(nil, [12]byte{}, "abcd:ef", "password")),
		withExtensions(AppendUDP(nil, phone6, router6, nil), hopByHop, routing),
		{0x45},
	}
	var p Packet
	var s STUN
	f := Filter{SYN: []PortRange{{7000, 7000}}, STUN: STUNFilter{Ports: []PortRange{{7000, 7000}}, Hints: [][4]byte{{'a', 'b', 'c', 'd'}}}}
	if n := testing.AllocsPerRun(100, func() {
		for _, b := range packets {
			if p.Decode(b) == nil {
				f.Match(&p)
				_ = s.Decode(p.Payload)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkDecode(b *testing.B) {
	b.ReportAllocs()
	packet := AppendUDP(nil, phone6, router6, AppendBindingRequest(nil, [12]byte{}, "abcdefghijklmnopqrstuvwxyz012345:efgh", "password"))
	var p Packet
	var s STUN
	for b.Loop() {
		if err := p.Decode(packet); err != nil {
			b.Fatal(err)
		}
		if err := s.Decode(p.Payload); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(AppendTCP(nil, phone4, router4, 7, SYN, []byte("hello")))
	f.Add(AppendUDP(nil, phone6, router6, []byte("hello")))
	f.Add(AppendEcho(nil, phone6.Addr(), router6.Addr(), 1, 2, nil))
	f.Add(withExtensions(AppendUDP(nil, phone6, router6, nil), hopByHop, routing, fragment, destOptions))
	f.Add(withOptions(AppendUDP(nil, phone4, router4, nil)))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Packet
		if err := p.Decode(b); err != nil {
			return
		}
		if !p.Src.IsValid() || !p.Dst.IsValid() || p.Src.Is4In6() || p.Dst.Is4In6() || p.Src.Is4() != p.Dst.Is4() {
			t.Errorf("addresses %s and %s", p.Src, p.Dst)
		}
		if len(p.Payload) > p.Size {
			t.Errorf("payload of %d bytes in a packet of size %d", len(p.Payload), p.Size)
		}
		if n := len(p.Payload); n > 0 && !slices.ContainsFunc(b, func(c byte) bool { return c == p.Payload[n-1] }) {
			t.Error("payload is not from the packet")
		}
		// The same packet without what the capture has beyond it decodes alike.
		total := ipv6Header + int(binary.BigEndian.Uint16(b[4:]))
		if p.Src.Is4() {
			total = int(binary.BigEndian.Uint16(b[2:]))
		}
		var again Packet
		if err := again.Decode(b[:min(total, len(b))]); err != nil {
			t.Fatalf("without padding: %v", err)
		}
		if diff := cmp.Diff(p, again, equalAddr); diff != "" {
			t.Errorf("padding matters:\n%s", diff)
		}
	})
}

// change returns a copy of b with one other byte.
func change(b []byte, at int, to byte) []byte {
	b = slices.Clone(b)
	b[at] = to
	return b
}

func cut(b []byte, n int) []byte { return b[:len(b)-n] }

// withOptions puts 4 bytes of options into an IPv4 packet; the checksum is wrong afterwards.
func withOptions(b []byte) []byte {
	b = slices.Insert(slices.Clone(b), ipv4Header, 1, 1, 1, 0)
	b[0]++
	b[3] += 4
	return b
}

// withTCPOptions puts 8 bytes of options into a TCP segment over IPv4.
func withTCPOptions(b []byte) []byte {
	b = slices.Insert(slices.Clone(b), ipv4Header+tcpHeader, 2, 4, 5, 180, 1, 1, 1, 0)
	b[3] += 8
	b[ipv4Header+12] += 2 << 4
	return b
}

// withExtensions puts extension headers of 8 bytes, all zero, into an IPv6 packet.
func withExtensions(b []byte, headers ...uint8) []byte {
	b = slices.Clone(b)
	for _, kind := range slices.Backward(headers) {
		b = slices.Insert(b, ipv6Header, b[6], 0, 0, 0, 0, 0, 0, 0)
		b[6] = kind
		b[5] += 8
	}
	return b
}
