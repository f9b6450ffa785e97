// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bytes"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/wire"
)

var (
	sender4   = netip.MustParseAddrPort("203.0.113.7:40000")
	receiver4 = netip.MustParseAddrPort("198.51.100.1:7000")

	knockPort = []wire.PortRange{{First: 7000, Last: 7000}}
)

// ip runs ip(8).
func ip(t testing.TB, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		t.Skip("SKIP: no command ip (package iproute2)")
	}
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		t.Fatalf("ip %q: %v\n%s", args, err, out)
	}
}

// addPair makes two devices that are up and joined to each other.
func addPair(t testing.TB, name, peer string, options ...string) {
	t.Helper()
	ip(t, slices.Concat([]string{"link", "add", name}, options, []string{"type", "veth", "peer", "name", peer})...)
	ip(t, "link", "set", name, "up")
	ip(t, "link", "set", peer, "up")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", name).Run() }) // the test may have done so
}

// wirePort puts whole Ethernet frames onto a device.
type wirePort struct {
	t     testing.TB
	fd    int
	frame []byte
}

func openPort(t testing.TB, device string) *wirePort {
	t.Helper()
	ifi, err := net.InterfaceByName(device)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // 0: reads nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index}); err != nil {
		t.Fatal(err)
	}
	return &wirePort{t: t, fd: fd}
}

// send sends an IP packet to everyone. It allocates nothing from the second packet on.
func (p *wirePort) send(packet []byte) { p.sendTagged(packet) }

// sendTagged puts a tag of IEEE 802.1Q before the packet's EtherType.
func (p *wirePort) sendTagged(packet []byte, tag ...byte) {
	p.t.Helper()
	p.frameTo(packet, [6]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, tag...)
}

// frameTo is sendTagged to a hardware address.
func (p *wirePort) frameTo(packet []byte, to [6]byte, tag ...byte) {
	p.t.Helper()
	p.frame = append(append(p.frame[:0], to[:]...), 2, 0, 0, 0, 0, 1)
	p.frame = append(p.frame, tag...)
	if len(packet) > 0 && packet[0]>>4 == 6 {
		p.frame = append(p.frame, 0x86, 0xdd)
	} else {
		p.frame = append(p.frame, 0x08, 0x00)
	}
	p.frame = append(p.frame, packet...)
	for {
		_, err := unix.Write(p.fd, p.frame)
		switch err {
		case nil:
			return
		case unix.EINTR, unix.ENOBUFS:
		default:
			p.t.Fatalf("send: %v", err)
		}
	}
}

// syn is a packet to a port of its own, with a number.
func syn(port uint16, number uint32) []byte {
	return wire.AppendTCP(nil, sender4, netip.AddrPortFrom(receiver4.Addr(), port), number, wire.SYN, nil)
}

// recorder is a Handler that keeps packets, and a notify that keeps links.
type recorder struct {
	mu      sync.Mutex
	packets [][]byte
	links   []Link
}

func (r *recorder) handle(_ time.Time, _ string, packets [][]byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, b := range packets {
		r.packets = append(r.packets, bytes.Clone(b))
	}
}

func (r *recorder) notify(l Link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.links = append(r.links, l)
}

func (r *recorder) all() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.packets)
}

func (r *recorder) heard() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.packets)
}

// count tells how many packets equal one.
func (r *recorder) count(packet []byte) (n int) {
	for _, b := range r.all() {
		if bytes.Equal(b, packet) {
			n++
		}
	}
	return n
}

func (r *recorder) states(device string) (states []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.links {
		if l.Name == device {
			states = append(states, l.State)
		}
	}
	return states
}

// listen starts a Live that ends with the test, and that strangers can flood.
func listen(t testing.TB, h Handler, notify func(Link)) *Live {
	t.Helper()
	l, err := Listen(h, notify, true)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// eventually waits for something that must come.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen within 10 s: %s", what)
		}
	}
}
