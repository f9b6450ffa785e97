// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// sampled is what a Sampler handed over: to which port, and for how many it stands.
type sampled map[uint16]uint32

func newSampler(t *testing.T, devices ...string) *Sampler {
	t.Helper()
	s, err := NewSampler()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	s.Watch(devices)
	return s
}

func (s *Sampler) into(t *testing.T, seen sampled) {
	t.Helper()
	if _, err := s.Read(func(p *wire.Packet, of uint32) bool {
		seen[p.DstPort] += of
		return false
	}); err != nil {
		t.Fatal(err)
	}
}

// toRouter puts the hardware address of a device into frames, as a neighbour does.
func (p *wirePort) toRouter(packet []byte) {
	p.t.Helper()
	p.frameTo(packet, routerMAC)
}

var routerMAC = [6]byte{2, 0, 0, 0, 0, 9}

func addRouter(t *testing.T) *wirePort {
	t.Helper()
	addPair(t, "lk0", "lk1", "address", "02:00:00:00:00:09")
	return openPort(t, "lk1")
}

func TestSampler_looks_at_what_asks(t *testing.T) {
	lab.Enter(t)
	port := addRouter(t)
	s := newSampler(t, "lk0")
	seen := sampled{}
	s.into(t, seen)
	far, us := netip.MustParseAddrPort("198.51.100.7:40000"), netip.MustParseAddr("203.0.113.1")
	far6, us6 := netip.MustParseAddrPort("[2001:db8::7]:40000"), netip.MustParseAddr("2001:db8::1")
	to := func(n uint16) netip.AddrPort { return netip.AddrPortFrom(us, n) }
	named := netip.MustParseAddrPort("198.51.100.7:53")
	packets := []struct {
		what   string
		packet []byte
		is     uint32
	}{
		{"SYN", wire.AppendTCP(nil, far, to(1), 1, wire.SYN, nil), 1},
		{"SYN of IPv6", wire.AppendTCP(nil, far6, netip.AddrPortFrom(us6, 2), 1, wire.SYN, nil), 1},
		{"an answer to our SYN", wire.AppendTCP(nil, far, to(3), 1, wire.SYN|wire.ACK, nil), 0},
		{"a packet of a connection", wire.AppendTCP(nil, far, to(4), 1, wire.ACK, nil), 0},
		{"UDP", wire.AppendUDP(nil, far, to(5), []byte("x")), 1},
		{"UDP of IPv6", wire.AppendUDP(nil, far6, netip.AddrPortFrom(us6, 6), []byte("x")), 1},
		{"an answer of a name server", wire.AppendUDP(nil, named, to(7), []byte("x")), 0},
		{"UDP to the last port that counts", wire.AppendUDP(nil, far, to(ourPorts-1), []byte("x")), 1},
		{"UDP to a port that systems ask from", wire.AppendUDP(nil, far, to(ourPorts), []byte("x")), 0},
	}
	for _, p := range packets {
		port.toRouter(p.packet)
	}
	port.toRouter(syn(9999, 1)) // the last
	eventually(t, "the last packet is seen", func() bool { s.into(t, seen); return seen[9999] == 1 })
	for i, p := range packets {
		var at wire.Packet
		if err := at.Decode(p.packet); err != nil {
			t.Fatal(err)
		}
		if got := seen[at.DstPort]; got != p.is {
			t.Errorf("%s (%d): counted %d times, want %d", p.what, i, got, p.is)
		}
	}
}

// What the neighbours of a wire say to all, or to each other, is for nobody here.
func TestSampler_looks_at_nothing_for_others(t *testing.T) {
	lab.Enter(t)
	port := addRouter(t)
	s := newSampler(t, "lk0")
	seen := sampled{}
	s.into(t, seen)
	port.send(syn(1, 1))                                // to everyone
	port.frameTo(syn(2, 1), [6]byte{2, 0, 0, 0, 0, 10}) // to somebody else
	port.frameTo(syn(3, 1), [6]byte{1, 0, 94, 0, 0, 1}) // to a group
	port.toRouter(syn(4, 1))
	eventually(t, "the last packet is seen", func() bool { s.into(t, seen); return seen[4] == 1 })
	if len(seen) != 1 {
		t.Errorf("seen: %v", seen)
	}
}

// Of what is sent, one call out of outgoingOnce tells, and what is for nothing but that stays.
func TestSampler_sees_what_is_sent_now_and_then(t *testing.T) {
	lab.Enter(t)
	addRouter(t)
	s := newSampler(t, "lk0")
	ours := openPort(t, "lk0")
	theirs := netip.MustParseAddrPort("198.51.100.7:40000")
	answer := wire.AppendTCP(nil, netip.AddrPortFrom(receiver4.Addr(), 443), theirs, 1, wire.SYN|wire.ACK, nil)
	question := wire.AppendUDP(nil, netip.AddrPortFrom(receiver4.Addr(), 5060), theirs, []byte("x"))
	asked := wire.AppendTCP(nil, netip.AddrPortFrom(receiver4.Addr(), 50000), theirs, 1, wire.SYN, nil)
	seen := map[uint16]int{}
	read := func() {
		t.Helper()
		if _, err := s.Read(func(p *wire.Packet, of uint32) bool {
			if of != 0 {
				t.Errorf("what was sent counts as %d attempts", of)
			}
			seen[p.SrcPort]++
			return false
		}); err != nil {
			t.Fatal(err)
		}
		for _, p := range [][]byte{answer, question, asked} {
			ours.send(p)
		}
	}
	eventually(t, "the device works", func() bool { read(); return seen[443] > 0 })
	clear(seen)
	for range 4 * outgoingOnce {
		read()
	}
	if seen[443] != 4 || seen[5060] != 4 || seen[50000] != 0 {
		t.Errorf("seen %v, want 443 and 5060 four times each", seen)
	}
}

// A flood fills the ring, and is thinned out; all of it is counted, and who sends a part of it has his part.
func TestSampler_counts_all_of_a_flood(t *testing.T) {
	lab.Enter(t)
	port := addRouter(t)
	s := newSampler(t, "lk0")
	seen := sampled{}
	s.into(t, seen)
	total := func() (n uint32) {
		for _, of := range seen {
			n += of
		}
		return n
	}
	calls, tolerance := 40, .1
	if testing.Short() { // an emulated machine takes seconds for each
		calls, tolerance = 10, .2
	}
	const each = 5000
	r := rand.New(rand.NewPCG(1, 1))
	handed := 0
	for range calls {
		for range each {
			port.toRouter(syn(uint16(1+r.IntN(4)), 1)) // 1 to 4, a quarter each
		}
		if _, err := s.Read(func(p *wire.Packet, of uint32) bool {
			handed++
			seen[p.DstPort] += of
			return false
		}); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d of %d packets were looked at; they stand for %d: %v", handed, calls*each, total(), seen)
	if handed > 4*tooMany+calls*enough {
		t.Errorf("%d packets were looked at", handed)
	}
	// Four standard errors of a sample of half of enough at each call.
	if off := float64(total())/float64(calls*each) - 1; off < -tolerance || off > tolerance {
		t.Errorf("counted %d packets of %d", total(), calls*each)
	}
	for port := uint16(1); port <= 4; port++ {
		if share := float64(seen[port]) / float64(total()); share < .15 || share > .35 {
			t.Errorf("port %d has %.2f of it, want a quarter", port, share)
		}
	}
	for range 20 {
		s.into(t, sampled{})
	}
	if shift := s.samples[0].shift; shift != 0 {
		t.Errorf("after the flood one of %d is looked at", 1<<shift)
	}
}

func TestSampler_leaves_out_ports_that_are_not_worth_it(t *testing.T) {
	lab.Enter(t)
	port := addRouter(t)
	s := newSampler(t, "lk0")
	far := netip.MustParseAddrPort("198.51.100.7:40000")
	to := func(n int) []byte {
		return wire.AppendUDP(nil, far, netip.AddrPortFrom(receiver4.Addr(), uint16(n)), []byte("x"))
	}
	read := func(skip bool) (ports []uint16) {
		if _, err := s.Read(func(p *wire.Packet, _ uint32) bool { ports = append(ports, p.DstPort); return skip }); err != nil {
			t.Fatal(err)
		}
		return ports
	}
	wait := func(skip bool, last uint16) (ports []uint16) {
		t.Helper()
		eventually(t, "the last packet is seen", func() bool { ports = append(ports, read(skip)...); return slices.Contains(ports, last) })
		return ports
	}
	read(false)
	for n := range mostBut + 8 {
		port.toRouter(to(1000 + n))
		port.toRouter(to(1000 + n))
	}
	wait(true, 1000+mostBut+7)
	for n := range mostBut + 8 {
		port.toRouter(to(1000 + n))
	}
	port.toRouter(to(5000))
	if got, want := wait(false, 5000), []uint16{1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 5000}; !slices.Equal(got, want) {
		t.Errorf("seen %d, want %d: the newest %d are left out", got, want, mostBut)
	}
}

func TestSampler_follows_devices_that_come_and_go(t *testing.T) {
	lab.Enter(t)
	s := newSampler(t, "lk0")
	for range 2 {
		seen := sampled{}
		s.into(t, seen) // there is no device
		port := addRouter(t)
		eventually(t, "a packet is seen", func() bool {
			port.toRouter(syn(7, 1))
			s.into(t, seen)
			return seen[7] > 0
		})
		ip(t, "link", "set", "lk0", "down")
		ip(t, "link", "set", "lk0", "up")
		eventually(t, "a packet is seen after the device was down", func() bool {
			port.toRouter(syn(8, 1))
			s.into(t, seen)
			return seen[8] > 0
		})
		ip(t, "link", "del", "lk0")
	}
}

// The program is small enough for the least room that a router has for it, and answers as it says for any packet.
func TestSampleProgramTakesAnyPacket(t *testing.T) {
	var code []bpf.Instruction
	for _, i := range readableSample(nil, 0) {
		if e, is := i.(bpf.LoadExtension); is && e.Num != bpf.ExtProto {
			i = bpf.LoadConstant{Dst: bpf.RegA, Val: 0} // no VLAN, for us, chosen
		} else if is {
			i = bpf.LoadConstant{Dst: bpf.RegA, Val: 0x0800}
		}
		code = append(code, i)
	}
	vm, err := bpf.NewVM(code)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(2, 2))
	took := [2]int{}
	for range 100_000 {
		b := randomPacket(r, wire.Filter{SYN: knockPort, UDP: knockPort})
		n, err := vm.Run(b)
		if err != nil {
			t.Fatal(err)
		}
		var p wire.Packet
		if p.Decode(b) != nil || len(b) > 0 && b[0]>>4 == 6 && b[6] != byte(p.Proto) { // with extension headers
			continue
		}
		want := p.IsSYN() || p.Proto == wire.UDP && p.SrcPort >= farPorts && p.DstPort < ourPorts
		if want != (n > 0) {
			t.Fatalf("%x: taken %v, want %v", b, n > 0, want)
		}
		took[min(n, 1)]++
	}
	if took[0] < 1000 || took[1] < 1000 {
		t.Errorf("left %d and took %d: the test shows nothing", took[0], took[1])
	}
	if n := len(sampleCode(make([]uint16, mostBut), 1)); n > 200 {
		t.Errorf("%d instructions", n)
	}
}

// All its memory is in Sampler itself and in the queues, however many devices there are.
func TestSampler_has_no_more_memory_than_it_says(t *testing.T) {
	lab.Enter(t)
	addRouter(t)
	addPair(t, "lk2", "lk3")
	for _, devices := range [][]string{{"lk0"}, {"lk0", "lk1", "lk2", "lk3"}} {
		s := newSampler(t, devices...)
		s.into(t, sampled{})
		all := 0
		for _, d := range s.samples {
			room, err := unix.GetsockoptInt(d.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
			if err != nil {
				t.Fatal(err)
			}
			all += room
		}
		if all > sampleRoom || all < sampleRoom*9/10 {
			t.Errorf("%d devices have queues of %d bytes, want %d", len(devices), all, sampleRoom)
		}
	}
	if size := unsafe.Sizeof(Sampler{}); size > 6<<10 {
		t.Errorf("a Sampler has %d bytes", size)
	}
}
