// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/netip"
	goruntime "runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
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

// manyDoors is home with so many doors more, which client phone may open, too.
func manyDoors(n int) (text string, names []string) {
	text = twoWays
	list := ""
	for i := range n {
		name := fmt.Sprintf("d%d", i)
		names = append(names, name)
		text += fmt.Sprintf("\nconfig door '%s'\n\toption port '%d'\n\toption open_for '10m'\n", name, 30000+i)
		list += "\tlist door '" + name + "'\n"
	}
	return strings.Replace(text, "\tlist door 'web'\n", "\tlist door 'web'\n"+list, 1), names
}

// TestOneKnockForManyDoors tells of every door that it opens, to a log that has not read anything meanwhile. What the
// other carrier brings of the same press, and what comes over the other family, pushes nothing of it out.
func TestOneKnockForManyDoors(t *testing.T) {
	text, names := manyDoors(198)
	r := newRigThat(t, text, func(r *rig) { r.fw.MakeSets(names...) })
	press := func(from netip.Addr) {
		stamp := uint64(r.now.UnixMilli())
		r.message(from, r.seal(seal.Body{Stamp: stamp}))
		r.byPorts(from, r.seal(seal.Body{Stamp: stamp + 1}))
	}
	press(phone)
	press(phone6)
	told := map[string]int{}
	ended, end := context.WithCancel(t.Context())
	end()
	r.Log(ended, func(_ config.Level, e control.Event) { told[e.Kind+" "+e.Door+" "+e.Address]++ })
	for _, name := range append(names, "nas", "web") {
		for _, from := range []netip.Addr{phone, phone6} {
			if what := "opened " + name + " " + from.String(); told[what] != 1 {
				t.Fatalf("the log has %q %d times", what, told[what])
			}
		}
	}
	if len(told) != 2*200 {
		t.Errorf("the log tells %d things, want %d", len(told), 2*200)
	}
}

// TestLogSaysHowManyEventsItLacks: of more ends at once than are kept, the log cannot tell each.
func TestLogSaysHowManyEventsItLacks(t *testing.T) {
	const n = 2000
	r := newRig(t, home)
	daemon.Refill(r.Daemon, n, "phone", "message stun", map[string]int{"nas": n})
	r.now = r.now.Add(time.Hour)
	r.Tick()
	ended, end := context.WithCancel(t.Context())
	end()
	lines, lacks := 0, 0
	r.Log(ended, func(_ config.Level, e control.Event) {
		if more, _, is := strings.Cut(e.Detail, " events before the next one are not listed"); is {
			left, err := strconv.Atoi(more)
			if err != nil {
				t.Error(err)
			}
			lacks += left
		} else if e.Kind == "expired" {
			lines++
		}
	})
	if lines == 0 || lacks == 0 || lines+lacks != n {
		t.Errorf("the log has %d ends of %d and says that it lacks %d", lines, n, lacks)
	}
}

// TestLogIsWrittenWhileTheDaemonIsBusy: it looks for what comes in the middle of a long piece of work.
func TestLogIsWrittenWhileTheDaemonIsBusy(t *testing.T) {
	r := newRig(t, strings.Replace(home, "config door 'nas'\n", cutNAS, 1))
	ctx, end := context.WithCancel(t.Context())
	told, done := make(chan string, 100), make(chan struct{})
	go func() {
		defer close(done)
		r.Log(ctx, func(_ config.Level, e control.Event) { told <- e.Kind })
	}()
	await := func(want string) {
		select {
		case got := <-told:
			if got != want {
				t.Errorf("the log has %q, want %q", got, want)
			}
		case <-time.After(20 * time.Second):
			t.Errorf("the log does not tell of %q", want)
		}
	}
	r.sessions.while = func() { await("opened") }
	r.Packets(r.now, "wan", [][]byte{
		r.stun(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag("nas")})),
		r.stun(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli()) + 1, Door: seal.Tag("nas"), Close: true})),
	})
	await("closed")
	end()
	<-done
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
