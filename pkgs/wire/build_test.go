// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"testing"
)

// TestAppend_makes_known_bytes has packets whose checksums were worked out independently of this package.
func TestAppend_makes_known_bytes(t *testing.T) {
	for name, tt := range map[string]struct {
		got  []byte
		want string
	}{
		"udp over ipv4": {
			AppendUDP(nil, netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:2"), []byte{0xab}),
			"4500001d00004000401126ce0a0000010a000002" + "00010002000940d6" + "ab",
		},
		"icmp": {
			AppendEcho(nil, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 1, 2, nil),
			"4500001c00004000400126df0a0000010a000002" + "0800f7fc00010002",
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got := hex.EncodeToString(tt.got); got != tt.want {
				t.Errorf("packet\n %s, want\n %s", got, tt.want)
			}
		})
	}
}

func TestAppend_panics_without_a_common_family(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	AppendUDP(nil, phone4, router6, nil)
}

func TestAppendUDP_never_sends_checksum_0(t *testing.T) {
	var payload [2]byte
	for n := range 1 << 16 {
		payload[0], payload[1] = byte(n>>8), byte(n)
		if b := AppendUDP(nil, phone4, router4, payload[:]); b[26] == 0 && b[27] == 0 {
			t.Fatalf("payload %x has checksum 0", payload)
		}
	}
}

func FuzzAppend(f *testing.F) {
	f.Add([]byte("\xcb\x00\x71\x07"), []byte("\xc6\x33\x64\x01"), uint16(40000), uint16(7000), uint32(7), uint8(2), []byte("hello"))
	f.Add(phone6.Addr().AsSlice(), router6.Addr().AsSlice(), uint16(0), uint16(65535), uint32(1<<31), uint8(255), []byte{})
	f.Fuzz(func(t *testing.T, src, dst []byte, sport, dport uint16, seq uint32, flags uint8, payload []byte) {
		from, ok1 := netip.AddrFromSlice(src)
		to, ok2 := netip.AddrFromSlice(dst)
		from, to = from.Unmap(), to.Unmap()
		if !ok1 || !ok2 || from.Is4() != to.Is4() || len(payload) > 2000 {
			return
		}
		a, b := netip.AddrPortFrom(from, sport), netip.AddrPortFrom(to, dport)
		for _, packet := range [][]byte{
			AppendUDP(nil, a, b, payload),
			AppendTCP(nil, a, b, seq, TCPFlags(flags), payload),
			AppendEcho(nil, from, to, sport, dport, payload),
		} {
			var p Packet
			if err := p.Decode(packet); err != nil {
				t.Fatalf("Decode(%x): %v", packet, err)
			}
			if p.Src != from || p.Dst != to || p.Size != len(payload) || !bytes.Equal(p.Payload, payload) {
				t.Errorf("%x became %+v", packet, p)
			}
			if p.Proto == TCP && (p.Seq != seq || p.Flags != TCPFlags(flags)) ||
				(p.Proto == TCP || p.Proto == UDP) && (p.SrcPort != sport || p.DstPort != dport) ||
				(p.Proto == ICMP || p.Proto == ICMPv6) && !p.IsEcho() {
				t.Errorf("%x became %+v", packet, p)
			}
			checkChecksums(t, packet, &p)
		}
	})
}

// checkChecksums sums as a receiver does: over everything, and the result must be 0.
func checkChecksums(t *testing.T, b []byte, p *Packet) {
	t.Helper()
	header := ipv6Header
	if p.Src.Is4() {
		header = ipv4Header
		if sum := checksum(b[:header], 0); sum != 0 {
			t.Errorf("IP checksum is off by %#x", sum)
		}
	}
	var start uint32
	if p.Proto != ICMP {
		start = pseudoHeader(p.Src, p.Dst, p.Proto, len(b)-header)
	}
	if sum := checksum(b[header:], start); sum != 0 {
		t.Errorf("checksum of protocol %d is off by %#x", p.Proto, sum)
	}
}
