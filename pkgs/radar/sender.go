// SPDX-License-Identifier: Apache-2.0

package radar

import (
	"math/bits"
	"net/netip"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// The table of senders has sets*ways of them, 85 kB. Where a set is full, the one that matters least makes
// room: who was seen in the fewest hours of the week, each day of silence counting against one of them; of these
// he of whom the fewest packets were seen, and of these who was silent longest. So a flood in the names of
// strangers, each of whom is seen once, cannot push out who comes again and again: each name must last as long.
const (
	sets = 32
	ways = 8
)

const (
	// manyPorts in a day are a scan. A message in slots of ports has 24.
	manyPorts = 32

	day      = 24 * 60 * 60 // seconds, as all that follow
	quiet    = 10           // of silence, after which a scan is reported
	longest  = 120          // from its manyPorts-th port on, after which it is reported anyway
	ignoring = 60 * 60      // from the last time that a knock opened something
)

// sender is who tried something; the zero sender is nobody.
type sender struct {
	_        [0]func() // nobody compares senders
	address  [16]byte  // as As16 has it; of an IPv6 network of 64 bits, which is one sender, the newest
	hours    [6]uint32 // a bit for each hour of the week in which he was seen, at its number modulo hours
	attempts count
	samples  count // packets that attempts were taken from
	first    uint32
	last     uint32
	ignored  uint32 // until when his packets are no attempts
	day      uint32 // since when ports are counted
	scan     uint32 // when that became a scan
	state    state  // of it
	filled   uint16 // registers that are not 0
	ports    [registers / 2]byte
}

// state is how far a scan is.
type state uint8

const (
	none state = iota
	going
	reported
)

// hash mixes bytes so that strangers cannot foresee the result: FNV-1a and the finalizer of MurmurHash3.
func (t *Table) hash(b []byte) uint32 {
	h := t.Seed
	for _, c := range b {
		h = (h ^ uint32(c)) * 16777619
	}
	h = (h ^ h>>16) * 0x85ebca6b
	h = (h ^ h>>13) * 0xc2b2ae35
	return h ^ h>>16
}

// sender returns the one with an address, or makes room for him.
func (t *Table) sender(at uint32, address [16]byte) *sender {
	n := 8 // whoever has one address of an IPv6 network has them all
	if netip.AddrFrom16(address).Is4In6() {
		n = 16
	}
	set := t.senders[t.hash(address[:n])%sets*ways:][:ways]
	least, lowest := &set[0], 1<<30
	for i := range set {
		s := &set[i]
		if string(s.address[:n]) == string(address[:n]) {
			s.address = address
			return s
		}
		rank := (s.active() - int(at-s.last)/day) << 20
		if s.ignored > at {
			rank = 1 << 29
		}
		rank += int(min(s.samples, 1<<20-1))
		if rank < lowest || rank == lowest && s.last < least.last {
			least, lowest = s, rank
		}
	}
	*least = sender{address: address}
	return least
}

// active is in how many hours of the week he was seen.
func (s *sender) active() (n int) {
	for _, bit := range s.hours {
		n += bits.OnesCount32(bit)
	}
	return n
}

// Ignore says that a knock of this address opened something. What is known of the sender is forgotten, and
// what he sends within an hour is no attempt: his steps and retries must not be reported.
func (t *Table) Ignore(at uint32, a netip.Addr) {
	s := t.sender(at, a.As16())
	*s = sender{address: s.address, last: at, ignored: at + ignoring}
}

// attempt counts an attempt of a sender. It returns false for one who is ignored.
func (t *Table) attempt(at uint32, address [16]byte, port, of uint32) bool {
	s := t.sender(at, address)
	s.last = at
	if s.ignored > at {
		return false
	}
	if s.active() == 0 { // for a week, or ever
		*s = sender{address: address, first: at, last: at, day: at}
	}
	if at-s.day >= day && s.state != going {
		s.day, s.state, s.filled, s.ports = at, none, 0, [len(s.ports)]byte{}
	}
	s.hours[t.hour%hours/32] |= 1 << (t.hour % hours % 32)
	s.attempts.add(of)
	s.samples.add(1)

	// HyperLogLog (Flajolet and others, 2007), with registers of 4 bits.
	h := t.hash([]byte{byte(port >> 16), byte(port >> 8), byte(port)})
	i, shift := h%registers/2, h%2*4
	old := s.ports[i] >> shift & 15
	if run := byte(min(bits.TrailingZeros32(h/registers|1<<20)+1, 15)); run > old {
		s.ports[i] ^= (old ^ run) << shift
	}
	if old == 0 {
		s.filled++
		if s.state == none && s.different() >= manyPorts {
			s.state, s.scan = going, at
		}
	}
	return true
}

const registers = 512

// different is how many ports were tried: below 1280 by how many registers are filled, as so many draws
// fill them on average, from there on by what is in them. The standard error is below 5 %.
func (s *sender) different() int {
	sum, draws := uint32(0), uint32(0) // in units of 2^-15, 2^-16
	for _, b := range s.ports {
		sum += 1<<(15-b&15) + 1<<(15-b>>4)
	}
	raw := 7198 * registers * registers / 10000 << 7 / (sum >> 8) // 0.7198 is 0.7213 / (1 + 1.079 / registers)
	if raw > 5*registers/2 || s.filled == registers {
		return int(raw)
	}
	for empty := uint32(registers); empty > registers-uint32(s.filled); empty-- {
		draws += registers << 16 / empty
	}
	return int(draws+1<<15) >> 16
}

// report returns what is known of a sender. If all of his attempts were looked at, he tried as many ports as were
// seen; else perhaps at each of the others a further one. Nothing narrower is sure: who tries each port twice,
// as nmap does, and who tries twice as many once leave the same samples.
func (s *sender) report(at uint32, now time.Time) control.RadarSender {
	n := s.different()
	return control.RadarSender{
		Address: netip.AddrFrom16(s.address).Unmap().String(), Attempts: int(s.attempts), Samples: int(s.samples),
		Ports: n, Most: min(n+int(s.attempts-s.samples), ports), Hours: s.active(),
		First: when(s.first, at, now), Last: when(s.last, at, now), Scan: s.state != none,
	}
}

// Scan returns a sender who tried many ports, each once in a day, when he has stopped or some time after; false
// if there is none who is to be reported.
func (t *Table) Scan(at uint32, now time.Time) (control.RadarSender, bool) {
	for i := range t.senders {
		if s := &t.senders[i]; s.state == going && (at-s.last >= quiet || at-s.scan >= longest) {
			s.state = reported
			return s.report(at, now), true
		}
	}
	return control.RadarSender{}, false
}
