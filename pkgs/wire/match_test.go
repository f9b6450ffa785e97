// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestFilter_matches(t *testing.T) {
	f := Filter{
		SYN:  []PortRange{{7000, 7002}},
		TCP:  []PortRange{{9000, 9000}},
		UDP:  []PortRange{{5000, 5000}, {65535, 65535}},
		Echo: []PortRange{{77, 77}},
		STUN: STUNFilter{
			Ports: []PortRange{{443, 443}, {3478, 3479}},
			Hints: [][4]byte{{'a', 'b', 'c', 'd'}, {'e', 'f', 'g', 'h'}},
		},
		Text: []TextFilter{{Port: 3478, Over: 4, First: []PortRange{{'8', '9'}, {'/', '/'}, {'0', '1'}}}},
	}
	tcp := func(port uint16, flags TCPFlags) []byte {
		return AppendTCP(nil, phone4, netip.AddrPortFrom(router4.Addr(), port), 0, flags, nil)
	}
	udp := func(port uint16, payload []byte) []byte {
		return AppendUDP(nil, phone6, netip.AddrPortFrom(router6.Addr(), port), payload)
	}
	stun := func(username string) []byte { return AppendBindingRequest(nil, [12]byte{}, username, "password") }
	behind := func(first ...byte) []byte { return request(append(first, 0, 6, 0, 4, 'e', 'f', 'g', 'h')) }

	for name, tt := range map[string]struct {
		b    []byte
		want bool
	}{
		"first port of a range":     {tcp(7000, SYN), true},
		"last port of a range":      {tcp(7002, SYN), true},
		"port before":               {tcp(6999, SYN), false},
		"port behind":               {tcp(7003, SYN), false},
		"syn with push and urgent":  {tcp(7000, SYN|PSH|URG), true},
		"syn with ecn":              {tcp(7000, SYN|0xc0), true},
		"syn and ack":               {tcp(7000, SYN|ACK), false},
		"syn and rst":               {tcp(7000, SYN|RST), false},
		"syn and fin":               {tcp(7000, SYN|FIN), false},
		"no flags":                  {tcp(7000, 0), false},
		"any flags":                 {tcp(9000, FIN|ACK), true},
		"udp":                       {udp(5000, nil), true},
		"highest udp port":          {udp(65535, nil), true},
		"udp to a tcp port":         {udp(7000, nil), false},
		"echo":                      {AppendEcho(nil, phone4.Addr(), router4.Addr(), 0, 0, make([]byte, 77)), true},
		"echo of ipv6":              {AppendEcho(nil, phone6.Addr(), router6.Addr(), 0, 0, make([]byte, 77)), true},
		"echo of another size":      {AppendEcho(nil, phone4.Addr(), router4.Addr(), 0, 0, make([]byte, 78)), false},
		"echo reply":                {change(AppendEcho(nil, phone4.Addr(), router4.Addr(), 0, 0, make([]byte, 77)), 20, 0), false},
		"hint":                      {udp(3478, stun("abcd:local")), true},
		"another hint":              {udp(3478, stun("efghijkl:local")), true},
		"no hint":                   {udp(3478, stun("abce:local")), false},
		"hint to another port":      {udp(3481, stun("abcd:local")), false},
		"user name too short":       {udp(3478, stun("abc")), false},
		"hint to each port":         {udp(443, stun("abcd:local")), true},
		"hint to the last port":     {udp(3479, stun("efgh")), true},
		"hint beside a port":        {udp(444, stun("abcd:local")), false},
		"behind use-candidate":      {udp(3478, behind(0, 0x25, 0, 0)), true},
		"behind priority":           {udp(3478, behind(0, 0x24, 0, 4, 1, 2, 3, 4)), true},
		"behind ice-controlling":    {udp(3478, behind(0x80, 0x2a, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8)), true},
		"text":                      {udp(3478, []byte("/text")), true},
		"longer text":               {udp(3478, []byte("9longer")), true},
		"text too short":            {udp(3478, []byte("8tex")), false},
		"text of another beginning": {udp(3478, []byte(":text")), false},
		"text to another port":      {udp(3482, []byte("8text")), false},
		"behind 12 bytes":           {udp(3478, behind(0x80, 0x22, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1, 2)), false},
	} {
		t.Run(name, func(t *testing.T) {
			var p Packet
			if err := p.Decode(tt.b); err != nil {
				t.Fatal(err)
			}
			if got := f.Match(&p); got != tt.want {
				t.Errorf("Match: %v, want %v", got, tt.want)
			}
			n := f
			n.Normalize()
			if got := n.Match(&p); got != tt.want {
				t.Errorf("Match after Normalize: %v, want %v", got, tt.want)
			}
			if (&Filter{}).Match(&p) {
				t.Error("the zero filter matches")
			}
		})
	}
}

// Nil hints want every user name of four characters, empty ones want none.
func TestFilter_withoutHints(t *testing.T) {
	for name, tt := range map[string]struct {
		hints   [][4]byte
		payload []byte
		want    bool
	}{
		"any hint":                      {nil, AppendBindingRequest(nil, [12]byte{}, "abce:local", "password"), true},
		"any hint, user name too short": {nil, AppendBindingRequest(nil, [12]byte{}, "abc", "password"), false},
		"any hint, no stun":             {nil, make([]byte, 100), false},
		"none of the hints":             {[][4]byte{}, AppendBindingRequest(nil, [12]byte{}, "abcd:local", "password"), false},
	} {
		f := Filter{STUN: STUNFilter{Ports: []PortRange{{443, 443}, {3478, 3478}}, Hints: tt.hints}}
		for range 2 {
			for _, port := range []uint16{443, 3478} {
				var p Packet
				if err := p.Decode(AppendUDP(nil, phone6, netip.AddrPortFrom(router6.Addr(), port), tt.payload)); err != nil {
					t.Fatal(err)
				}
				if got := f.Match(&p); got != tt.want {
					t.Errorf("%s: Match at port %d: %v, want %v", name, port, got, tt.want)
				}
			}
			f.Normalize()
		}
	}
}

func TestFilter_Normalize(t *testing.T) {
	hints := [][4]byte{{9}, {1}, {9}}
	got := Filter{
		SYN:  []PortRange{{5, 6}, {1, 2}, {3, 3}, {8, 7}, {5, 5}, {65535, 65535}},
		TCP:  []PortRange{{1, 65535}, {0, 10}},
		Echo: []PortRange{{3, 3}, {1, 1}, {3, 3}},
		STUN: STUNFilter{Ports: []PortRange{{443, 443}, {9, 9}, {10, 10}, {443, 443}}, Hints: hints},
		Text: []TextFilter{{Port: 1, First: []PortRange{{9, 9}, {1, 1}, {8, 8}}}},
	}
	want := Filter{
		SYN:  []PortRange{{1, 3}, {5, 6}, {65535, 65535}},
		TCP:  []PortRange{{0, 65535}},
		Echo: []PortRange{{1, 1}, {3, 3}},
		STUN: STUNFilter{Ports: []PortRange{{9, 10}, {443, 443}}, Hints: [][4]byte{{1}, {9}}},
		Text: []TextFilter{{Port: 1, First: []PortRange{{1, 1}, {8, 9}}}},
	}
	got.Normalize()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("filter differs (-want +got):\n%s", diff)
	}
	if !slices.Equal(hints, [][4]byte{{9}, {1}, {9}}) {
		t.Errorf("the caller's hints were changed to %v", hints)
	}
}

// A coarser filter wants all that it wanted before, in as many ranges as it is allowed.
func TestFilter_Coarsen(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 0))
		var ranges []PortRange
		for range r.IntN(100) {
			first := uint16(r.IntN(1 << r.IntN(17)))
			ranges = append(ranges, PortRange{first, max(first, first+uint16(r.IntN(9)))})
		}
		before := slices.Clone(ranges)
		f := Filter{SYN: ranges, TCP: ranges, UDP: ranges, Echo: ranges, STUN: STUNFilter{Ports: ranges, Hints: [][4]byte{{1}}}}
		f.Normalize()
		normal := slices.Clone(f.SYN)
		most := r.IntN(20)
		f.Coarsen(most)
		for _, got := range [][]PortRange{f.SYN, f.TCP, f.UDP, f.Echo, f.STUN.Ports} {
			if len(got) > max(most, 1) {
				t.Errorf("seed %d: %d ranges, want at most %d", seed, len(got), most)
			}
			for _, want := range ranges {
				if !contains(got, want.First) || !contains(got, want.Last) {
					t.Errorf("seed %d: %v is lost in %v", seed, want, got)
				}
			}
			if len(normal) <= most && !slices.Equal(got, normal) {
				t.Errorf("seed %d: %v became %v without need", seed, normal, got)
			}
		}
		if f.STUN.Hints != nil {
			t.Errorf("seed %d: there are hints still", seed)
		}
		if !slices.Equal(ranges, before) {
			t.Errorf("seed %d: the caller's ranges were changed", seed)
		}
	}
}

func TestFilter_Coarsen_joins_what_is_near(t *testing.T) {
	f := Filter{UDP: []PortRange{{1, 1}, {3, 3}, {100, 100}, {103, 103}, {9000, 9000}}}
	f.Coarsen(3)
	if want := []PortRange{{1, 3}, {100, 103}, {9000, 9000}}; !slices.Equal(f.UDP, want) {
		t.Errorf("%v, want %v", f.UDP, want)
	}
}
