// SPDX-License-Identifier: Apache-2.0

package probe_test

import (
	"context"
	"net"
	"net/netip"
	"os/exec"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/probe"
)

// away is where packets go that come back to the machine itself, as from away, to own.
var (
	own  = netip.MustParsePrefix("192.0.2.1/24")
	away = netip.MustParseAddrPort("192.0.2.2:2222")
)

// farAway sends what goes to away back after a time, with its addresses swapped. What is served at own is
// then served at away, with twice that time for the way there and back.
func farAway(t *testing.T, oneWay time.Duration) {
	t.Helper()
	tun := lab.TUN(t, "", "far")
	for _, args := range [][]string{{"address", "add", own.String(), "dev", "far"}, {"link", "set", "far", "up"}} {
		if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	go func() {
		for {
			packet := make([]byte, 2048)
			n, err := tun.Read(packet)
			if err != nil {
				return
			}
			if packet = packet[:n]; packet[0]>>4 != 4 {
				continue
			}
			var source [4]byte // the checksums stay as they are
			copy(source[:], packet[12:16])
			copy(packet[12:16], packet[16:20])
			copy(packet[16:20], source[:])
			time.AfterFunc(oneWay, func() { tun.Write(packet) })
		}
	}()
}

// serveConns accepts connections at own, and counts them.
func serveConns(t *testing.T) <-chan struct{} {
	t.Helper()
	l, err := net.Listen("tcp", netip.AddrPortFrom(own.Addr(), away.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	came := make(chan struct{}, 16)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			came <- struct{}{}
			c.Close()
		}
	}()
	return came
}

func TestOpenDoorFarAwayGetsOneConnection(t *testing.T) {
	lab.Enter(t)
	farAway(t, 100*time.Millisecond)
	came := serveConns(t)
	w := probe.Begin(t.Context(), []netip.AddrPort{away})
	w.Settle(t.Context(), 30*time.Second)
	w.End()
	if v := w.Verdict(); v != probe.Answered {
		t.Fatalf("%s, want %s", v, probe.Answered)
	}
	<-came
	// What left before this has come when this one is accepted, for the way is a queue.
	c, err := net.Dial("tcp", away.String())
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	<-came
	if n := len(came); n != 0 {
		t.Errorf("%d connections more", n)
	}
}

// Of a door whose answers take longer than is waited before a knock nobody can tell whether it was open.
func TestOpenDoorTooFarAwayIsNotClaimedToHaveOpened(t *testing.T) {
	lab.Enter(t)
	farAway(t, 600*time.Millisecond)
	serveConns(t)
	w := probe.Begin(t.Context(), []netip.AddrPort{away})
	defer w.End()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	conn := w.Await(ctx)
	if conn == nil {
		t.Fatal("no connection")
	}
	conn.Close()
	if v := w.Verdict(); v != probe.Unclear {
		t.Errorf("%s, want %s", v, probe.Unclear)
	}
}
