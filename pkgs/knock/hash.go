// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// address is that of a sender in four numbers, which a processor of 32 bits compares and multiplies as they
// are; IPv4 as IPv4-mapped.
type address [4]uint32

func addressOf(a netip.Addr) address {
	if a.Is4() {
		b := a.As4()
		return address{2: 0xffff, 3: binary.BigEndian.Uint32(b[:])}
	}
	b := a.As16()
	return address{binary.BigEndian.Uint32(b[0:]), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:]), binary.BigEndian.Uint32(b[12:])}
}

// addr is the inverse of addressOf.
func (a *address) addr() netip.Addr {
	var b [16]byte
	for i, n := range a {
		binary.BigEndian.PutUint32(b[4*i:], n)
	}
	return netip.AddrFrom16(b).Unmap()
}

// network returns what the addresses of one network have in common: the /24 of IPv4; of IPv6 the /56, the
// smallest delegation that providers give to homes (RIPE-690).
func (a *address) network() (high, low uint32) {
	if a[0] == 0 && a[1] == 0 && a[2] == 0xffff {
		return 0, a[3] | 0xff // which no IPv6 has
	}
	return a[0], a[1] &^ 0xff
}

// sender is who sent a packet, as he is called in one knock and by one table's hashes.
type sender struct {
	which   uint16 // the knock
	address address
	network uint32 // a hash of which and the network
	self    uint32 // a hash of which and the address, which tells nothing of the other one
}

// keys are the secret numbers of hashes. A hash is the upper half of a sum of products with them. Whatever two senders
// somebody chooses who knows no keys, they share one no more often than by chance (multilinear hashing is strongly
// universal: Lemire and Kaser, "Strongly universal string hashing is fast", 2014), and on a router without AES and numbers of
// 64 bits a packet of a flood costs half of what it costs with hash/maphash. Sums of addresses in a row are in a
// row, too, so they are mixed in the end.
type keys struct {
	networks [4]uint64
	senders  [6]uint64
	segments [3]uint64
}

func newKeys() *keys {
	k := new(keys)
	for _, list := range [][]uint64{k.networks[:], k.senders[:], k.segments[:]} {
		for i := range list {
			list[i] = maphash.Bytes(maphash.MakeSeed(), nil) // what is random in a seed
		}
	}
	return k
}

func (k *keys) sender(which uint16, source netip.Addr) sender {
	s := sender{which: which, address: addressOf(source)}
	high, low := s.address.network()
	n, own := &k.networks, &k.senders
	s.network = mix(n[0] + n[1]*uint64(which) + n[2]*uint64(high) + n[3]*uint64(low))
	a := &s.address
	s.self = mix(own[0] + own[1]*uint64(which) + own[2]*uint64(a[0]) + own[3]*uint64(a[1]) + own[4]*uint64(a[2]) + own[5]*uint64(a[3]))
	return s
}

// mix makes each bit of the upper half of a sum count for all bits of the hash, as MurmurHash3 ends.
func mix(sum uint64) uint32 {
	h := uint32(sum >> 32)
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// print returns what tells a TCP segment from every other one of the same sender, but not from its own
// retransmissions, which repeat both ports and the sequence number (RFC 9293, section 3.4).
func (k *keys) print(p *wire.Packet) uint32 {
	n := &k.segments
	return mix(n[0] + n[1]*uint64(uint32(p.SrcPort)<<16|uint32(p.DstPort)) + n[2]*uint64(p.Seq))
}
