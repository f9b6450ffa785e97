// SPDX-License-Identifier: Apache-2.0

package send_test

import (
	"encoding/binary"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// The addresses of a router that answers nothing, and of one that nobody has a route to.
var (
	router4  = netip.MustParseAddr("192.0.2.9")
	router6  = netip.MustParseAddr("2001:db8::9")
	nowhere4 = netip.MustParseAddr("198.51.100.9")
	nowhere6 = netip.MustParseAddr("2001:db8:bad::9")
)

// device is where the router seems to be: packets to it vanish.
const device = "wan"

// setup makes the device. It asks for no neighbour, and nobody is at its other end.
const setup = `set -e
ip link add ` + device + ` arp off type veth peer name nobody
ip address add 192.0.2.1/24 dev ` + device + `
ip link set nobody up
ip link set ` + device + ` up
ip -6 address add 2001:db8::1/64 dev ` + device + ` nodad
echo "0 0" > /proc/sys/net/ipv4/ping_group_range`

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }

// seen is a packet that left for the router, and when.
type seen struct {
	at time.Time
	wire.Packet
}

// tap collects the packets that leave for the router.
type tap struct {
	mu      sync.Mutex
	packets []seen
}

// listen begins to collect.
func listen(t *testing.T) *tap {
	t.Helper()
	lab.Enter(t)
	dev, err := net.InterfaceByName(device)
	if err != nil { // the first test of all
		if out, err := exec.Command("/bin/sh", "-c", setup).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		dev, err = net.InterfaceByName(device)
	}
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all [2]byte
	binary.BigEndian.PutUint16(all[:], unix.ETH_P_ALL)
	addr := &unix.SockaddrLinklayer{Protocol: binary.NativeEndian.Uint16(all[:]), Ifindex: dev.Index}
	if err := unix.Bind(fd, addr); err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fd), "tap")
	p := &tap{}
	var done sync.WaitGroup
	done.Go(func() { p.read(f) })
	t.Cleanup(func() { f.Close(); done.Wait() })
	return p
}

func (p *tap) read(f *os.File) {
	for {
		b := make([]byte, 2048)
		n, err := f.Read(b)
		if err != nil {
			return
		}
		s := seen{at: time.Now()}
		if s.Decode(b[:n]) == nil && (s.Dst == router4 || s.Dst == router6) {
			p.mu.Lock()
			p.packets = append(p.packets, s)
			p.mu.Unlock()
		}
	}
}

// await returns the packets once there are at least n, and fails the test if that takes too long.
func (p *tap) await(t *testing.T, n int) []seen {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for {
		p.mu.Lock()
		packets := p.packets[:len(p.packets):len(p.packets)]
		p.mu.Unlock()
		if len(packets) >= n {
			return packets
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d packets left within 10 s, want %d", len(packets), n)
		}
		time.Sleep(time.Millisecond)
	}
}

// elsewhere runs f on a thread in a fresh network namespace, where ordinary users may not send
// echo requests, with or without the rights of an administrator. The thread ends with f.
func elsewhere(t *testing.T, admin bool, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			t.Error(err)
			return
		}
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var none [2]unix.CapUserData
		if !admin {
			if err := unix.Capset(&header, &none[0]); err != nil {
				t.Error(err)
				return
			}
		}
		f()
	}()
	<-done
}
