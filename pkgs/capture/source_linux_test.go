// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// sources are all ways to read the packets of a socket.
var sources = map[string]newSource{"ring": newRing, "queue": newQueue}

// bySource tests something with each of them.
func bySource(t *testing.T, test func(*testing.T, newSource)) {
	t.Helper()
	for name, source := range sources {
		t.Run(name, func(t *testing.T) {
			lab.Enter(t)
			test(t, source)
		})
	}
}

// listenBy is listen, by such a source.
func listenBy(t testing.TB, source newSource, h Handler) *Live {
	t.Helper()
	l := listen(t, h, func(Link) {})
	l.sources = []newSource{source}
	return l
}

// numbered is a UDP packet of a size to port 7000; its payload says which.
func numbered(number uint32, size int) []byte {
	b := wire.AppendUDP(nil, sender4, receiver4, make([]byte, size-28))
	for i := range size - 28 {
		b[28+i] = byte(number >> (8 * (i % 4)))
	}
	return b
}

// udpPort is a filter that lets 1600 bytes of such packets through.
var udpPort = wire.Filter{UDP: knockPort}

// paced sends packets, at most 100 of which are on their way.
func paced(port *wirePort, r *recorder, packets [][]byte) {
	before := r.heard()
	for i, b := range packets {
		for i-(r.heard()-before) > 100 {
			runtime.Gosched()
		}
		port.send(b)
	}
}

// The sizes are those around what a frame of the ring has room for, and what is cut.
func TestSource_hands_over_packets_of_all_sizes_in_their_order(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		addPair(t, "lk0", "lk1", "mtu", "9000")
		ip(t, "link", "set", "lk1", "mtu", "9000")
		port := openPort(t, "lk1")
		var r recorder
		l := listenBy(t, source, r.handle)
		set(t, l, udpPort)
		rnd := rand.New(rand.NewPCG(1, 2))
		sizes := []int{32, 60, 175, 176, 177, 178, 300, 1500, 1599, 1600, 1601, 3000}
		var packets, want [][]byte
		for i := range uint32(4000) {
			size := sizes[rnd.IntN(len(sizes))]
			if i > 1500 && i < 3000 {
				size = 60 // once around the ring without any other
			}
			packets = append(packets, numbered(i, size))
			want = append(want, packets[i][:min(size, snapPayload)])
		}
		paced(port, &r, packets)
		eventually(t, "the last packet is heard", func() bool { return r.heard() >= len(want) })
		for i, b := range r.all() {
			if i >= len(want) || !bytes.Equal(b, want[i]) {
				t.Fatalf("packet %d of %d has %d bytes, or other ones, want %d", i, r.heard(), len(b), len(want[i]))
			}
		}
		if n := l.Links()[0].Dropped; n != 0 {
			t.Errorf("%d are counted as dropped", n)
		}
	})
}

// blocker is a Handler that keeps its first packets until it is told to go on.
type blocker struct {
	recorder
	has  chan [][]byte // the packets that it keeps
	on   chan struct{}
	goOn func()
}

func newBlocker() *blocker {
	b := &blocker{has: make(chan [][]byte, 1), on: make(chan struct{})}
	b.goOn = sync.OnceFunc(func() { close(b.on) })
	return b
}

func (b *blocker) take(came time.Time, device string, packets [][]byte) {
	select {
	case <-b.on:
	default:
		b.has <- packets
		<-b.on
	}
	b.handle(came, device, packets)
}

// room returns how many short packets the kernel keeps for a source at least: a queue has bytes of the kernel's accounting, and
// this machine may allow less of them (net.core.rmem_max) than receiveBuffer to one who is root in a namespace only.
func room(t *testing.T, s source) int {
	t.Helper()
	q, ok := s.(*queue)
	if !ok {
		return 900 // of 1024 frames
	}
	size, err := unix.GetsockoptInt(q.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	if err != nil {
		t.Fatal(err)
	}
	return size / 2560
}

func TestLive_accounts_for_a_burst(t *testing.T) {
	bySource(t, func(t *testing.T, make newSource) {
		addPair(t, "lk0", "lk1")
		port := openPort(t, "lk1")
		b := newBlocker()
		var s source
		l := listenBy(t, func(fd int) (source, error) {
			var err error
			s, err = make(fd)
			return s, err
		}, b.take)
		t.Cleanup(b.goOn) // before l is closed
		set(t, l, wire.Filter{SYN: knockPort})
		least := room(t, s)
		const total = 10_000
		port.send(syn(7000, 0))
		<-b.has
		for n := uint32(1); n < total; n++ {
			port.send(syn(7000, n))
		}
		b.goOn()
		eventually(t, "every packet is heard or counted as dropped", func() bool {
			return uint64(b.heard())+l.Links()[0].Dropped == total
		})
		got := numbers(&b.recorder)
		t.Logf("%d of %d heard", len(got), total)
		if !slices.IsSorted(got) {
			t.Error("packets are out of order")
		}
		if len(got) < least || len(got) == total {
			t.Errorf("%d of %d heard, want %d at least, and not all", len(got), total, least)
		}
		// It goes on behind the gap.
		port.send(syn(7000, total))
		eventually(t, "the next packet is heard", func() bool { return b.count(syn(7000, total)) == 1 })
		if n := uint64(b.heard()) + l.Links()[0].Dropped; n != total+1 {
			t.Errorf("%d heard or dropped, want %d", n, total+1)
		}
	})
	lab.Withstood(t, "load", "burst of packets beyond the queue of the kernel", "each is read or counted as dropped, in order")
}

func TestSource_of_a_device_that_goes_with_packets_inside(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		addPair(t, "lk0", "lk1")
		port := openPort(t, "lk1")
		b := newBlocker()
		l := listenBy(t, source, b.take)
		t.Cleanup(b.goOn)
		set(t, l, udpPort)
		port.send(numbered(0, 60))
		<-b.has
		for n := uint32(1); n < 200; n++ {
			port.send(numbered(n, 150+int(n))) // also longer than a frame
		}
		ip(t, "link", "del", "lk0")
		eventually(t, "the device is missing", func() bool { return l.Links()[0].State == Missing })
		addPair(t, "lk0", "lk1")
		b.goOn()
		port = openPort(t, "lk1")
		eventually(t, "the new one is heard", func() bool {
			port.send(numbered(1000, 60))
			return b.count(numbered(1000, 60)) > 0
		})
		for i, p := range b.all() {
			if want := numbered(uint32(i), 150+i); i > 0 && i < 200 && !bytes.Equal(p, want) && !bytes.Equal(p, numbered(1000, 60)) {
				t.Fatalf("packet %d has %d bytes, or other ones", i, len(p))
			}
		}
	})
}

// What a handler has stays as it is until it returns, whatever becomes of the device.
func TestSource_keeps_packets_while_they_are_handled(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *Live){
		"and the device is left":     func(_ *testing.T, l *Live) { _ = l.Set(nil, udpPort) },
		"and the device is deleted":  func(t *testing.T, l *Live) { ip(t, "link", "del", "lk0") },
		"and another filter is used": func(t *testing.T, l *Live) { set(t, l, wire.Filter{}) },
		"and the capture is closed": func(t *testing.T, l *Live) {
			go l.Close() // it waits for the handler
			eventually(t, "it is closed", func() bool {
				l.mu.Lock()
				defer l.mu.Unlock()
				return l.closed
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			bySource(t, func(t *testing.T, source newSource) {
				addPair(t, "lk0", "lk1")
				port := openPort(t, "lk1")
				b := newBlocker()
				l := listenBy(t, source, b.take)
				t.Cleanup(b.goOn)
				set(t, l, udpPort)
				want := numbered(7, 160)
				port.send(want)
				held := <-b.has
				for n := range uint32(3000) { // more than there is room for
					port.send(numbered(n, 160))
				}
				end(t, l)
				if len(held) != 1 || !bytes.Equal(held[0], want) {
					t.Error("a packet changed while it was handled")
				}
			})
		})
	}
}

// TestSocket_is_not_used_after_its_reader_gave_it_back has the system call that wakes a reader be slow, while the
// reader is awake: by then the descriptor could be that of another file.
func TestSocket_is_not_used_after_its_reader_gave_it_back(t *testing.T) {
	const child = "LATCHKEY_TEST_CLOSED"
	if os.Getenv(child) != "" {
		lab.Enter(t)
		addPair(t, "lk0", "lk1")
		port := openPort(t, "lk1")
		port.send(numbered(1, 60))
		frame := port.frame
		var r recorder
		l := listen(t, r.handle, func(Link) {})
		for n := range uint32(10) {
			set(t, l, udpPort)
			awake := func() bool {
				_, _ = unix.SendmsgN(port.fd, frame, nil, nil, 0)
				return r.heard() > int(n)
			}
			eventually(t, "it reads", awake)
			ended := done(func() { _ = l.Set(nil, udpPort) })
			for closing := true; closing; {
				awake()
				select {
				case <-ended:
					closing = false
				default:
				}
			}
		}
		return
	}
	lab.Enter(t)
	trace := filepath.Join(t.TempDir(), "trace")
	lab.Strace(t, child+"=1", "-o", trace, "-e", "trace=write", "-e", "inject=write:delay_enter=30ms")
	text, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "EBADF"); n > 0 || !strings.Contains(string(text), "write(") {
		t.Errorf("%d writes to descriptors that were closed", n)
	}
}

// done calls f beside what follows.
func done(f func()) (ended chan struct{}) {
	ended = make(chan struct{})
	go func() {
		defer close(ended)
		f()
	}()
	return ended
}

func TestSource_of_two_devices_that_are_flooded(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		addPair(t, "lk0", "lk1")
		addPair(t, "lk2", "lk3")
		var r [2]recorder
		var inside atomic.Int32
		l := listenBy(t, source, func(came time.Time, device string, packets [][]byte) {
			if inside.Add(1) != 1 {
				t.Error("the handler is called twice at once")
			}
			r[map[string]int{"lk0": 0, "lk2": 1}[device]].handle(came, device, packets)
			inside.Add(-1)
		})
		if err := l.Set([]string{"lk0", "lk2"}, udpPort); err != nil {
			t.Fatal(err)
		}
		const total = 3000
		var ends []chan struct{}
		for i, port := range []*wirePort{openPort(t, "lk1"), openPort(t, "lk3")} {
			var packets [][]byte
			for n := range uint32(total) {
				packets = append(packets, numbered(2*n+uint32(i), 60))
			}
			ends = append(ends, done(func() { paced(port, &r[i], packets) }))
		}
		for i, end := range ends {
			<-end
			eventually(t, "all packets of a device are heard", func() bool { return r[i].heard() >= total })
			for n, b := range r[i].all() {
				if !bytes.Equal(b, numbered(uint32(2*n+i), 60)) {
					t.Fatalf("device %d: packet %d is another one", i, n)
				}
			}
		}
	})
}

// bare opens a socket of lk0 that nobody reads but the test.
func bare(t testing.TB, source newSource, f wire.Filter) *socket {
	t.Helper()
	index, _, err := listen(t, nil, func(Link) {}).query.device("lk0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := openSocket("lk0", index, []newSource{source})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.free)
	list, err := translate(f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.attach(list); err != nil {
		t.Fatal(err)
	}
	return s
}

// readable reports whether a socket would wake who waits for it.
func readable(t testing.TB, s *socket) bool {
	t.Helper()
	list := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	if _, err := unix.Ppoll(list, &unix.Timespec{}, nil); err != nil {
		t.Fatal(err)
	}
	return list[0].Revents != 0
}

func TestSource_wakes_nobody_for_what_the_filter_drops(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		addPair(t, "lk0", "lk1")
		port := openPort(t, "lk1")
		s := bare(t, source, udpPort)
		for n := range uint32(2000) {
			port.send(syn(7000, n))
			port.send(syn(uint16(8000+n), n))
		}
		if readable(t, s) {
			t.Error("it is readable")
		}
		port.send(numbered(1, 60))
		eventually(t, "a packet makes it readable", func() bool { return readable(t, s) })
		if _, packets, _ := s.source.next(); len(packets) != 1 || !bytes.Equal(packets[0], numbered(1, 60)) {
			t.Errorf("%d packets, want the one that is wanted", len(packets))
		}
	})
}

func TestSource_tells_when_packets_came_that_had_to_wait(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		addPair(t, "lk0", "lk1")
		port := openPort(t, "lk1")
		s := bare(t, source, udpPort)
		var start, late time.Time
		var came time.Time
		var packets [][]byte
		var err error
		// The kernel begins to note the times of packets some time after it was asked to.
		for range 5 {
			start = time.Now()
			port.send(numbered(1, 60))
			port.send(numbered(2, 500))
			sent := time.Now()
			eventually(t, "the time is over", func() bool { return time.Since(sent) > overdue+overdue/10 })
			late = time.Now()
			port.send(numbered(3, 60))
			if came, packets, err = s.source.next(); len(packets) == 1 {
				break
			}
		}
		for i, size := range []int{60, 500} {
			if i > 0 {
				came, packets, err = s.source.next()
			}
			if len(packets) != 1 || !bytes.Equal(packets[0], numbered(uint32(i+1), size)) || err != nil {
				t.Fatalf("%d packets, %v, want packet %d alone", len(packets), err, i+1)
			}
			// The clocks of the kernel and the process are read one after the other.
			if early := start.Add(-overdue / 2); came.Before(early) || came.After(late.Add(-overdue/2)) {
				t.Errorf("packet %d came %s after it was sent", i+1, came.Sub(start))
			}
		}
		came, packets, err = s.source.next()
		if len(packets) != 1 || !errors.Is(err, unix.EAGAIN) || came.Before(late) {
			t.Errorf("%d packets, %v, %s after the last was sent, want it now", len(packets), err, came.Sub(late))
		}
	})
}

func TestLive_does_without_a_ring_where_there_is_none(t *testing.T) {
	lab.Enter(t)
	addPair(t, "lk0", "lk1")
	var r recorder
	l := listen(t, r.handle, r.notify)
	var halfMade atomic.Int32
	l.sources = []newSource{func(fd int) (source, error) {
		_, err := newRing(fd)
		halfMade.Store(int32(fd))
		return nil, errors.Join(err, unix.ENOMEM) // as if it could not be mapped
	}, newQueue}
	set(t, l, wire.Filter{SYN: knockPort})
	heardAgain(t, &r)
	if halfMade.Load() == 0 || l.Links()[0].Err != nil {
		t.Errorf("links %+v, want lk0 without an error", l.Links())
	}
}

// oneByOne reads one packet after the other, in the calling goroutine.
func oneByOne(t testing.TB, source newSource) (round func()) {
	addPair(t, "lk0", "lk1")
	port := openPort(t, "lk1")
	filter := wire.Filter{SYN: knockPort}
	s := bare(t, source, filter)
	packet := syn(7000, 1)
	wait := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
	var p wire.Packet
	return func() {
		port.send(packet)
		for heard := 0; heard < 1; {
			if err := s.wait(wait); err != nil && !errors.Is(err, unix.EINTR) {
				t.Fatal(err)
			}
			_, packets, err := s.source.next()
			if err != nil && !errors.Is(err, unix.EAGAIN) {
				t.Fatal(err)
			}
			for _, b := range packets {
				if p.Decode(b) == nil && filter.Match(&p) {
					heard++
				}
			}
		}
	}
}

func TestSource_allocates_nothing(t *testing.T) {
	bySource(t, func(t *testing.T, source newSource) {
		if n := testing.AllocsPerRun(500, oneByOne(t, source)); n != 0 {
			t.Errorf("%v allocations from the wire to the decoded packet, want 0", n)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for name, source := range sources {
		b.Run(name, func(b *testing.B) {
			lab.Enter(b)
			round := oneByOne(b, source)
			b.ReportAllocs()
			for b.Loop() {
				round()
			}
		})
	}
}
