// SPDX-License-Identifier: Apache-2.0

package send_test

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/send"
)

func steps(t *testing.T, texts ...string) []knock.Step {
	t.Helper()
	var list []knock.Step
	for _, text := range texts {
		s, err := knock.ParseStep(text)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, s)
	}
	return list
}

// recognise returns what the router's detectors find in packets, one word each.
func recognise(cfg knock.Config, packets []seen) []string {
	var found []string
	detectors := knock.New(cfg, packets[0].at)
	for _, p := range packets {
		for _, d := range detectors {
			d.Observe(p.at, &p.Packet, func(f knock.Finding) {
				found = append(found, string(f.Kind)+" "+f.Name+" "+string(f.Reason))
			})
		}
	}
	return found
}

const gap = 30 * time.Millisecond

func TestSequence_is_recognised_over_both_families(t *testing.T) {
	p := listen(t)
	list := steps(t, "7000/tcp", "8000/udp", "icmp:77", "7000/tcp", "9000/tcp")
	var sent []int
	start := time.Now()
	results := send.Sequence(t.Context(), []netip.Addr{router4, router6}, list, gap, func(i int) { sent = append(sent, i) })
	for _, r := range results {
		if r.Err != nil {
			t.Errorf("%s: %v", r.Address, r.Err)
		}
	}
	if took := time.Since(start); took < 5*gap {
		t.Errorf("5 steps took %s, less than 5 gaps of %s", took, gap)
	}
	if diff := cmp.Diff([]int{0, 1, 2, 3, 4}, sent); diff != "" {
		t.Errorf("progress (-want +got)\n%s", diff)
	}
	cfg := knock.Config{Sequences: []knock.Sequence{{Name: "nas", Steps: list, Within: 10 * time.Second}}}
	packets := p.await(t, 10)
	if diff := cmp.Diff([]string{"sequence nas ok", "sequence nas ok"}, recognise(cfg, packets)); diff != "" {
		t.Errorf("recognised (-want +got)\n%s", diff)
	}
}

// TestSequence_abandons_connections waits longer than a retransmission takes.
func TestSequence_abandons_connections(t *testing.T) {
	p := listen(t)
	send.Sequence(t.Context(), []netip.Addr{router4}, steps(t, "7000/tcp", "8000/udp"), gap, func(int) {})
	p.await(t, 2)
	time.Sleep(1200 * time.Millisecond)
	if n := len(p.await(t, 2)); n != 2 {
		t.Errorf("%d packets left, want 2: a SYN was retransmitted", n)
	}
}

func TestSequence_leaves_out_an_address_without_a_route(t *testing.T) {
	p := listen(t)
	for _, step := range []string{"7000/tcp", "7000/udp", "icmp:77"} {
		count := 0
		results := send.Sequence(t.Context(), []netip.Addr{nowhere6, router4}, steps(t, step), gap, func(int) { count++ })
		if !errors.Is(results[0].Err, unix.ENETUNREACH) || results[1].Err != nil || count != 1 {
			t.Errorf("%s: results %v, %d sent, want no route for the first address only", step, results, count)
		}
		results = send.Sequence(t.Context(), []netip.Addr{nowhere4}, steps(t, step), gap, func(int) { count++ })
		if !errors.Is(results[0].Err, unix.ENETUNREACH) || count != 1 {
			t.Errorf("%s: results %v, %d sent, want no route", step, results, count)
		}
	}
	p.await(t, 3)
}

func TestSequence_ends_with_its_context(t *testing.T) {
	p := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan []send.Result)
	go func() {
		done <- send.Sequence(ctx, []netip.Addr{router4}, steps(t, "7000/tcp", "8000/tcp"), time.Minute, func(int) {})
	}()
	p.await(t, 1)
	cancel()
	select {
	case results := <-done:
		if !errors.Is(results[0].Err, context.Canceled) {
			t.Errorf("error %v, want %v", results[0].Err, context.Canceled)
		}
	case <-time.After(10 * time.Second):
		t.Error("it goes on")
	}
}

// TestEcho_without_ping_sockets takes the step itself, since Sequence takes it on another thread.
func TestEcho_without_ping_sockets(t *testing.T) {
	listen(t)
	for _, to := range []netip.Addr{router4, router6} {
		elsewhere(t, false, func() {
			err := send.Echo(to, 77)
			if !errors.Is(err, unix.EACCES) || !strings.Contains(send.Hint(err), "ping_group_range") {
				t.Errorf("as a user: error %v, hint %q, want a hint at ping_group_range", err, send.Hint(err))
			}
		})
		elsewhere(t, true, func() {
			if err := send.Echo(to, 77); err == nil || send.Hint(err) != "" {
				t.Errorf("as an administrator: error %v, want to get as far as the missing network", err)
			}
		})
	}
}
