// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestSender(t *testing.T) {
	k := newKeys()
	of := func(which uint16, text string) sender { return k.sender(which, netip.MustParseAddr(text)) }
	t.Run("an_address_comes_back", func(t *testing.T) {
		for _, text := range []string{"0.0.0.0", "203.0.113.7", "255.255.255.255", "::", "2001:db8:1:2:3:4:5:6", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "::fffe:203.0.113.7"} {
			s := of(0, text)
			if got := s.address.addr(); got.String() != netip.MustParseAddr(text).String() {
				t.Errorf("%s comes back as %s", text, got)
			}
		}
	})
	t.Run("a_network_shares_one_hash_and_no_more", func(t *testing.T) {
		for _, tt := range []struct {
			a, b string
			same bool
		}{
			{"203.0.113.0", "203.0.113.255", true},
			{"203.0.113.0", "203.0.112.0", false},
			{"2001:db8:1:200::", "2001:db8:1:2ff:ffff:ffff:ffff:ffff", true},
			{"2001:db8:1:200::", "2001:db8:1:300::", false},
			{"2001:db8:1:200::", "2001:db9:1:200::", false},
			{"203.0.113.0", "2001:db8:1:200::", false},
			{"203.0.113.0", "0:ffff:cb00:7100::", false}, // the words of the IPv4-mapped one in another place
			{"203.0.113.0", "0:0:cb00:7100::", false},
			{"203.0.113.0", "2001:db8::ffff:cb00:7100", false},
			{"0.0.0.0", "::", false},
		} {
			a, b := of(1, tt.a), of(1, tt.b)
			if same := a.network == b.network; same != tt.same || a.self == b.self {
				t.Errorf("%s and %s: one network %t, want %t; one sender %t", tt.a, tt.b, same, tt.same, a.self == b.self)
			}
		}
	})
	t.Run("keys_are_of_64_random_bits", func(t *testing.T) {
		any, all := uint64(0), ^uint64(0)
		for range 40 {
			for _, n := range newKeys().senders {
				any, all = any|n, all&n
			}
		}
		if any != ^uint64(0) || all != 0 { // each bit is the same in 240 numbers once in 10^70
			t.Errorf("bits %x are always 0, and %x always 1", ^any, all)
		}
	})
	t.Run("knocks_and_keys_are_apart", func(t *testing.T) {
		a, b, c := of(1, "203.0.113.7"), of(2, "203.0.113.7"), newKeys().sender(1, netip.MustParseAddr("203.0.113.7"))
		if a.network == b.network || a.self == b.self || a.network == c.network || a.self == c.self {
			t.Errorf("%+v, %+v, %+v share a hash", a, b, c)
		}
	})
}

// TestNetworksInARowAreSpread over the sets of a table, whatever the keys are: who has a row of networks would
// reach one set with many of them where keys are bad for that row.
func TestNetworksInARowAreSpread(t *testing.T) {
	const sets, most = 4096, 16 // one each is to be expected; more than 16 of one come once in 10^14 sets
	for range 1000 {
		k := newKeys()
		var loads [sets]int
		for i := range uint32(sets) {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], 10<<24+i<<8)
			s := k.sender(0, netip.AddrFrom4(b))
			if loads[s.network%sets]++; loads[s.network%sets] > most {
				t.Fatalf("%d of %d networks in a row share one of %d sets", most+1, sets, sets)
			}
		}
	}
}

func TestPrint(t *testing.T) {
	k := newKeys()
	one := wire.Packet{Proto: wire.TCP, SrcPort: 40000, DstPort: 7000, Seq: 1}
	again := one
	if k.print(&one) != k.print(&again) {
		t.Error("a retransmission has another print")
	}
	for _, other := range []wire.Packet{
		{Proto: wire.TCP, SrcPort: 40001, DstPort: 7000, Seq: 1},
		{Proto: wire.TCP, SrcPort: 40000, DstPort: 7001, Seq: 1},
		{Proto: wire.TCP, SrcPort: 40000, DstPort: 7000, Seq: 2},
	} {
		if k.print(&one) == k.print(&other) {
			t.Errorf("%+v has the print of %+v", other, one)
		}
	}
}

// TestEachWordHasAKeyOfItsOwn: a hash of which two words share a key, or one has none, is the same for many senders that a
// stranger can choose.
func TestEachWordHasAKeyOfItsOwn(t *testing.T) {
	const one = 1 << 32 // as the only key, it makes the upper half of the sum the word that it belongs to
	source := netip.MustParseAddr("2001:db8:1:2:3:4:5:6")
	p := wire.Packet{SrcPort: 40000, DstPort: 7431, Seq: 99}
	for i, word := range []uint32{1, 7, 0x20010db8, 0x00010002, 0x00030004, 0x00050006} {
		k := new(keys)
		k.senders[i] = one
		if got, want := k.sender(7, source).self, mix(uint64(word)<<32); got != want {
			t.Errorf("key %d of a sender makes %#x, want the hash of %#x, %#x", i, got, word, want)
		}
	}
	for i, word := range []uint32{1, 7, 0x20010db8, 0x00010000} {
		k := new(keys)
		k.networks[i] = one
		if got, want := k.sender(7, source).network, mix(uint64(word)<<32); got != want {
			t.Errorf("key %d of a network makes %#x, want the hash of %#x, %#x", i, got, word, want)
		}
	}
	for i, word := range []uint32{1, 40000<<16 | 7431, 99} {
		k := new(keys)
		k.segments[i] = one
		if got, want := k.print(&p), mix(uint64(word)<<32); got != want {
			t.Errorf("key %d of a segment makes %#x, want the hash of %#x, %#x", i, got, word, want)
		}
	}
}

// TestMix: the last step is that of MurmurHash3 (fmix32), by its hashes of an empty text with two seeds.
func TestMix(t *testing.T) {
	for sum, want := range map[uint64]uint32{1 << 32: 0x514e28b7, 0xffffffff << 32: 0x81f16f39, 0xffffffff: 0} {
		if got := mix(sum); got != want {
			t.Errorf("mix(%#x) is %#x, want %#x", sum, got, want)
		}
	}
}
