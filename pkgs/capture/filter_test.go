// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"golang.org/x/net/bpf"

	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestCompile_answers_like_Match(t *testing.T) {
	for seed := range uint64(400) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			f := randomFilter(r)
			vm := machineOf(t, f)
			for range 300 {
				compare(t, vm, f, randomPacket(r, f))
			}
		})
	}
}

func FuzzCompile(f *testing.F) {
	f.Add(uint64(1), []byte{})
	f.Add(uint64(2), wire.AppendUDP(nil, netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:5"), nil))
	f.Add(uint64(3), wire.AppendTCP(nil, netip.MustParseAddrPort("[2001:db8::1]:1"), netip.MustParseAddrPort("[2001:db8::2]:5"), 1, wire.SYN, nil))
	f.Fuzz(func(t *testing.T, seed uint64, packet []byte) {
		r := rand.New(rand.NewPCG(seed, 1))
		filter := randomFilter(r)
		vm := machineOf(t, filter)
		compare(t, vm, filter, packet)
		for range 10 {
			compare(t, vm, filter, randomPacket(r, filter))
		}
	})
}

// TestCompile_random_packets_are_of_use makes sure that the differential tests have something to
// compare: both answers, for each protocol.
func TestCompile_random_packets_are_of_use(t *testing.T) {
	type answer struct {
		proto wire.Proto
		match bool
	}
	seen := make(map[answer]int)
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		f := randomFilter(r)
		for range 100 {
			var p wire.Packet
			if p.Decode(randomPacket(r, f)) == nil {
				seen[answer{p.Proto, f.Match(&p)}]++
			}
		}
	}
	for _, proto := range []wire.Proto{wire.TCP, wire.UDP, wire.ICMP, wire.ICMPv6} {
		for _, match := range []bool{true, false} {
			if n := seen[answer{proto, match}]; n < 100 {
				t.Errorf("protocol %d, match %v: %d packets, want at least 100", proto, match, n)
			}
		}
	}
}

func TestCompile_says_how_much_to_copy(t *testing.T) {
	src, dst := netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:5")
	vm := machineOf(t, wire.Filter{
		SYN: []wire.PortRange{{First: 5, Last: 5}},
		UDP: []wire.PortRange{{First: 5, Last: 5}},
	})
	for name, tt := range map[string]struct {
		packet []byte
		want   int
	}{
		"syn": {wire.AppendTCP(nil, src, dst, 1, wire.SYN, make([]byte, 1000)), snapHeaders},
		"udp": {wire.AppendUDP(nil, src, dst, make([]byte, 1472)), 1500},
	} {
		if n, err := vm.Run(tt.packet); err != nil || min(n, len(tt.packet)) != tt.want {
			t.Errorf("%s: %d bytes, error %v, want %d", name, n, err, tt.want)
		}
	}
}

func TestCompile_refuses_what_the_kernel_does_not_take(t *testing.T) {
	scattered := func(n int) wire.Filter {
		var f wire.Filter
		for i := range n {
			f.UDP = append(f.UDP, wire.PortRange{First: uint16(3 * i), Last: uint16(3*i + 1)})
		}
		return f
	}
	_, err := compile(scattered(4000))
	if !errors.Is(err, errFilterTooBig) {
		t.Errorf("error %v, want one that is errFilterTooBig", err)
	}
	for _, n := range []int{0, 1, 100, 1000, 1600} {
		program, err := compile(scattered(n))
		if err != nil {
			t.Errorf("%d ranges: %v", n, err)
		}
		if _, err := bpf.Assemble(program); err != nil {
			t.Errorf("%d ranges: %v", n, err)
		}
		t.Logf("%d port ranges: %d instructions", n, len(program))
	}
	for _, n := range []int{1, 10, 100, 1000, 3000} {
		program, err := compile(wire.Filter{STUN: wire.STUNFilter{Ports: onePort(1), Hints: manyHints(n)}})
		if err != nil {
			t.Errorf("%d hints: %v", n, err)
		}
		t.Logf("%d hints: %d instructions", n, len(program))
	}
}

func onePort(port uint16) []wire.PortRange { return []wire.PortRange{{First: port, Last: port}} }

// More ports take more comparisons, and no more copies of the hints: those of many clients have room once only.
func TestCompile_portsShareTheHints(t *testing.T) {
	size := func(ports ...wire.PortRange) int {
		program, err := compile(wire.Filter{STUN: wire.STUNFilter{Ports: ports, Hints: manyHints(1000)}})
		if err != nil {
			t.Fatal(err)
		}
		return len(program)
	}
	one := size(onePort(41641)...)
	four := size(wire.PortRange{First: 443, Last: 443}, wire.PortRange{First: 3478, Last: 3478}, wire.PortRange{First: 4500, Last: 4500}, wire.PortRange{First: 41641, Last: 41641})
	if four-one > 6 {
		t.Errorf("four ports take %d instructions, one takes %d: want at most two more for each", four, one)
	}
}

// manyHints returns n hints of base64 characters.
func manyHints(n int) [][4]byte {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
	hints := make([][4]byte, n)
	r := rand.New(rand.NewPCG(uint64(n), 2))
	for i := range hints {
		for j := range hints[i] {
			hints[i][j] = alphabet[r.IntN(len(alphabet))]
		}
	}
	return hints
}

// machineOf returns a machine that runs a filter's program.
func machineOf(t *testing.T, f wire.Filter) *bpf.VM {
	t.Helper()
	program, err := compile(f)
	if err != nil {
		t.Fatal(err)
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Fatal(err)
	}
	return vm
}

// compare checks the filter program against its definition for one packet.
func compare(t *testing.T, vm *bpf.VM, f wire.Filter, packet []byte) {
	t.Helper()
	var p wire.Packet
	if p.Decode(packet) != nil {
		return
	}
	want := f.Match(&p)
	if packet[0]>>4 == 6 && packet[6] != uint8(p.Proto) {
		want = false // extension headers
	}
	n, err := vm.Run(packet)
	if err != nil {
		t.Fatal(err)
	}
	if got := n > 0; got != want {
		t.Fatalf("filter %+v\npacket %x: program says %v, Match %v", f, packet, got, want)
	}
}

func randomFilter(r *rand.Rand) wire.Filter {
	ranges := func() []wire.PortRange {
		out := make([]wire.PortRange, r.IntN(4)*r.IntN(40))
		for i := range out {
			first := uint16(r.IntN(1 << r.IntN(17)))
			out[i] = wire.PortRange{First: first, Last: max(first, first+uint16(r.IntN(4)*r.IntN(4)))}
		}
		return out
	}
	f := wire.Filter{SYN: ranges(), TCP: ranges(), UDP: ranges()}
	for range r.IntN(5) * r.IntN(20) {
		n := uint16(r.IntN(200))
		f.Echo = append(f.Echo, wire.PortRange{First: n, Last: n + uint16(r.IntN(2)*r.IntN(3))})
	}
	for range r.IntN(6) {
		f.STUN.Ports = append(f.STUN.Ports, onePort(uint16(r.IntN(1<<16)))...)
	}
	if r.IntN(8) == 0 {
		f.STUN.Ports = ranges()
	}
	if r.IntN(4) > 0 {
		f.STUN.Hints = manyHints(r.IntN(3) * r.IntN(200))
	}
	for range r.IntN(3) {
		t := wire.TextFilter{Port: uint16(r.IntN(1 << 16)), Over: uint16(r.IntN(20))}
		if len(f.STUN.Ports) > 0 && r.IntN(3) == 0 {
			t.Port = f.STUN.Ports[0].First
		}
		for range 1 + r.IntN(40) {
			b := uint16(r.IntN(256))
			t.First = append(t.First, wire.PortRange{First: b, Last: b + uint16(r.IntN(3))})
		}
		f.Text = append(f.Text, t)
	}
	return f
}

// randomPacket returns a packet near the border of what f wants.
func randomPacket(r *rand.Rand, f wire.Filter) []byte {
	src, dst := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	if r.IntN(2) == 0 {
		src, dst = netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	}
	near := func(ranges []wire.PortRange) netip.AddrPort {
		port := uint16(r.Uint32())
		if len(ranges) > 0 && r.IntN(8) > 0 {
			p := ranges[r.IntN(len(ranges))]
			port = []uint16{p.First, p.Last}[r.IntN(2)] + uint16(r.IntN(3)) - 1
		}
		return netip.AddrPortFrom(dst, port)
	}
	from := netip.AddrPortFrom(src, uint16(r.Uint32()))
	var b []byte
	switch r.IntN(5) {
	case 0:
		flags := wire.SYN
		if r.IntN(3) == 0 {
			flags = wire.TCPFlags(r.Uint32())
		}
		b = wire.AppendTCP(nil, from, near(slices.Concat(f.SYN, f.TCP)), r.Uint32(), flags, make([]byte, r.IntN(3)))
	case 1:
		b = wire.AppendUDP(nil, from, near(f.UDP), make([]byte, r.IntN(100)))
	case 2:
		size := uint16(r.IntN(200))
		if len(f.Echo) > 0 {
			size = f.Echo[r.IntN(len(f.Echo))].Last + uint16(r.IntN(3)/2)
		}
		b = wire.AppendEcho(nil, src, dst, 0, 0, make([]byte, size))
	case 3:
		b = wire.AppendUDP(nil, from, near(nil), nil)
		if len(f.Text) > 0 {
			b = randomText(r, f.Text[r.IntN(len(f.Text))], from, dst)
		}
	default:
		b = randomSTUN(r, f, from, near(f.STUN.Ports))
	}
	return mutate(r, b)
}

func randomText(r *rand.Rand, t wire.TextFilter, from netip.AddrPort, to netip.Addr) []byte {
	payload := make([]byte, int(t.Over)+r.IntN(3))
	if len(payload) > 0 {
		payload[0] = byte(t.First[r.IntN(len(t.First))].Last) + byte(r.IntN(2))
	}
	return wire.AppendUDP(nil, from, netip.AddrPortFrom(to, t.Port), payload)
}

func randomSTUN(r *rand.Rand, f wire.Filter, from, to netip.AddrPort) []byte {
	name := manyHints(1 + r.IntN(3))[0]
	if hints := f.STUN.Hints; len(hints) > 0 {
		name = hints[r.IntN(len(hints))]
	}
	payload := wire.AppendBindingRequest(nil, [12]byte{}, string(name[:])+"rest"[:r.IntN(5)], "password")
	if n := r.IntN(5) * r.IntN(5); r.IntN(3) == 0 { // another attribute in front of USERNAME
		first := slices.Concat([]byte{0, 0x24, 0, byte(n)}, make([]byte, n))
		payload = slices.Insert(payload, 20, first...)
	}
	if r.IntN(4) == 0 {
		payload = payload[:r.IntN(len(payload))]
	}
	return wire.AppendUDP(nil, from, to, payload)
}

// mutate changes a packet now and then: extensions, options, padding, cuts and single bytes.
func mutate(r *rand.Rand, b []byte) []byte {
	switch r.IntN(16) {
	case 0: // 8 bytes more of header
		if b[0]>>4 == 6 {
			b = slices.Insert(b, 40, b[6], 0, 0, 0, 0, 0, 0, 0)
			b[6] = []byte{0, 43, 44, 60}[r.IntN(4)]
			b[5] += 8
		} else if b[3] < 248 {
			b = slices.Insert(b, 20, 1, 1, 1, 1, 1, 1, 1, 0)
			b[0] += 2
			b[3] += 8
		}
	case 1:
		b = append(b, make([]byte, r.IntN(40))...)
	case 2:
		b = b[:r.IntN(len(b))]
	case 3, 4, 5:
		b[r.IntN(len(b))] = byte(r.Uint32())
	case 6:
		b[r.IntN(len(b))] ^= 1 << r.IntN(8)
	case 7: // a length of UDP below that of IP
		if at := 40; b[0]>>4 == 6 && b[6] == byte(wire.UDP) {
			n := int(b[at+4])<<8 | int(b[at+5])
			n = r.IntN(n + 1)
			b[at+4], b[at+5] = byte(n>>8), byte(n)
		}
	}
	return b
}
