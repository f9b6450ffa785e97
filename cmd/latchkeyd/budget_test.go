// SPDX-License-Identifier: Apache-2.0

package main

import (
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// What the daemon may take of a router's memory, in kB, resident. What it takes more after something does not
// depend on the machine; how much of the program is in memory before it does.
const (
	idleMemory  = 6_000_000 / 1024
	afterFlood  = idleMemory / 2     // more, at the most, after any flood
	withVisits  = idleMemory * 3 / 2 // more, at the most, if as many visits are kept besides as can be
	everMemory  = 32_000             // at any time: half of a router with 64 MB
	floodedWith = "SYNs to every port that is listened to, each from another sender"
)

func TestMemoryBudget(t *testing.T) {
	lab.Enter(t)
	program, err := lab.Program("latchkeyd", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	d := startProgram(t, program, atHome, "--clock", "synchronised")
	idle := memory(t, d.cmd.Process.Pid)
	if idle > idleMemory {
		t.Errorf("%d kB resident, the limit is %d kB", idle, idleMemory)
	}
	ports := []uint16{7431, 2951, 8812, 5100, 4300, 7000, 8000, 9000}
	sendFlood(t, func(r *rand.Rand) []byte {
		port := ports[r.IntN(len(ports))]
		if r.IntN(2) == 0 {
			port = uint16(portsBase + r.IntN(24*256))
		}
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, byte(r.Uint32()), byte(r.Uint32()), byte(r.Uint32())}), 4000)
		return wire.AppendTCP(nil, from, netip.AddrPortFrom(netip.MustParseAddr(router), port), r.Uint32(), wire.SYN, nil)
	})
	d.settle()
	flooded := memory(t, d.cmd.Process.Pid)
	t.Logf("%d kB idle, %d kB after 50 000 %s", idle, flooded, floodedWith)
	if flooded > idle+afterFlood {
		t.Errorf("%d kB after a flood of %s, the limit is %d kB more than the %d kB of before", flooded, floodedWith, afterFlood, idle)
	}
	for range 512 { // who was in, as many as are kept
		for _, method := range []string{"open", "close"} {
			if err := d.ask(control.Request{Method: method, Door: "web", Address: phone}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	full := memory(t, d.cmd.Process.Pid)
	t.Logf("%d kB with 512 visits", full)
	if full > idle+withVisits {
		t.Errorf("%d kB with 512 visits, the limit is %d kB more than the %d kB of before", full, withVisits, idle)
	}
	// What its owner can do: configurations of the greatest size, and callers who hang in a long request.
	reads := 0
	for range 3 {
		d.write(atHome + "#" + strings.Repeat("x", 1<<20-len(atHome)-1))
		d.signal(unix.SIGHUP)
		reads++
		lab.Wait(t, "the configuration is read", func() bool {
			n := 0
			for _, e := range d.told() {
				if e.Kind == "reload" {
					n++
				}
			}
			return n == reads
		})
		for range 2 * control.MaxCallers {
			c, err := net.Dial("unix", d.socket)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)) // it is not read while another is
			c.Write([]byte(`{"method":"check","text":"` + strings.Repeat("x", 1<<20-100)))
		}
	}
	if err := d.ask(control.Request{Method: "status"}, nil); err != nil {
		t.Error(err)
	}
	peak := memoryOf(t, d.cmd.Process.Pid, "VmHWM:")
	t.Logf("%d kB at the most", peak)
	if peak > everMemory {
		t.Errorf("%d kB at the most, the limit is %d kB", peak, everMemory)
	}
	lab.Withstood(t, "load", "flood, the largest configuration and callers with the longest requests on a router with 64 MB", "never more than 32 MB of memory")
}
