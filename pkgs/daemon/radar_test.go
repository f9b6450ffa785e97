// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/wire"
)

var stranger = netip.MustParseAddr("198.51.100.7")

// strangers is a daemon.Strangers that hands over what a test put there.
type strangers struct {
	devices []string
	packets []*wire.Packet
	reads   int
	again   time.Duration
	err     error
}

var _ daemon.Strangers = &strangers{}

func (s *strangers) Watch(devices []string) { s.devices = devices }
func (s *strangers) Read(look func(p *wire.Packet, of uint32) bool) (time.Duration, error) {
	s.reads++
	for _, p := range s.packets {
		look(p, 1)
	}
	s.packets = nil
	return s.again, s.err
}

// scan puts SYNs to so many ports there.
func (s *strangers) scan(from netip.Addr, ports int) {
	for n := range ports {
		s.packets = append(s.packets, &wire.Packet{Src: from, Proto: wire.TCP, SrcPort: 40000, DstPort: uint16(1 + n), Flags: wire.SYN})
	}
}

// watch runs the radar of a rig for a time, in a bubble.
func watch(t *testing.T, r *rig, s *strangers, body func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		s.again = time.Second
		r.now = time.Now()
		sys := r.system()
		sys.Now, sys.Strangers = time.Now, s
		var err error
		if r.Daemon, err = daemon.New(sys); err != nil {
			t.Fatal(err)
		}
		go r.Daemon.Run(ctx, nil)
		go r.WatchStrangers(ctx)
		synctest.Wait()
		body()
		stop()
		synctest.Wait()
	})
}

func (r *rig) radar() (got control.Radar, err error) {
	err = r.Answer(r.t.Context(), control.Request{Method: "radar"}, func(v any) error { got = v.(control.Radar); return nil })
	return got, err
}

func (r *rig) scans() (list []control.Event) {
	for _, e := range r.Events(0) {
		if e.Kind == "scan" {
			list = append(list, e)
		}
	}
	return list
}

func TestScansAreReported(t *testing.T) {
	r, s := newRig(t, home), &strangers{}
	watch(t, r, s, func() {
		if !slices.Equal(s.devices, []string{"wan"}) {
			t.Errorf("looks at %q", s.devices)
		}
		s.scan(stranger, 500)
		time.Sleep(15 * time.Second)
		list := r.scans()
		if len(list) != 1 || list[0].Address != stranger.String() || list[0].Ports < 450 || list[0].Ports > 550 || !strings.Contains(list[0].Detail, "can be forged") {
			t.Errorf("reported: %+v", list)
		}
		got, err := r.radar()
		if err != nil || len(got.Senders) != 1 || got.Senders[0].Attempts != 500 || !got.Senders[0].Scan || got.Problem != "" {
			t.Errorf("radar %+v: %v", got, err)
		}
	})
}

// Who scans in thousands of names fills neither log nor list.
func TestFewScansAreReported(t *testing.T) {
	r, s := newRig(t, home), &strangers{}
	watch(t, r, s, func() {
		for n := range 200 {
			s.scan(netip.AddrFrom4([4]byte{198, 51, 100, byte(n)}), 50)
		}
		time.Sleep(15 * time.Second)
		if n := len(r.scans()); n != 12 {
			t.Errorf("%d reported", n)
		}
		time.Sleep(20 * time.Minute)
		s.scan(netip.MustParseAddr("203.0.113.201"), 50)
		time.Sleep(15 * time.Second)
		list := r.scans()
		if last := list[len(list)-1]; len(list) != 13 || last.Address != "203.0.113.201" || last.Hidden == 0 {
			t.Errorf("%d reported, the last is %+v", len(list), last)
		}
		time.Sleep(20 * time.Minute)
		s.scan(netip.MustParseAddr("203.0.113.202"), 50)
		time.Sleep(15 * time.Second)
		list = r.scans()
		if last := list[len(list)-1]; len(list) != 14 || last.Hidden != 0 {
			t.Errorf("%d reported, the last, before which none was hidden, is %+v", len(list), last)
		}
	})
}

// A knock that opens is no scan, whatever ports it came by, and its sender is not in the list.
func TestWhoseKnockOpensIsNotInTheRadar(t *testing.T) {
	r, s := newRig(t, home), &strangers{}
	watch(t, r, s, func() {
		s.scan(phone, 100)
		s.scan(stranger, 100)
		time.Sleep(2 * time.Second)
		r.now = time.Now()
		r.sequence(phone, "7431/tcp", "2951/udp", "8812/tcp")
		if r.open("nas") == "" {
			t.Fatal("the knock did not open")
		}
		s.scan(phone, 100)
		time.Sleep(15 * time.Second)
		if list := r.scans(); len(list) != 1 || list[0].Address != stranger.String() {
			t.Errorf("reported: %+v", list)
		}
		if got, err := r.radar(); err != nil || len(got.Senders) != 1 || got.Senders[0].Address != stranger.String() {
			t.Errorf("radar %+v: %v", got.Senders, err)
		}
	})
}

// A port where knocks arrive by UDP may be that of a service that everybody knows, and is no closed one. Those of a
// configuration that is gone are.
func TestUDPPortsOfKnocksAreNotInTheRadar(t *testing.T) {
	with := func(ports string) string {
		return strings.Replace(home, "option stun_port '41641'", "option stun_port '"+ports+"'\n\toption spa_port '161'", 1)
	}
	r, s := newRig(t, with("443 3478")), &strangers{}
	comes := func(proto wire.Proto, ports ...uint16) {
		for _, port := range ports {
			s.packets = append(s.packets, &wire.Packet{Src: stranger, Proto: proto, SrcPort: 40000, DstPort: port, Flags: wire.SYN})
		}
	}
	counted := func() (list []string) {
		time.Sleep(2 * time.Second)
		got, err := r.radar()
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range got.Ports {
			list = append(list, fmt.Sprintf("%s %d %s", p.Proto, p.Port, p.Service))
		}
		slices.Sort(list)
		return list
	}
	watch(t, r, s, func() {
		comes(wire.UDP, 443, 3478, 161, 53)
		comes(wire.TCP, 443)
		want := []string{"tcp 443 https", "udp 53 domain"}
		if got := counted(); !slices.Equal(got, want) {
			t.Errorf("counted %q, want %q", got, want)
		}
		r.text = with("3478")
		r.Reload()
		comes(wire.UDP, 443, 3478)
		want = []string{"tcp 443 https", "udp 443 quic", "udp 53 domain"}
		if got := counted(); !slices.Equal(got, want) {
			t.Errorf("with another configuration counted %q, want %q", got, want)
		}
	})
}

func TestRadarIsSwitchedOffAndOnByItsOption(t *testing.T) {
	off := strings.Replace(home, "config latchkey 'main'\n", "config latchkey 'main'\n\toption radar '0'\n", 1)
	r, s := newRig(t, off), &strangers{}
	watch(t, r, s, func() {
		time.Sleep(time.Hour)
		if s.reads > 0 || len(s.devices) > 0 {
			t.Errorf("%d reads of %q while it is off", s.reads, s.devices)
		}
		if _, err := r.radar(); err == nil || !strings.Contains(err.Error(), "switched off") {
			t.Errorf("asked while it is off: %v", err)
		}
		r.text = home
		r.Reload()
		synctest.Wait()
		if _, err := r.radar(); err != nil || s.reads == 0 || len(s.devices) != 1 {
			t.Errorf("switched on: %v, %d reads of %q", err, s.reads, s.devices)
		}
		s.scan(stranger, 10)
		time.Sleep(2 * time.Second)
		r.Reload()
		if got, err := r.radar(); err != nil || len(got.Senders) != 1 {
			t.Errorf("a reload forgets: %+v, %v", got, err)
		}
		r.text = off
		r.Reload()
		synctest.Wait()
		reads := s.reads
		time.Sleep(time.Hour)
		if s.reads > reads+1 {
			t.Errorf("%d reads after it was switched off", s.reads-reads)
		}
	})
}

func TestRadarSaysWhyItDoesNotSee(t *testing.T) {
	r, s := newRig(t, home), &strangers{err: errors.New("no buffer space available")}
	watch(t, r, s, func() {
		if got, err := r.radar(); err != nil || got.Problem != s.err.Error() {
			t.Errorf("problem %q: %v", got.Problem, err)
		}
		s.err = nil
		time.Sleep(2 * time.Second)
		if got, err := r.radar(); err != nil || got.Problem != "" {
			t.Errorf("then problem %q: %v", got.Problem, err)
		}
	})
}
