// SPDX-License-Identifier: Apache-2.0

package radar_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/radar"
	"github.com/latchkey/latchkey/pkgs/wire"
)

var (
	us   = netip.MustParseAddr("203.0.113.1")
	noon = time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
)

const stranger, other = "198.51.100.7", "198.51.100.8"

func syn(from string, port int) *wire.Packet {
	return &wire.Packet{Src: netip.MustParseAddr(from), Dst: us, Proto: wire.TCP, SrcPort: 40000, DstPort: uint16(port), Flags: wire.SYN}
}

func udp(from string, port int) *wire.Packet {
	return &wire.Packet{Src: netip.MustParseAddr(from), Dst: us, Proto: wire.UDP, SrcPort: 40000, DstPort: uint16(port)}
}

// sent is what leaves in answer to p, or as a question that p answers.
func sent(p *wire.Packet) *wire.Packet {
	q := *p
	q.Src, q.Dst, q.SrcPort, q.DstPort = p.Dst, p.Src, p.DstPort, p.SrcPort
	return &q
}

// at is the moment after so many hours.
func at(hours float64) uint32 { return uint32(hours * 3600) }

// total is what was counted in the last week.
func total(t *radar.Table, at uint32) (tcp, udp int) {
	for _, h := range t.Report(at, noon).Hours {
		tcp, udp = tcp+h.TCP, udp+h.UDP
	}
	return tcp, udp
}

func senders(t *radar.Table, at uint32) map[string]control.RadarSender {
	m := map[string]control.RadarSender{}
	for _, s := range t.Report(at, noon).Senders {
		m[s.Address] = s
	}
	return m
}

// scans returns who is to be reported.
func scans(t *radar.Table, at uint32) (list []control.RadarSender) {
	for s, is := t.Scan(at, noon); is; s, is = t.Scan(at, noon) {
		list = append(list, s)
	}
	return list
}

func TestAttemptsAreCounted(t *testing.T) {
	var table radar.Table
	table.Look(0, syn(stranger, 23), 3)
	table.Look(at(1), udp(stranger, 161), 4)
	table.Look(at(1), udp("2001:db8::7", 161), 1)
	r := table.Report(at(1.5), noon)
	begin, later := noon.Add(-90*time.Minute), noon.Add(-30*time.Minute)
	hours := []control.RadarHour{{Time: begin, TCP: 3, Samples: 1}, {Time: later, UDP: 5, Samples: 2}}
	if diff := cmp.Diff(hours, r.Hours); diff != "" {
		t.Errorf("hours (-want +got):\n%s", diff)
	}
	want := []control.RadarSender{
		{Address: stranger, Attempts: 7, Samples: 2, Ports: 2, Most: 7, Hours: 2, First: begin, Last: later},
		{Address: "2001:db8::7", Attempts: 1, Samples: 1, Ports: 1, Most: 1, Hours: 1, First: later, Last: later},
	}
	if diff := cmp.Diff(want, r.Senders); diff != "" {
		t.Errorf("senders (-want +got):\n%s", diff)
	}
}

func TestPortsOfOursAreNoAttempts(t *testing.T) {
	for name, p := range map[string]*wire.Packet{
		"a connection that is granted": syn(stranger, 443),
		"UDP that was asked from here": udp(stranger, 5060),
	} {
		t.Run(name, func(t *testing.T) {
			var table radar.Table
			counted := func(at uint32) int { a, b := total(&table, at); return a + b }
			if table.Look(0, p, 1) || counted(0) != 1 {
				t.Fatal("it is an attempt as long as nobody answered or asked")
			}
			table.Look(0, sent(p), 0)
			for _, hour := range []float64{0, 1} {
				if ours := table.Look(at(hour), p, 1); ours != (p.Proto == wire.UDP) {
					t.Errorf("hour %v: not worth to look further: %v", hour, ours)
				}
			}
			if n := counted(at(1)); n != 1 {
				t.Errorf("%d attempts within an hour, want 1", n)
			}
			table.Look(at(2), p, 1)
			if n := counted(at(2)); n != 2 {
				t.Errorf("%d attempts after two hours without an answer, want 2", n)
			}
			table.Look(at(2), sent(p), 0)
			beside, otherwise := *p, *p
			beside.DstPort++
			otherwise.Proto = wire.TCP + wire.UDP - p.Proto
			table.Look(at(2), &beside, 1)
			table.Look(at(2), &otherwise, 1)
			if n := counted(at(2)); n != 4 {
				t.Errorf("%d attempts with one at the next port and one of the other protocol, want 4", n)
			}
		})
	}
}

func TestServicesAreReportedByNameAndOtherPortsByNone(t *testing.T) {
	var table radar.Table
	for range 3 {
		table.Look(0, syn(stranger, 23), 10)
	}
	table.Look(0, udp(stranger, 5060), 7)
	table.Look(0, syn(stranger, 7431), 5) // may be a step
	table.Look(0, udp(stranger, 23), 4)
	r := table.Report(0, noon)
	want := []control.RadarPort{{Proto: "tcp", Port: 23, Service: "telnet", Attempts: 30}, {Proto: "udp", Port: 5060, Service: "sip", Attempts: 7}}
	if diff := cmp.Diff(want, r.Ports); diff != "" || r.Others != 9 {
		t.Errorf("%d others, want 9; services (-want +got):\n%s", r.Others, diff)
	}
	for day := range 7 {
		if r := table.Report(at(24*float64(day)), noon); len(r.Ports) != 2 {
			t.Errorf("on day %d: %+v", day, r.Ports)
		}
	}
	if r := table.Report(at(7*24), noon); len(r.Ports) > 0 || r.Others > 0 {
		t.Errorf("a week later: %+v and %d others", r.Ports, r.Others)
	}
}

func TestHoursOfAWeek(t *testing.T) {
	var table radar.Table
	for hour := range 400 {
		table.Look(at(float64(hour)), syn(stranger, 23), uint32(hour+1))
	}
	table.Look(at(420), syn(stranger, 23), 5) // nothing came for 20 hours
	list := table.Report(at(420), noon).Hours
	if len(list) != 7*24 {
		t.Errorf("%d hours", len(list))
	}
	for _, h := range list {
		hour := 420 - int(noon.Sub(h.Time)/time.Hour)
		want := hour + 1
		if hour >= 400 {
			want = 0
		}
		if hour == 420 {
			want = 5
		}
		if h.TCP != want {
			t.Errorf("hour %d has %d attempts, want %d", hour, h.TCP, want)
		}
	}
	if tcp, _ := total(&table, at(5000)); tcp != 0 {
		t.Errorf("%d attempts half a year later", tcp)
	}
}

func TestCountsEndWhereTheyDoNotFit(t *testing.T) {
	var table radar.Table
	for range 5 {
		table.Look(0, syn(stranger, 23), 1<<30)
	}
	if tcp, _ := total(&table, 0); tcp != 1<<31-1 {
		t.Errorf("%d", tcp)
	}
	if r := table.Report(0, noon); r.Ports[0].Attempts != 1<<31-1 || r.Senders[0].Attempts != 1<<31-1 {
		t.Errorf("%+v", r)
	}
}

// The error of the count of ports is that of the sketch, whatever the seed and however many they are.
func TestScansAreReportedWithTheirPorts(t *testing.T) {
	for _, ports := range []int{20, 40, 100, 1000, 5000, 65535} {
		t.Run(fmt.Sprint(ports), func(t *testing.T) {
			const runs = 20
			worst, reported := 0.0, 0
			for seed := range runs {
				table := radar.Table{Seed: uint32(seed) * 0x9e3779b9}
				for p := range ports {
					table.Look(0, syn(stranger, p+1), 1)
					table.Look(0, syn(stranger, p+1), 1) // a second time, as nmap does
				}
				if list := scans(&table, 9); len(list) > 0 {
					t.Errorf("reported before it ended: %+v", list)
				}
				for _, s := range scans(&table, 10) {
					reported++
					if s.Address != stranger || s.Attempts != 2*ports || s.Most != s.Ports || !s.Scan {
						t.Errorf("reported as %+v", s)
					}
					worst = max(worst, math.Abs(float64(s.Ports)/float64(ports)-1))
				}
				if list := scans(&table, 3600); len(list) > 0 {
					t.Errorf("reported twice: %+v", list)
				}
			}
			t.Logf("off by %.1f %% at the worst of %d", worst*100, runs)
			if worst > .15 { // three times the standard error
				t.Errorf("off by %.1f %%", worst*100)
			}
			if ports >= 40 && reported != runs || ports == 20 && reported != 0 {
				t.Errorf("reported %d times of %d", reported, runs)
			}
		})
	}
}

func TestWhoTriesFewPortsIsNoScan(t *testing.T) {
	var table radar.Table
	for n := range 1000 {
		table.Look(uint32(n), syn(stranger, n%24), 1) // as many as a message has
	}
	if list := scans(&table, at(2)); len(list) > 0 {
		t.Errorf("reported: %+v", list)
	}
}

func TestScanThatGoesOnIsReportedAfterTwoMinutesAndOnceADay(t *testing.T) {
	var table radar.Table
	var reported []uint32
	for now := uint32(0); now < at(60); now += 3 {
		table.Look(now, syn(stranger, int(now%60000)), 1)
		for range scans(&table, now) {
			reported = append(reported, now/600)
		}
	}
	if want := []uint32{0, 24 * 6, 48 * 6}; !cmp.Equal(reported, want) {
		t.Errorf("reported in tens of minutes %d, want %d", reported, want)
	}
}

// A part of a scan that was looked at gives bounds that the truth is between.
func TestPartOfAScanGivesBounds(t *testing.T) {
	for _, one := range []int{2, 8, 64} {
		r := rand.New(rand.NewPCG(uint64(one), 1))
		var table radar.Table
		const ports = 10000
		for n := range 2 * ports {
			if r.IntN(one) == 0 {
				table.Look(0, syn(stranger, 1+n%ports), uint32(one))
			}
		}
		s := senders(&table, 0)[stranger]
		t.Logf("one packet of %d: %d to %d ports, %d attempts", one, s.Ports, s.Most, s.Attempts)
		if s.Ports > ports*115/100 || s.Most < ports*85/100 {
			t.Errorf("%d is not within %d to %d", ports, s.Ports, s.Most)
		}
		if off := math.Abs(float64(s.Attempts)/(2*ports) - 1); off > 4/math.Sqrt(float64(s.Samples)) {
			t.Errorf("%d attempts by %d samples, want %d", s.Attempts, s.Samples, 2*ports)
		}
	}
}

func TestWhoKnockedIsIgnored(t *testing.T) {
	for name, who := range map[string]struct{ knocks, other string }{
		"IPv4": {stranger, other},
		"IPv6": {"2001:db8:7::1", "2001:db8:7:1::1"},
	} {
		t.Run(name, func(t *testing.T) {
			var table radar.Table
			for p := range 100 {
				table.Look(0, syn(who.knocks, 1000+p), 1)
				table.Look(0, syn(who.other, 1000+p), 1)
			}
			table.Ignore(1, netip.MustParseAddr(who.knocks))
			table.Look(at(.5), syn(who.knocks, 2222), 1)
			if list := scans(&table, at(.7)); len(list) != 1 || list[0].Address != who.other {
				t.Errorf("reported as scans: %+v", list)
			}
			if got := senders(&table, at(.7)); len(got) != 1 || got[who.other].Attempts != 100 {
				t.Errorf("senders %+v", got)
			}
			table.Look(at(2), syn(who.knocks, 2222), 1)
			if got := senders(&table, at(2)); got[who.knocks].Attempts != 1 {
				t.Errorf("two hours later: %+v", got)
			}
		})
	}
}

func TestWholeNetworkOfIPv6IsOneSender(t *testing.T) {
	var table radar.Table
	for n := range 100 {
		table.Look(0, syn(fmt.Sprintf("2001:db8:7::%x", n+1), n+1), 1)
	}
	if got := senders(&table, 0); len(got) != 1 || got["2001:db8:7::64"].Attempts != 100 {
		t.Errorf("senders %+v", got)
	}
}

// A flood in the names of everybody pushes out nobody who comes again and again, nor who came more than once.
func TestForgedFloodDoesNotHideWhoPersists(t *testing.T) {
	table := radar.Table{Seed: 1}
	r := rand.New(rand.NewPCG(1, 1))
	anybody := func() string {
		return netip.AddrFrom4([4]byte{byte(1 + r.IntN(200)), byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}).String()
	}
	persistent, scanner, ignored := "198.51.100.1", "198.51.100.2", "198.51.100.3"
	for hour := range 5 {
		table.Look(at(float64(hour)), syn(persistent, 22), 1)
	}
	now := at(5)
	table.Ignore(now, netip.MustParseAddr(ignored))
	for p := range 100 {
		table.Look(now, syn(scanner, p+1), 1)
	}
	for range 200_000 { // as many samples are taken in 17 minutes of a flood of 100,000 a second
		table.Look(now, syn(anybody(), r.IntN(65536)), 500)
	}
	table.Look(now, syn(ignored, 2222), 1)
	got := senders(&table, now)
	if got[persistent].Attempts != 5 || got[scanner].Attempts != 100 {
		t.Errorf("after the flood: %+v and %+v", got[persistent], got[scanner])
	}
	if first := table.Report(now, noon).Senders; first[0].Address != scanner || first[1].Address != persistent || len(first) != 64 {
		t.Errorf("most active are %+v and %+v of %d", first[0], first[1], len(first))
	}
	if s, is := got[ignored]; is {
		t.Errorf("who is ignored is reported: %+v", s)
	}
}

// Who was there days ago makes room.
func TestOldSendersMakeRoom(t *testing.T) {
	table := radar.Table{Seed: 1}
	name := func(n, m int) string { return fmt.Sprintf("10.%d.%d.%d", m, n/256, n%256) }
	for n := range 5000 {
		table.Look(0, syn(name(n, 1), 22), 1)
	}
	for n := range 5000 {
		table.Look(at(50), syn(name(n, 2), 22), 2)
		table.Look(at(50), syn(name(n, 2), 22), 2)
	}
	for a := range senders(&table, at(50)) {
		if a[:5] != "10.2." {
			t.Errorf("%s is still reported", a)
		}
	}
	if got := senders(&table, at(50+7*24+1)); len(got) > 0 {
		t.Errorf("a week later there are %d senders", len(got))
	}
}

func TestTableIsSmallHasNoPointersAndAllocatesNothing(t *testing.T) {
	var table radar.Table
	if size := unsafe.Sizeof(table); size > 125<<10 {
		t.Errorf("%d bytes", size)
	}
	if p := pointerIn(reflect.TypeFor[radar.Table]()); p != "" {
		t.Errorf("it has a pointer: %s", p)
	}
	p, q := syn(stranger, 1), udp(other, 1)
	answer := sent(q)
	now := uint32(0)
	if allocs := testing.AllocsPerRun(1000, func() {
		now += 60
		p.DstPort, q.DstPort = uint16(now), uint16(now)
		table.Look(now, p, 1)
		table.Look(now, q, 1)
		table.Look(now, answer, 0)
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}

// pointerIn names what has a pointer in it, "" if nothing has.
func pointerIn(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Array:
		if t.Len() > 0 {
			return pointerIn(t.Elem())
		}
		return ""
	case reflect.Struct:
		for i := range t.NumField() {
			if p := pointerIn(t.Field(i).Type); p != "" {
				return p
			}
		}
		return ""
	case reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return ""
	}
	return t.String()
}
