// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	goruntime "runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/daemon"
)

// However many grants end at once, the firewall is asked once for each door, and the kernel's table of sessions is gone
// through once.
func TestManyGrantsThatEndAtOnce(t *testing.T) {
	both := strings.NewReplacer("config door 'nas'\n", cutNAS, "config door 'web'\n", "config door 'web'\n\toption cut '1'\n").Replace(home)
	edit := func(r *rig, edits ...string) {
		r.text = strings.NewReplacer(append(edits, "option client 'phone'", "option enabled '1'")...).Replace(both)
		r.Reload()
	}
	for name, tt := range map[string]struct {
		end  func(r *rig)
		kind string
	}{
		"the_daemon_stops": {func(r *rig) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := r.Run(ctx, nil); err != nil {
				t.Error(err)
			}
		}, "closed"},
		"the_client_is_taken_out":    {func(r *rig) { edit(r, "client 'phone'", "client 'pixel'") }, "closed"},
		"the_client_has_a_new_key":   {func(r *rig) { edit(r, "AAECAwQ", "BAECAwQ") }, "closed"},
		"the_client_has_expired":     {func(r *rig) { edit(r, "client 'phone'\n", "client 'phone'\n\toption expires '2026-11-21'\n") }, "closed"},
		"the_doors_are_switched_off": {func(r *rig) { edit(r, "option cut '1'", "option cut '1'\n\toption enabled '0'") }, "closed"},
		"their_time_is_over":         {func(r *rig) { r.now = r.now.Add(time.Hour); r.Tick() }, "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			const nas, web = 1500, 700
			r := newRig(t, both)
			daemon.Refill(r.Daemon, nas+web, "phone", "message stun", map[string]int{"nas": nas, "web": web})
			r.fw.Calls()
			r.sessions.asked = nil
			tt.end(r)
			if s := r.Status(); s.Grants != 0 {
				t.Errorf("%d grants are left", s.Grants)
			}
			for _, door := range []string{"nas", "web"} {
				if left := r.fw.Elements(r.now, door); len(left) != 0 {
					t.Errorf("%d of %s are in force", len(left), door)
				}
			}
			calls := slices.DeleteFunc(r.fw.Calls(), func(c string) bool { return strings.HasPrefix(c, "sync ") })
			if len(calls) > 2 || len(r.sessions.asked) != 1 {
				t.Errorf("%d calls of the firewall, %d of the table of sessions", len(calls), len(r.sessions.asked))
			}
			reported := 0
			for _, c := range r.Status().Counts {
				if c.Kind == tt.kind {
					reported += int(c.Count)
				}
			}
			if reported != nas+web {
				t.Errorf("%d are reported as %s, want %d", reported, tt.kind, nas+web)
			}
		})
	}
}

// TestManyGrantsThatAreShortenedAtOnce leaves them to the look at the firewall that follows anyway, or to the next one if
// that fails.
func TestManyGrantsThatAreShortenedAtOnce(t *testing.T) {
	soon := start.Add(2 * time.Minute)
	for name, shorten := range map[string]func(r *clocks){
		"the_doors_may_be_open_for_less": func(r *clocks) {
			r.reloadWith("max_open '1h'", "max_open '2m'", "open_for '10m'", "open_for '2m'")
		},
		"the_client_expires_sooner": func(r *clocks) {
			r.reloadWith("config client 'phone'\n", "config client 'phone'\n\toption expires '"+soon.Format(time.RFC3339)+"'\n")
		},
		"the_clock_is_put_right": func(r *clocks) {
			r.reloadWith("config client 'phone'\n", "config client 'phone'\n\toption expires '"+soon.Add(time.Hour).Format(time.RFC3339)+"'\n")
			r.fw.Calls()
			r.ntp(start.Add(time.Hour))
		},
	} {
		for _, fails := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/firewall_fails_%t", name, fails), func(t *testing.T) {
				r := newClocks(t, home, start, true)
				const n = 1500
				daemon.Refill(r.Daemon, n, "phone", "message stun", map[string]int{"nas": n})
				if fails {
					r.fw.Fail(errors.New("netlink broke"))
				}
				r.fw.Calls()
				shorten(r)
				calls := r.fw.Calls()
				if len(calls) != 1 || !strings.HasPrefix(calls[0], "sync ") {
					t.Errorf("%d calls of the firewall, such as %q, want one sync", len(calls), calls[:min(len(calls), 3)])
				}
				if fails {
					r.fw.Fail(nil)
					r.Tick()
				}
				left := r.fw.Elements(r.now, "nas")
				for a, d := range left {
					if d > 2*time.Minute {
						t.Fatalf("%s is let in for %s, want 2m", a, d)
					}
				}
				if len(left) != n {
					t.Errorf("%d are let in, want %d", len(left), n)
				}
				r.fw.Calls()
				r.Tick()
				if calls := r.fw.Calls(); len(calls) != 0 {
					t.Errorf("then it asks %q, want nothing", calls)
				}
			})
		}
	}
}

// What the firewall refuses to end is reported once, in few words, and ended as soon as it can be.
func TestManyGrantsThatTheFirewallDoesNotEnd(t *testing.T) {
	r := newRig(t, home)
	daemon.Refill(r.Daemon, 2200, "phone", "message stun", map[string]int{"nas": 1500, "web": 700})
	r.fw.Fail(errors.New("netlink broke"))
	before := len(r.reported())
	r.reloadWith("client 'phone'", "client 'pixel'")
	for range 3 {
		r.now = r.now.Add(5 * time.Second)
		r.Tick()
	}
	reported := 0
	for _, e := range r.reported()[before:] {
		if strings.HasPrefix(e.Detail, "firewall, closing") {
			reported++
			if want := `door "nas" to 2001:db8:ffff:ffff:ffff:ffff:ffff:0 and 1499 more: netlink broke`; !strings.Contains(e.Detail, want) || len(e.Detail) > 300 {
				t.Errorf("it says %q, want %q in it", e.Detail, want)
			}
		}
	}
	if n := r.Status().Grants; reported != 1 || n != 2200 {
		t.Errorf("reported %d times, %d grants are there", reported, n)
	}
	r.fw.Fail(nil)
	r.Tick()
	if n := r.Status().Grants; n != 0 {
		t.Errorf("%d grants are left", n)
	}
}

// TestLimitOfMemoryMovesWithGrants: near the limit that the service starts with, the collector works all the time.
func TestLimitOfMemoryMovesWithGrants(t *testing.T) {
	const limit = 1 << 30
	before := goruntime.SetMemoryLimit(limit)
	defer goruntime.SetMemoryLimit(before)
	r := newRig(t, home)
	moved := func() int64 { return goruntime.SetMemoryLimit(-1) - limit }
	for _, step := range []struct {
		grants int
		want   int64
	}{{100, 0}, {1023, 0}, {1024, 1 << 20}, {10_240, 10 << 20}, {3000, 2 << 20}, {0, 0}, {2048, 2 << 20}, {1, 0}} {
		daemon.Refill(r.Daemon, 10_240, "", "control", map[string]int{"nas": step.grants})
		r.Tick()
		if got := moved(); got != step.want {
			t.Errorf("with %d grants the limit moved by %d bytes, want %d", step.grants, got, step.want)
		}
	}
	goruntime.SetMemoryLimit(math.MaxInt64) // none
	daemon.Refill(r.Daemon, 10_240, "", "control", map[string]int{"nas": 5000})
	r.Tick()
	if goruntime.SetMemoryLimit(-1) != math.MaxInt64 {
		t.Error("a limit came from nowhere")
	}
}
