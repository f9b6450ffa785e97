// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// giveRoom sets how many bytes of filters a socket may have, until the test ends.
func giveRoom(t *testing.T, bytes int) {
	t.Helper()
	const limit = "/proc/sys/net/core/optmem_max"
	old, err := os.ReadFile(limit)
	if err != nil {
		t.Skipf("SKIP: the kernel has no optmem_max of each network namespace (Linux 6.8): %v", err)
	}
	setRoom(t, fmt.Sprint(bytes))
	t.Cleanup(func() { setRoom(t, string(old)) })
}

func setRoom(t *testing.T, bytes string) {
	t.Helper()
	if err := os.WriteFile("/proc/sys/net/core/optmem_max", []byte(bytes), 0); err != nil {
		t.Skipf("SKIP: the kernel does not let this test set optmem_max: %v", err)
	}
}

// hinted wants knocks by SYN, and messages with so many hints.
func hinted(n int) wire.Filter {
	return wire.Filter{SYN: knockPort, STUN: wire.STUNFilter{Ports: onePort(3478), Hints: manyHints(n)}}
}

// hears tells that lk0 is up, listened to without all that was asked for, or with it, and heard.
func hears(t *testing.T, l *Live, r *recorder, coarse string) {
	t.Helper()
	heardAgain(t, r)
	eventually(t, "lk0 is up", func() bool { return l.Links()[0].State == Up })
	got := l.Links()
	if len(got) != 1 || got[0].Err != nil {
		t.Fatalf("links %+v, want lk0", got)
	}
	if coarse == "" && got[0].Coarse != "" || !strings.HasPrefix(got[0].Coarse, coarse) {
		t.Errorf("coarse %q, want %q", got[0].Coarse, coarse)
	}
}

// scattered returns ranges with gaps of many sizes between them.
func scattered(n int) (ranges []wire.PortRange) {
	for i := range n {
		ranges = append(ranges, wire.PortRange{First: uint16(2 * i * i), Last: uint16(2*i*i + 1)})
	}
	return ranges
}

const noHints = "without the hints of messages, because "

// TestLive_is_never_deaf has a filter that the kernel has no room for, at each opening of a socket.
func TestLive_is_never_deaf_for_want_of_room(t *testing.T) {
	lab.Enter(t)
	// As on a 32-bit kernel before 6.8. Elsewhere before 6.8 it is 20480 everywhere, which 3000 hints
	// do not fit into either.
	if _, err := os.Stat("/proc/sys/net/core/optmem_max"); err == nil {
		giveRoom(t, 10240)
	}
	big := hinted(3000)
	for name, happens := range map[string]func(*testing.T, *Live){
		"whose device was missing at first": func(t *testing.T, l *Live) {
			set(t, l, big)
			addPair(t, "lk0", "lk1")
		},
		"whose device was there": func(t *testing.T, l *Live) {
			addPair(t, "lk0", "lk1")
			set(t, l, big)
		},
		"whose filter was smaller before": func(t *testing.T, l *Live) {
			addPair(t, "lk0", "lk1")
			set(t, l, hinted(3))
			set(t, l, big)
		},
		"whose device came back": func(t *testing.T, l *Live) {
			addPair(t, "lk0", "lk1")
			set(t, l, big)
			ip(t, "link", "del", "lk0")
			addPair(t, "lk0", "lk1")
		},
		"whose device was missing at a reload": func(t *testing.T, l *Live) {
			set(t, l, hinted(3))
			set(t, l, big)
			addPair(t, "lk0", "lk1")
		},
		"whose socket broke": func(t *testing.T, l *Live) {
			addPair(t, "lk0", "lk1")
			set(t, l, big)
			l.mu.Lock()
			l.devices["lk0"].socket.broken.Store(true)
			l.mu.Unlock()
		},
	} {
		t.Run(name, func(t *testing.T) {
			var r recorder
			l := listen(t, r.handle, r.notify)
			happens(t, l)
			hears(t, l, &r, noHints)
			if got := l.Links()[0].Coarse; !strings.Contains(got, "net.core.optmem_max") || !strings.Contains(got, "sysctl -w") {
				t.Errorf("coarse %q, want the limit and a hint", got)
			}
			set(t, l, hinted(3))
			hears(t, l, &r, "")
		})
	}
}

// The least room that a router has is enough for the ports of a hundred sequences, joined to 64 ranges.
func TestLive_joins_ports_that_there_is_no_room_for(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	giveRoom(t, 10240)
	var r recorder
	l := listen(t, r.handle, r.notify)
	f := hinted(1000)
	for _, ranges := range []*[]wire.PortRange{&f.SYN, &f.TCP, &f.UDP, &f.Echo} {
		*ranges = append(*ranges, scattered(170)...)
	}
	set(t, l, f)
	hears(t, l, &r, "without the hints of messages and with 64 ranges of ports at the most, because ")
}

func set(t *testing.T, l *Live, f wire.Filter) {
	t.Helper()
	if err := l.Set([]string{"lk0"}, f); err != nil {
		t.Fatal(err)
	}
}

// BPF_MAXINSNS is the same on every kernel.
func TestLive_hears_with_more_instructions_than_allowed(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	var r recorder
	l := listen(t, r.handle, r.notify)
	set(t, l, hinted(5000))
	hears(t, l, &r, noHints)
	ports := wire.Filter{SYN: knockPort}
	for i := range 4000 {
		ports.UDP = append(ports.UDP, wire.PortRange{First: uint16(3 * i), Last: uint16(3*i + 1)})
	}
	set(t, l, ports)
	hears(t, l, &r, "without the hints of messages and with 64 ranges of ports at the most, because ")
	set(t, l, hinted(1))
	hears(t, l, &r, "")
}

func TestLive_has_hints_again_as_soon_as_there_is_room(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	giveRoom(t, 10240)
	var r recorder
	l := listen(t, r.handle, r.notify)
	for range 3 { // a new minute has new hints
		set(t, l, hinted(1500))
	}
	hears(t, l, &r, noHints+"net.core.optmem_max is 10240 (hint: sysctl -w net.core.optmem_max=131072)")
	reported := func() []Link {
		r.mu.Lock()
		defer r.mu.Unlock()
		return slices.Clone(r.links)
	}
	// What changes again before anybody was told is not reported.
	eventually(t, "the lack of room is reported", func() bool { return len(reported()) > 0 })
	giveRoom(t, 131072)
	set(t, l, hinted(1500))
	hears(t, l, &r, "")
	eventually(t, "each change is reported once", func() bool {
		links := reported()
		return len(links) == 2 && links[0].Coarse != "" && links[1].Coarse == ""
	})
}

// TestLive_hears_whatever_room_there_is has filters of all sizes, each at a socket of its own and as the next
// one of a socket. Just below the limit there is no room for the smallest filter beside the old one.
func TestLive_hears_whatever_room_there_is(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	giveRoom(t, 20480)
	var r recorder
	l := listen(t, r.handle, r.notify)
	seen := map[string]int{}
	for room := 20480; room > 200; room -= 331 {
		setRoom(t, fmt.Sprint(room))
		f := hinted(1000)
		f.UDP = scattered(150)
		set(t, l, f)
		heardAgain(t, &r)
		got := l.Links()[0]
		if got.Err != nil {
			t.Fatalf("room for %d bytes: %v", room, got.Err)
		}
		what, _, _ := strings.Cut(got.Coarse, ",")
		seen[what]++
	}
	t.Logf("how often what was lost: %v", seen)
	for _, c := range coarser {
		if seen[c.lost] == 0 {
			t.Errorf("never %q: %v", c.lost, seen)
		}
	}
}

// The room of a socket is full up to the last byte, so that not even the smallest filter fits beside its own.
func TestLive_swaps_a_filter_that_leaves_no_room(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	giveRoom(t, 20480)
	var r recorder
	l := listen(t, r.handle, r.notify)
	set(t, l, hinted(900))
	// The least room in which it fits.
	lo, hi := 1024, 20480
	for hi-lo > 1 {
		mid := (lo + hi) / 2
		setRoom(t, fmt.Sprint(mid))
		set(t, l, hinted(900))
		if l.Links()[0].Coarse == "" {
			hi = mid
		} else {
			lo = mid
		}
	}
	setRoom(t, fmt.Sprint(hi))
	set(t, l, hinted(900))
	hears(t, l, &r, "")
	set(t, l, hinted(899))
	hears(t, l, &r, "")
}
