// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestLive_comes_back does what happens to WAN devices, and then sends knocks until one is heard.
func TestLive_comes_back(t *testing.T) {
	for name, happens := range map[string]func(*testing.T){
		"after link down and up": func(t *testing.T) {
			ip(t, "link", "set", "lk0", "down")
			ip(t, "link", "set", "lk0", "up")
		},
		"after the peer was unplugged": func(t *testing.T) {
			ip(t, "link", "set", "lk1", "down")
			ip(t, "link", "set", "lk1", "up")
		},
		"after the device was deleted and made again": func(t *testing.T) {
			ip(t, "link", "del", "lk0")
			addPair(t, "lk0", "lk1")
		},
		"after the device got its old index again": func(t *testing.T) {
			ip(t, "link", "del", "lk0")
			addPair(t, "lk0", "lk1", "index", "777")
			ip(t, "link", "del", "lk0")
			addPair(t, "lk0", "lk1", "index", "777")
		},
		"after another device took the name": func(t *testing.T) {
			t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "lk0old").Run() })
			// Kernels before 6.2 rename no device that is up.
			ip(t, "link", "set", "lk0", "down")
			ip(t, "link", "set", "lk1", "down")
			ip(t, "link", "set", "lk0", "name", "lk0old")
			ip(t, "link", "set", "lk1", "name", "lk1old")
			addPair(t, "lk0", "lk1")
		},
	} {
		t.Run(name, func(t *testing.T) {
			lab.Enter(t)
			addPair(t, "lk0", "lk1")
			var r recorder
			l := listen(t, r.handle, r.notify)
			if err := l.Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
				t.Fatal(err)
			}
			openPort(t, "lk1").send(syn(7000, 1))
			eventually(t, "the first packet is heard", func() bool { return r.count(syn(7000, 1)) == 1 })
			happens(t)
			heardAgain(t, &r)
			eventually(t, "the device is reported to be up", func() bool {
				states := r.states("lk0")
				return len(states) > 0 && states[len(states)-1] == Up
			})
		})
	}
}

func TestLive_comes_back_without_the_kernel_telling(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	var r recorder
	l := listen(t, r.handle, r.notify)
	if err := l.kernel.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
		t.Fatal(err)
	}
	ip(t, "link", "del", "lk0")
	addPair(t, "lk0", "lk1")
	heardAgain(t, &r)
	lab.Withstood(t, "network", "messages of the kernel about devices lost", "devices are looked at anyhow, and heard again")
}

// heardAgain sends knocks until one arrives.
func heardAgain(t *testing.T, r *recorder) {
	t.Helper()
	port := openPort(t, "lk1")
	var tried uint32
	before := r.heard()
	eventually(t, "a packet is heard again", func() bool {
		tried++
		port.send(syn(7000, 100+tried))
		return r.heard() > before
	})
}

func TestLive_tells_what_happens_to_a_device(t *testing.T) {
	lab.Enter(t)
	var r recorder
	l := listen(t, r.handle, r.notify)
	if err := l.Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
		t.Fatalf("a missing device is an error: %v", err)
	}
	states := func(want ...string) {
		t.Helper()
		eventually(t, strings.Join(want, " "), func() bool { return slices.Equal(r.states("lk0"), want) })
		if got := l.Links(); len(got) != 1 || got[0].Name != "lk0" || got[0].State != want[len(want)-1] || got[0].Err != nil || got[0].Since.IsZero() {
			t.Errorf("links %+v, want lk0 %s", got, want[len(want)-1])
		}
	}
	states(Missing)
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", "lk0").Run() }) // where the test failed
	ip(t, "link", "add", "lk0", "type", "veth", "peer", "name", "lk1")
	states(Missing, Down)
	ip(t, "link", "set", "lk1", "up")
	ip(t, "link", "set", "lk0", "up")
	states(Missing, Down, Up)
	openPort(t, "lk1").send(syn(7000, 1))
	eventually(t, "a device that was missing is heard", func() bool { return r.count(syn(7000, 1)) == 1 })
	ip(t, "link", "set", "lk1", "down")
	states(Missing, Down, Up, Down)
	ip(t, "link", "del", "lk0")
	states(Missing, Down, Up, Down, Missing)
}

func TestLive_ignores_outgoing(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	var r recorder
	if err := listen(t, r.handle, r.notify).Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
		t.Fatal(err)
	}
	openPort(t, "lk0").send(syn(7000, 1))
	openPort(t, "lk1").send(syn(7000, 2))
	eventually(t, "the incoming packet is heard", func() bool { return r.count(syn(7000, 2)) == 1 })
	if n := r.count(syn(7000, 1)); n != 0 {
		t.Errorf("the outgoing packet was heard %d times", n)
	}
}

// What a device in promiscuous mode, or a switch that has forgotten where its hosts are, brings for others is no knock:
// the kernel itself takes none of it (ip_rcv_core of net/ipv4/ip_input.c). What is for all or for a group it does take.
func TestLive_hears_nothing_for_other_machines(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		port := addRouter(t)
		ip(t, "link", "set", "lk0", "promisc", "on")
		var r recorder
		if err := listenBy(t, source, r.handle).Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
			t.Fatal(err)
		}
		other := [6]byte{2, 0, 0, 0, 0, 0x77}
		port.frameTo(syn(7000, 0), other)
		port.frameTo(syn(7000, 1), other, 0x81, 0, 0xe0, 0) // with a priority
		port.frameTo(syn(7000, 2), [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
		port.frameTo(syn(7000, 3), [6]byte{1, 0, 94, 0, 0, 1})
		port.toRouter(syn(7000, 4))
		eventually(t, "what is for this machine is heard", func() bool { return r.count(syn(7000, 4)) == 1 })
		for i, want := range []int{0, 0, 1, 1} {
			if n := r.count(syn(7000, uint32(i))); n != want {
				t.Errorf("packet %d was heard %d times, want %d", i, n, want)
			}
		}
	})
}

// Devices above another one have a hardware address of their own: there a packet is for this machine that is for another
// one below.
func TestLive_hears_at_a_device_above_another(t *testing.T) {
	lab.Enter(t)
	own := [6]byte{2, 0, 0, 0, 0, 0x44}
	const address = "02:00:00:00:00:44"
	for name, tt := range map[string]struct {
		tag   []byte
		lines []string
	}{
		"VLAN":    {[]byte{0x81, 0, 0, 5}, []string{"link add link lk0 name up0 address " + address + " type vlan id 5"}},
		"macvlan": {nil, []string{"link add link lk0 name up0 address " + address + " type macvlan"}},
		"bridge":  {nil, []string{"link add up0 address " + address + " type bridge", "link set lk0 master up0"}},
	} {
		t.Run(name, func(t *testing.T) {
			port := addRouter(t)
			for _, line := range append(tt.lines, "link set up0 up") {
				if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
					t.Skipf("SKIP: the kernel has no %s: ip %s: %v: %s", name, line, err, out)
				}
				if line == tt.lines[0] {
					t.Cleanup(func() { ip(t, "link", "del", "up0") })
				}
			}
			var above, below recorder
			for device, r := range map[string]*recorder{"up0": &above, "lk0": &below} {
				if err := listen(t, r.handle, r.notify).Set([]string{device}, wire.Filter{SYN: knockPort}); err != nil {
					t.Fatal(err)
				}
			}
			tried := uint32(0) // a bridge forwards nothing until it has looked at its new port
			eventually(t, "the device above hears it", func() bool {
				tried++
				port.frameTo(syn(7000, tried), own, tt.tag...)
				return above.heard() > 0
			})
			port.toRouter(syn(7000, 0))
			eventually(t, "the device below hears what is for itself", func() bool { return below.count(syn(7000, 0)) == 1 })
			if n := below.heard(); n != 1 {
				t.Errorf("the device below heard %d packets, want one", n)
			}
		})
	}
}

// What is tagged belongs to the VLAN's device, above this one; a tag with the number 0 is a priority.
func TestLive_leaves_the_packets_of_a_VLAN_to_its_device(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	var r recorder
	if err := listen(t, r.handle, r.notify).Set([]string{"lk0"}, wire.Filter{SYN: knockPort}); err != nil {
		t.Fatal(err)
	}
	port := openPort(t, "lk1")
	for i, tag := range [][]byte{{0x81, 0, 0, 2}, {0x88, 0xa8, 0, 2}, {0x81, 0, 0xe0, 0}, nil} {
		port.sendTagged(syn(7000, uint32(i)), tag...)
	}
	eventually(t, "the untagged packet is heard", func() bool { return r.count(syn(7000, 3)) == 1 })
	for i, want := range []int{0, 0, 1} {
		if n := r.count(syn(7000, uint32(i))); n != want {
			t.Errorf("packet %d was heard %d times, want %d", i, n, want)
		}
	}
}

// TestLive_filters_as_Match_says sends the packets of the differential test through the kernel.
func TestLive_filters_as_Match_says(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	port := openPort(t, "lk1")
	var r recorder
	l := listen(t, r.handle, r.notify)
	const marker = 1
	passed, dropped, coarse := 0, 0, 0
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		f := randomFilter(rnd)
		f.SYN = append(f.SYN, wire.PortRange{First: marker, Last: marker})
		if err := l.Set([]string{"lk0"}, f); err != nil {
			t.Fatal(err)
		}
		r.mu.Lock()
		r.packets = nil
		r.mu.Unlock()
		var want [][]byte
		for range 100 {
			b := randomPacket(rnd, f)
			var p wire.Packet
			if p.Decode(b) != nil || b[0]>>4 == 6 && b[6] != uint8(p.Proto) {
				continue // compile says what it does to these
			}
			port.send(b)
			if !f.Match(&p) {
				dropped++
				continue
			}
			passed++
			if p.Proto != wire.UDP {
				b = b[:min(len(b), snapHeaders)]
			}
			want = append(want, b)
		}
		// Where the kernel has no room for all of the filter, other packets come, too.
		wanted := func(b []byte) bool { return true }
		if l.Links()[0].Coarse != "" {
			coarse++
			wanted = func(b []byte) bool {
				var p wire.Packet
				return p.Decode(b) == nil && f.Match(&p)
			}
		}
		end := syn(marker, 0xe0d)
		port.send(end)
		want = append(want, end)
		eventually(t, "the end marker is heard", func() bool { return r.count(end) > 0 })
		heard := slices.DeleteFunc(r.all(), func(b []byte) bool { return !wanted(b) })
		if !slices.EqualFunc(want, heard, bytes.Equal) { // cmp.Diff takes its time for bytes that are the same
			t.Fatalf("seed %d: packets differ (-want +got):\n%s", seed, cmp.Diff(want, heard))
		}
	}
	t.Logf("%d packets passed, %d were dropped, %d filters were too big", passed, dropped, coarse)
	if passed < 500 || dropped < 500 {
		t.Errorf("%d packets passed, %d were dropped: not enough to tell", passed, dropped)
	}
}

func TestLive_loses_nothing_while_filters_are_swapped(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		t.Run("with room for two filters", func(t *testing.T) { swapUnderLoad(t, source) })
		t.Run("with room for one filter", func(t *testing.T) {
			giveRoom(t, 20480)
			swapUnderLoad(t, source)
		})
		t.Run("with room for none of them", func(t *testing.T) {
			giveRoom(t, 4096)
			swapUnderLoad(t, source)
		})
	})
}

// swapUnderLoad sends numbered packets while filters are swapped that both want them, among much
// else, and looks that each number comes once.
func swapUnderLoad(t *testing.T, source newSource) {
	addPair(t, "lk0", "lk1")
	port := openPort(t, "lk1")
	var r recorder
	l := listenBy(t, source, r.handle)
	filters := []wire.Filter{
		{SYN: knockPort},
		{SYN: knockPort, STUN: wire.STUNFilter{Ports: onePort(3478), Hints: manyHints(1100)}},
		{SYN: knockPort, STUN: wire.STUNFilter{Ports: onePort(3478), Hints: manyHints(1000)}},
	}
	if err := l.Set([]string{"lk0"}, filters[0]); err != nil {
		t.Fatal(err)
	}
	var sent atomic.Uint32
	enough, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-enough:
				return
			default:
			}
			// At most 100 on their way, so that a full queue is no reason for a loss.
			for int(sent.Load())-r.heard() > 100 {
				runtime.Gosched()
			}
			port.send(syn(7000, sent.Load()))
			sent.Add(1)
		}
	}()
	least := 300
	if testing.Short() { // an emulated machine takes long to compile a filter
		least = 60
	}
	swaps := 0
	for swaps < least || sent.Load() < 3000 {
		swaps++
		if err := l.Set([]string{"lk0"}, filters[swaps%len(filters)]); err != nil {
			t.Fatal(err)
		}
	}
	close(enough)
	<-ended
	t.Logf("%d packets, %d swaps", sent.Load(), swaps)
	eventually(t, "the last packet is heard", func() bool { return len(numbers(&r)) >= int(sent.Load()) })
	for i, n := range numbers(&r) {
		if n != uint32(i) {
			t.Fatalf("packet %d is number %d", i, n)
		}
	}
}

// numbers returns the sequence numbers of the SYNs that were heard.
func numbers(r *recorder) (numbers []uint32) {
	for _, b := range r.all() {
		var p wire.Packet
		if p.Decode(b) == nil && p.Proto == wire.TCP {
			numbers = append(numbers, p.Seq)
		}
	}
	return numbers
}

func TestLive_leaves_devices(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	addPair(t, "lk2", "lk3")
	var r recorder
	l := listen(t, r.handle, r.notify)
	for _, devices := range [][]string{{"lk0"}, {"lk0", "lk2"}, {"lk2"}} {
		if err := l.Set(devices, wire.Filter{SYN: knockPort}); err != nil {
			t.Fatal(err)
		}
	}
	openPort(t, "lk1").send(syn(7000, 1))
	openPort(t, "lk3").send(syn(7000, 2))
	eventually(t, "the device that stayed is heard", func() bool { return r.count(syn(7000, 2)) == 1 })
	if n := r.count(syn(7000, 1)); n != 0 {
		t.Errorf("the device that was left is heard")
	}
	if got := l.Links(); len(got) != 1 || got[0].Name != "lk2" {
		t.Errorf("links %+v, want lk2", got)
	}
}

func TestListen_names_the_missing_right(t *testing.T) {
	lab.Enter(t)
	// Only this thread gives the right away, and it ends with the goroutine.
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var data [2]unix.CapUserData
		if err := unix.Capget(&header, &data[0]); err != nil {
			done <- err
			return
		}
		data[0].Effective &^= 1 << unix.CAP_NET_RAW
		if err := unix.Capset(&header, &data[0]); err != nil {
			done <- err
			return
		}
		_, err := Listen(nil, nil, true)
		done <- err
	}()
	err := <-done
	if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "hint: needs CAP_NET_RAW") {
		t.Errorf("error %v, want EPERM with a hint", err)
	}
}
