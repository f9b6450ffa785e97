// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestSequence(t *testing.T) {
	const three = "7000/tcp 8000/tcp 9000/tcp"
	for _, tt := range []struct {
		name, steps, sent, want string
	}{
		{"right", three, three, "s ok/3"},
		{"mixed", "7000/tcp 8000/udp icmp:77 9000/tcp:fin,!ack", "7000/tcp 8000/udp icmp:77 9000/tcp:fin,!ack", "s ok/4"},
		{"other_protocol_does_not_count", "7000/tcp 8000/udp", "7000/tcp 8000/tcp", ""},
		{"other_size_does_not_count", "icmp:77 icmp:78", "icmp:77 icmp:79", ""},
		{"other_flags_do_not_count", three, "7000/tcp 8000/tcp:syn,ack 9000/tcp", ""},
		{"one_step", "7000/tcp", "7000/tcp", "s ok/1"},
		{"repeated_ports", "7000/tcp 7000/tcp 8000/tcp 7000/tcp", "7000/tcp 7000/tcp 8000/tcp 7000/tcp", "s ok/4"},
		{"repeated_udp_ports", "7000/udp 7000/udp 7000/udp", "7000/udp 7000/udp 7000/udp", "s ok/3"},
		{"foreign_ports_between", three, "7000/tcp 22/tcp 7999/udp 8000/tcp 9000/udp 9000/tcp", "s ok/3"},
		{"twice", three, three + " " + three, "s ok/3, s ok/3"},
		{"short", three, "7000/tcp 8000/tcp", ""},
		{"wrong_order", three, "7000/tcp 9000/tcp 8000/tcp", ""},
		{"wrong_order_late", three + " 6000/udp", "7000/tcp 8000/tcp 6000/udp 9000/tcp", "s wrong-order/2"},
		{"each_step_twice", three, "7000/tcp 7000/tcp 8000/tcp 8000/tcp 9000/tcp 9000/tcp", "s ok/3"},
		{"each_packet_duplicated", "7000/udp 8000/udp icmp:77", "7000/udp 7000/udp 8000/udp 8000/udp 8000/udp icmp:77 icmp:77", "s ok/3"},
		{"duplicate_of_a_repeated_port", "7000/udp 7000/udp 8000/udp", "7000/udp 7000/udp 7000/udp 8000/udp", "s ok/3"},
		{"duplicate_out_of_turn", "7000/udp 8000/udp 9000/udp 6000/udp", "7000/udp 8000/udp 9000/udp 8000/udp 6000/udp", "s ok/4"},
		{"repeated_port_starts_over", "7000/udp 7000/udp 8000/udp", "7000/udp 7000/udp 7000/udp 7000/udp 8000/udp", "s ok/3"},
		{"first_port_again_starts_over", "7000/udp 8000/udp 7000/udp 9000/udp",
			"7000/udp 8000/udp 7000/udp 7000/udp 8000/udp 7000/udp 9000/udp", "s ok/4"},
		{"first_step_starts_over", three, "7000/tcp 8000/tcp 7000/tcp 8000/tcp 9000/tcp", "s ok/3"},
		{"wire_below", three, "7000/tcp 8000/tcp 8999/tcp 9000/tcp", "s trip-wire/2"},
		{"wire_above", three, "7000/tcp 8000/tcp 7001/tcp 9000/tcp", "s trip-wire/2"},
		{"wire_before", three, "6999/tcp " + three, "s trip-wire/3"},
		{"wire_after_one_step_is_silent", three, "7000/tcp 7999/tcp 8000/tcp 9000/tcp", ""},
		{"wire_of_other_protocol", three, "7000/tcp 8000/tcp 8999/udp 9000/tcp", "s ok/3"},
		{"wire_locks", three, "7000/tcp 8000/tcp 8999/tcp " + three, "s trip-wire/2, s trip-wire/3"},
		{"wire_before_and_knocked_twice", three, "6999/tcp " + three + " " + three, "s trip-wire/3, s ok/3"},
		{"twice_with_a_wire_between", three, "6999/tcp " + three + " 6999/tcp " + three, "s trip-wire/3, s ok/3"},
		{"twice_with_two_wires_between", three, "6999/tcp " + three + " 6999/tcp 6999/tcp " + three, "s trip-wire/3, s trip-wire/3"},
		{"twice_with_a_wire_inside", three, "6999/tcp " + three + " 6999/tcp 7000/tcp 6999/tcp 8000/tcp 9000/tcp " + three, "s trip-wire/3, s trip-wire/3"},
		{"lock_ends_with_the_second_knock", three, "6999/tcp " + three + " " + three + " " + three, "s trip-wire/3, s ok/3, s ok/3"},
		{"second_connection_of_a_browser", three, "7000/tcp 8000/tcp 7000/tcp 9000/tcp 8000/tcp 9000/tcp", "s ok/3"},
		{"last_step_too_early_and_again", three + " 6000/udp", "7000/tcp 8000/tcp 6000/udp " + three + " 6000/udp", "s wrong-order/2, s ok/4"},
		{"neighbours_that_are_steps_are_no_wires", "7000/tcp 7001/tcp 7002/tcp", "7000/tcp 7001/tcp 7002/tcp", "s ok/3"},
		{"edge_ports", "65535/tcp 1/tcp", "65535/tcp 1/tcp", "s ok/2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, from := range []netip.Addr{phone, phone6} {
				y := play(oneSequence(t, tt.steps))
				y.steps(from, parseSteps(t, tt.sent)...)
				if got := y.ends(); got != tt.want {
					t.Errorf("%v: found %q, want %q", from, got, tt.want)
				}
			}
		})
	}
}

func TestSequenceTimeWindow(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/tcp 9000/tcp")
	steps := cfg.Sequences[0].Steps
	pause := func(t *testing.T, pause time.Duration, want string) {
		y := play(cfg)
		y.steps(phone, steps[:2]...)
		y.now = start.Add(pause)
		y.steps(phone, steps[2])
		if got := y.ends(); got != want {
			t.Errorf("found %q, want %q", got, want)
		}
	}
	t.Run("last_moment", func(t *testing.T) { pause(t, 5*time.Second, "s ok/3") })
	t.Run("too_slow", func(t *testing.T) { pause(t, 5*time.Second+time.Millisecond, "s too-slow/2") })
	t.Run("too_slow_is_noticed_at_a_wire", func(t *testing.T) {
		y := play(cfg)
		y.steps(phone, steps[:2]...)
		y.now = start.Add(6 * time.Second)
		y.send(y.syn(phone, 8999))
		if got := y.ends(); got != "s too-slow/2" {
			t.Errorf("found %q, want too-slow", got)
		}
	})
	t.Run("first_step_begins_it_anew", func(t *testing.T) {
		y := play(cfg)
		y.steps(phone, steps[0])
		y.now = start.Add(4900 * time.Millisecond)
		y.steps(phone, steps[0])
		y.now = start.Add(9 * time.Second)
		y.steps(phone, steps[1:]...)
		if got := y.ends(); got != "s ok/3" {
			t.Errorf("found %q, want ok", got)
		}
	})
	t.Run("lock_ends", func(t *testing.T) {
		y := play(cfg)
		y.send(y.syn(phone, 8999))
		y.now = start.Add(5 * time.Second)
		y.steps(phone, steps...)
		y.now = start.Add(10*time.Second + 1)
		y.steps(phone, steps...)
		if got := y.ends(); got != "s trip-wire/3, s ok/3" {
			t.Errorf("found %q, want ok only after the lock", got)
		}
	})
}

func TestSequenceRetransmission(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/tcp 9000/tcp 7000/tcp")
	steps := cfg.Sequences[0].Steps
	// Each packet of a knock is sent again after the packet with number i was.
	for i := range steps {
		for again := 0; again <= i; again++ {
			y := play(cfg)
			var sent []wire.Packet
			for n, s := range steps {
				p := y.packet(phone, s)
				y.send(p)
				sent = append(sent, p)
				if n == i {
					y.send(sent[again])
				}
			}
			if got := y.ends(); got != "s ok/4" {
				t.Errorf("packet %d again after packet %d: found %q, want one ok", again, i, got)
			}
		}
	}
	t.Run("after_a_stray_step", func(t *testing.T) {
		y := play(cfg)
		var sent []wire.Packet
		for _, s := range steps {
			sent = append(sent, y.packet(phone, s))
		}
		y.sendAll(sent, time.Millisecond)
		y.send(y.syn(phone, 8000))
		y.wait(time.Second)
		y.sendAll(sent, time.Millisecond)
		if got := y.ends(); got != "s ok/4" {
			t.Errorf("found %q, want one ok", got)
		}
	})
	t.Run("of_a_second_connection", func(t *testing.T) { // to a port that a program tries twice
		y := play(cfg)
		y.steps(phone, steps[:2]...)
		second := y.packet(phone, steps[1])
		y.send(second)
		y.steps(phone, steps[2])
		y.send(second)
		y.steps(phone, steps[3])
		if got := y.ends(); got != "s ok/4" {
			t.Errorf("found %q, want one ok", got)
		}
	})
	t.Run("whole_knock_again", func(t *testing.T) {
		y := play(cfg)
		var sent []wire.Packet
		for _, s := range steps {
			sent = append(sent, y.packet(phone, s))
		}
		for range 3 {
			for _, p := range sent {
				y.send(p)
			}
			y.now = y.now.Add(time.Second)
		}
		if got := y.ends(); got != "s ok/4" {
			t.Errorf("found %q, want one ok", got)
		}
	})
}

func TestSequenceSendersAreApart(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/tcp 9000/tcp")
	steps := cfg.Sequences[0].Steps
	y := play(cfg)
	for _, s := range steps { // everything that could spoil it comes from others in between
		for _, other := range []netip.Addr{cafe, scanner, phone6} {
			y.send(y.syn(other, 9000))
			y.send(y.syn(other, 8999))
			y.send(y.syn(other, 7000))
		}
		y.steps(phone, s)
	}
	want := []Finding{{
		Request: Request{Kind: KindSequence, Name: "s", From: phone}, Reason: OK, Step: 3, Whole: true,
	}}
	if diff := cmp.Diff(want, y.found, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
}

func TestSequencesAreApart(t *testing.T) {
	cfg := Config{Sequences: []Sequence{
		{Name: "a", Steps: parseSteps(t, "7000/tcp 8000/tcp 9000/tcp"), Within: 5 * time.Second},
		{Name: "b", Steps: parseSteps(t, "7000/tcp 8001/tcp 9000/tcp"), Within: 5 * time.Second, Once: "7000/tcp 8001/tcp 9000/tcp"},
		{Name: "c", Steps: parseSteps(t, "7000/tcp 5000/udp"), Within: 5 * time.Second},
	}}
	y := play(cfg)
	y.steps(phone, parseSteps(t, "7000/tcp 8001/tcp 9000/tcp")...)
	if len(y.found) != 1 || y.found[0].Once != cfg.Sequences[1].Once {
		t.Errorf("found %+v, want b with its text", y.found)
	}
	y.ends()
	y.steps(phone, parseSteps(t, "5000/udp")...)
	if got := y.ends(); got != "c ok/2" {
		t.Errorf("found %q, want c", got)
	}
}

// TestSequencesThatBeginAlike knocks one of two sequences with the same first steps. Of the other
// one nothing is reported, unless it was what the sender tried.
func TestSequencesThatBeginAlike(t *testing.T) {
	cfg := Config{Sequences: []Sequence{
		{Name: "a", Steps: parseSteps(t, "7000/tcp 8000/tcp 9000/tcp"), Within: 5 * time.Second},
		{Name: "b", Steps: parseSteps(t, "7000/tcp 8000/tcp 6000/tcp"), Within: 5 * time.Second},
	}}
	for name, tt := range map[string]struct {
		sent  string
		pause time.Duration
		again string
		want  string
	}{
		"next_knock_at_once":  {"7000/tcp 8000/tcp 6000/tcp", 0, "7000/tcp 8000/tcp 6000/tcp", "b ok/3, b ok/3"},
		"next_knock_later":    {"7000/tcp 8000/tcp 6000/tcp", time.Hour, "7000/tcp 8000/tcp 9000/tcp", "b ok/3, a ok/3"},
		"failure_after_it":    {"7000/tcp 8000/tcp 6000/tcp", time.Hour, "7000/tcp 8000/tcp 8999/tcp", "b ok/3, a trip-wire/2"},
		"failure_of_both":     {"7000/tcp 8000/tcp", time.Hour, "7000/tcp", "a too-slow/2, b too-slow/2"},
		"failure_right_after": {"7000/tcp 8000/tcp 6000/tcp", 0, "7000/tcp 8000/tcp 8999/tcp", "b ok/3, a trip-wire/2"},
	} {
		t.Run(name, func(t *testing.T) {
			y := play(cfg)
			y.steps(phone, parseSteps(t, tt.sent)...)
			y.wait(tt.pause)
			y.steps(phone, parseSteps(t, tt.again)...)
			if got := y.ends(); got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

// TestSequenceScan shows that a scan does not open a sequence, not even a sorted one.
func TestSequenceScan(t *testing.T) {
	cfg := oneSequence(t, "2000/tcp 5000/tcp 9000/tcp") // the easiest one for a sorted scan
	scan := func(ports []uint16) string {
		y := play(cfg)
		for range 2 {
			for _, port := range ports {
				y.send(y.syn(scanner, port))
				y.now = y.now.Add(70 * time.Microsecond)
			}
		}
		return y.ends()
	}
	var ports []uint16
	for port := uint16(1); port <= 10000; port++ {
		ports = append(ports, port)
	}
	t.Run("ascending", func(t *testing.T) {
		if got := scan(ports); got != "" {
			t.Errorf("found %q", got)
		}
	})
	down := slices.Clone(ports)
	slices.Reverse(down)
	t.Run("descending", func(t *testing.T) {
		if got := scan(down); got != "" {
			t.Errorf("found %q", got)
		}
	})
	t.Run("up_and_down_again", func(t *testing.T) {
		if got := scan(slices.Concat(ports, down)); got != "" {
			t.Errorf("found %q", got)
		}
	})
}

// TestSequenceRandomScan compares how many scans in random order open a sequence with the chance
// that the documentation tells. Only the order of the steps and of their neighbours matters.
func TestSequenceRandomScan(t *testing.T) {
	const three, four, five = "2000/tcp 5000/udp 9000/tcp", "2000/tcp 5000/udp 9000/tcp 300/tcp", "7/tcp 2000/tcp 5000/tcp 8000/tcp 300/tcp"
	for _, tt := range []struct {
		name, steps string
		tries       int           // how often each port is tried in one scan
		pause       time.Duration // between the scans
		scans       int
		most        int
	}{
		{"three_steps", three, 1, time.Minute, 50_000, 140},          // 1 in 504: 99 expected
		{"four_steps", four, 1, time.Minute, 50_000, 15},             // 1 in 11880: 4 expected
		{"five_steps", five, 1, time.Minute, 50_000, 3},              // 1 in 360360
		{"each_port_three_times", three, 3, time.Minute, 20_000, 80}, // 1 in 370: 54 expected
		{"each_port_ten_times", three, 10, time.Minute, 5_000, 30},   // 1 in 330: 15 expected
		// Without a pause the first scan locks the sender out, and what opens then is the second
		// chance: 3 in 504², and 1 in 504 for the first scan.
		{"scan_after_scan", three, 1, time.Second, 200_000, 9},
		{"scan_after_scan_as_soon_as_a_lock_ends", three, 1, 5001 * time.Millisecond, 50_000, 140},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := oneSequence(t, tt.steps)
			var targets []Step
			for range tt.tries {
				for _, s := range cfg.Sequences[0].Steps {
					below, above := s, s
					below.Port--
					above.Port++
					targets = append(targets, below, s, above)
				}
			}
			random := rand.New(rand.NewPCG(1, 2))
			opened := 0
			y := play(cfg)
			for range tt.scans {
				y.wait(tt.pause)
				random.Shuffle(len(targets), func(i, j int) { targets[i], targets[j] = targets[j], targets[i] })
				for _, s := range targets {
					y.send(y.packet(scanner, s))
				}
				opened += strings.Count(y.ends(), "ok")
			}
			t.Logf("%d of %d scans opened %s", opened, tt.scans, tt.steps)
			if opened > tt.most {
				t.Errorf("%d of %d scans in random order opened %s, want at most %d", opened, tt.scans, tt.steps, tt.most)
			}
		})
	}
}

// TestSequenceFlood knocks while 250 000 forged first steps arrive every second.
func TestSequenceFlood(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/tcp 9000/tcp")
	y := play(cfg)
	random := rand.New(rand.NewPCG(3, 4))
	flood := func(d time.Duration) {
		const gap = time.Second / 250_000
		for end := y.now.Add(d); y.now.Before(end); y.now = y.now.Add(gap) {
			var b [4]byte
			binary.BigEndian.PutUint32(b[:], random.Uint32())
			y.send(y.syn(netip.AddrFrom4(b), 7000))
		}
	}
	flood(100 * time.Millisecond) // fills the table
	opened := 0
	for i := range 50 {
		from := netip.AddrFrom4([4]byte{203, 0, byte(i), 7})
		for _, s := range cfg.Sequences[0].Steps {
			y.send(y.packet(from, s))
			flood(20 * time.Millisecond)
		}
		opened += strings.Count(y.ends(), "ok")
	}
	t.Logf("opened %d of 50", opened)
	t.Run("a_sender_with_two_steps_stays", func(t *testing.T) {
		y.steps(phone, cfg.Sequences[0].Steps[:2]...)
		flood(200 * time.Millisecond)
		y.steps(phone, cfg.Sequences[0].Steps[2])
		if got := y.ends(); got != "s ok/3" {
			t.Errorf("found %q, want ok", got)
		}
	})
	if opened < 45 {
		t.Errorf("%d of 50 knocks opened, want at least 45", opened)
	}
}

func TestSequenceAllocatesNothing(t *testing.T) {
	cfg := oneSequence(t, "7000/tcp 8000/tcp 9000/tcp")
	d := New(cfg, start)[0]
	ignore := func(Finding) {}
	var packets []wire.Packet
	for _, port := range []uint16{22, 7000, 8000, 8000, 7000, 6999} { // all but a last step
		packets = append(packets, play(cfg).syn(phone, port))
	}
	now := start
	n := testing.AllocsPerRun(100, func() {
		now = now.Add(time.Minute)
		for i := range packets {
			d.Observe(now, &packets[i], ignore)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for %d packets, want none", n, len(packets))
	}
}

func TestSequenceFilter(t *testing.T) {
	var f wire.Filter
	for _, d := range New(oneSequence(t, "7000/tcp 8000/udp icmp:77 9000/tcp:fin"), start) {
		d.AddFilter(&f)
	}
	has := func(list []wire.PortRange, port uint16) bool {
		return slices.ContainsFunc(list, func(r wire.PortRange) bool { return r.First <= port && port <= r.Last })
	}
	for _, port := range []uint16{6999, 7000, 7001} {
		if !has(f.SYN, port) || has(f.TCP, port) || has(f.UDP, port) {
			t.Errorf("port %d is not in SYN alone: %+v", port, f)
		}
	}
	for _, port := range []uint16{8999, 9000, 9001} {
		if !has(f.TCP, port) {
			t.Errorf("port %d is not in TCP: %+v", port, f)
		}
	}
	for _, port := range []uint16{7999, 8000, 8001} {
		if !has(f.UDP, port) {
			t.Errorf("port %d is not in UDP: %+v", port, f)
		}
	}
	if !slices.Equal(f.Echo, []wire.PortRange{{First: 77, Last: 77}}) {
		t.Errorf("echo sizes are %v, want 77", f.Echo)
	}
}

func BenchmarkSequence(b *testing.B) {
	d := New(oneSequence(b, "7000/tcp 8000/tcp 9000/tcp"), start)[0]
	now := start
	ignore := func(Finding) {}
	for name, port := range map[string]uint16{"unmatched": 22, "first_step": 7000, "trip_wire": 7999} {
		b.Run(name, func(b *testing.B) {
			p := wire.Packet{Proto: wire.TCP, DstPort: port, Flags: wire.SYN}
			b.ReportAllocs()
			for i := range b.N {
				now = now.Add(4 * time.Microsecond)
				var a [4]byte
				binary.BigEndian.PutUint32(a[:], uint32(i)*2654435761)
				p.Src, p.Seq = netip.AddrFrom4(a), uint32(i)
				d.Observe(now, &p, ignore)
			}
		})
	}
}

// BenchmarkSequenceCount shows what more sequences cost: a first step while there are others.
func BenchmarkSequenceCount(b *testing.B) {
	for _, count := range []int{1, 10, 100, 1000} {
		b.Run(strconv.Itoa(count), func(b *testing.B) {
			var cfg Config
			for i := range count {
				port := uint16(1000 + 30*i)
				steps := []Step{
					{Proto: wire.TCP, Port: port, Flags: plainFlags, Mask: plainMask},
					{Proto: wire.TCP, Port: port + 10, Flags: plainFlags, Mask: plainMask},
					{Proto: wire.TCP, Port: port + 20, Flags: plainFlags, Mask: plainMask},
				}
				cfg.Sequences = append(cfg.Sequences, Sequence{Steps: steps, Within: time.Second})
			}
			d := New(cfg, start)[0]
			ignore := func(Finding) {}
			p := wire.Packet{Proto: wire.TCP, Flags: wire.SYN}
			random := rand.New(rand.NewPCG(15, 16))
			now := start
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(4 * time.Microsecond)
				var a [4]byte
				binary.BigEndian.PutUint32(a[:], random.Uint32())
				p.Src, p.Seq, p.DstPort = netip.AddrFrom4(a), random.Uint32(), uint16(1000+30*random.IntN(count))
				d.Observe(now, &p, ignore)
			}
		})
	}
}
