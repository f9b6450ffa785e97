// SPDX-License-Identifier: Apache-2.0

package send_test

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/link"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/send"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// phone is a client's key. The tests' routers know it.
var phone = seal.Key{1, 2, 3}

// home is a link without carriers.
func home() link.Link { return link.Link{Name: "home", Key: phone, Doors: []string{"nas"}} }

// sealer returns a function that seals messages with the stamps from now on.
func sealer(body seal.Body) func() []byte {
	body.Stamp = uint64(time.Now().UnixMilli())
	return func() []byte {
		body.Stamp++
		return seal.Seal(phone, body)
	}
}

// routerOf is what the router of a link has to recognise.
func routerOf(l link.Link) knock.Config {
	ring := seal.NewRing([]seal.Key{phone})
	ring.Advance(time.Now(), true)
	cfg := knock.Config{Clients: []knock.Client{{Name: "phone"}}, Ring: ring, STUNPorts: l.STUNPorts, Ordered: l.Ordered}
	if l.Ports != 0 {
		cfg.Ports = wire.PortRange{First: l.Ports, Last: l.Ports + 24*256 - 1}
	}
	return cfg
}

var ordered = &knock.Ordered{
	Groups: []wire.PortRange{{First: 500, Last: 600}, {First: 700, Last: 854}},
	Header: []uint16{1000, 1001}, Footer: []uint16{1002},
}

var (
	ok      = "message phone ok"
	address = netip.MustParseAddr("203.0.113.77")
)

func TestMessage_is_recognised(t *testing.T) {
	both := []netip.Addr{router4, router6}
	tests := []struct {
		name    string
		link    func(*link.Link)
		body    seal.Body
		to      []netip.Addr
		packets int
		want    []string
	}{
		{"by_stun", func(l *link.Link) { l.STUNPorts = []uint16{41641} }, seal.Body{}, both, 10, []string{ok, ok}},
		{"by_stun_with_an_address", func(l *link.Link) { l.STUNPorts = []uint16{41641} }, seal.Body{Address: address}, both, 10, []string{ok, ok}},
		{"by_stun_at_each_port", func(l *link.Link) { l.STUNPorts = []uint16{41641, 443, 3478} }, seal.Body{}, both, 30, []string{ok, ok}},
		{"by_ports_in_slots", func(l *link.Link) { l.Ports = 20480 }, seal.Body{}, both, 48, []string{ok, ok}},
		{"by_ordered_ports", func(l *link.Link) { l.Ordered = ordered }, seal.Body{}, both, 2 * 27, []string{ok, ok}},
		{"by_ordered_ports_with_an_address", func(l *link.Link) { l.Ordered = ordered }, seal.Body{Address: address}, both, 2 * 43, []string{ok, ok}},
		{"by_both_carriers", func(l *link.Link) { l.STUNPorts, l.Ports = []uint16{41641}, 20480 }, seal.Body{}, both, 58, []string{ok, ok, ok, ok}},
		{"to_one_family", func(l *link.Link) { l.STUNPorts, l.Ports = []uint16{41641}, 20480 }, seal.Body{}, both[:1], 29, []string{ok, ok}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := listen(t)
			l := home()
			test.link(&l)
			carriers, err := send.Carriers(l, "", test.body.Address.IsValid())
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			for _, r := range send.Message(ctx, l, test.to, carriers, sealer(test.body)) {
				if r.Err != nil {
					t.Error(r.Err)
				}
			}
			packets := p.await(t, test.packets)
			found := recognise(routerOf(l), packets)
			if diff := cmp.Diff(test.want, found); diff != "" {
				t.Errorf("recognised in %d packets (-want +got)\n%s", len(packets), diff)
			}
		})
	}
}

// TestMessage_survives_loss takes away the first copy of every packet. Before Linux 6.5 a SYN is sent for the third time
// after three seconds.
func TestMessage_survives_loss(t *testing.T) {
	for name, linear := range map[string]string{"with_SYNs_each_second": "4", "with_SYNs_after_1_and_3_seconds": "0"} {
		t.Run(name, func(t *testing.T) {
			p := listen(t)
			const setting = "/proc/sys/net/ipv4/tcp_syn_linear_timeouts"
			was, err := os.ReadFile(setting)
			switch {
			case err == nil:
				err = os.WriteFile(setting, []byte(linear), 0)
				t.Cleanup(func() { _ = os.WriteFile(setting, was, 0) })
			case errors.Is(err, os.ErrNotExist) && linear == "4":
				t.Skip("SKIP: this kernel has no tcp_syn_linear_timeouts")
			case errors.Is(err, os.ErrNotExist):
				err = nil
			}
			if err != nil {
				t.Fatal(err)
			}
			l := home()
			l.STUNPorts, l.Ports = []uint16{41641}, 20480
			start := time.Now()
			send.Message(t.Context(), l, []netip.Addr{router4}, []knock.Carrier{"stun", "ports"}, sealer(seal.Body{}))
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %s", took)
			}
			type way struct {
				proto    wire.Proto
				from, to uint16
			}
			begun := map[way]bool{}
			late := slices.DeleteFunc(slices.Clone(p.await(t, 5+3*24)), func(s seen) bool {
				w := way{s.Proto, s.SrcPort, s.DstPort}
				first := !begun[w]
				begun[w] = true
				return first
			})
			if diff := cmp.Diff([]string{ok, ok}, recognise(routerOf(l), late)); diff != "" {
				t.Errorf("recognised (-want +got)\n%s", diff)
			}
		})
	}
}

func TestMessage_tells_of_a_missing_route(t *testing.T) {
	p := listen(t)
	l := home()
	l.STUNPorts, l.Ports = []uint16{41641}, 20480
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan []send.Result, 1)
	go func() {
		done <- send.Message(ctx, l, []netip.Addr{nowhere6, router4}, []knock.Carrier{"stun", "ports"}, sealer(seal.Body{}))
	}()
	p.await(t, 25) // each packet once; how soon that is depends on the machine
	cancel()
	results := <-done
	for _, r := range results {
		if (r.Err != nil) != (r.Address == nowhere6) {
			t.Errorf("to %s by %s: error %v", r.Address, r.Carrier, r.Err)
		}
	}
	if len(results) != 4 {
		t.Errorf("%d results, want 4", len(results))
	}
}

func TestCarriers(t *testing.T) {
	stun, slots, digits := home(), home(), home()
	stun.STUNPorts, slots.Ports, digits.Ordered = []uint16{41641}, 20480, ordered
	all := home()
	all.STUNPorts, all.Ports, all.Ordered = []uint16{41641}, 20480, ordered
	tests := []struct {
		name    string
		link    link.Link
		want    knock.Carrier
		address bool
		get     []knock.Carrier
	}{
		{"all", all, "", false, []knock.Carrier{"stun", "ports"}},
		{"all_with_an_address", all, "", true, []knock.Carrier{"stun", "ports"}},
		{"one", all, "ports", false, []knock.Carrier{"ports"}},
		{"one_that_is_missing", stun, "ports", false, nil},
		{"slots", slots, "", false, []knock.Carrier{"ports"}},
		{"slots_with_an_address", slots, "", true, nil},
		{"slots_with_an_address_asked_for", slots, "ports", true, nil},
		{"ordered_with_an_address", digits, "ports", true, []knock.Carrier{"ports"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			get, err := send.Carriers(test.link, test.want, test.address)
			if diff := cmp.Diff(test.get, get); diff != "" || (err != nil) != (test.get == nil) {
				t.Errorf("error %v, carriers (-want +got)\n%s", err, diff)
			}
		})
	}
}
