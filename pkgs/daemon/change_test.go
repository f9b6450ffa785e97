// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// reloadWith changes the configuration.
func (r *rig) reloadWith(edits ...string) {
	r.text = strings.NewReplacer(edits...).Replace(home)
	r.Reload()
}

func TestReloadRevokes(t *testing.T) {
	byMessage := func(r *rig) { r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")})) }
	bySequence := func(r *rig) { r.sequence(phone, shy...) }
	byOwner := func(r *rig) { r.ask(r.t, control.Request{Method: "open", Door: "nas", Address: phone.String()}) }
	tests := map[string]struct {
		knock func(r *rig)
		edits []string
		keeps bool
	}{
		"nothing_of_a_client_that_stays":     {knock: byMessage, edits: []string{"'8443'", "'8444'"}, keeps: true},
		"what_a_client_had_that_is_gone":     {knock: byMessage, edits: []string{"client 'phone'", "client 'pixel'"}},
		"what_a_client_had_that_is_off":      {knock: byMessage, edits: []string{"client 'phone'\n", "client 'phone'\n\toption enabled '0'\n"}},
		"what_a_client_had_that_has_expired": {knock: byMessage, edits: []string{"client 'phone'\n", "client 'phone'\n\toption expires '2026-11-21'\n"}},
		"what_a_client_had_of_a_door_that_was_taken_from_it": {knock: byMessage,
			edits: []string{"\tlist door 'nas'\n\tlist door 'web'\n", "\tlist door 'web'\n"}},
		"what_a_sequence_gave_of_a_door_that_was_taken_from_it": {knock: bySequence, edits: []string{"\tlist door 'nas'\n\nconfig sequence 'once'", "\tlist door 'web'\n\nconfig sequence 'once'"}},
		"what_a_sequence_gave_that_is_gone":                     {knock: bySequence, edits: []string{"sequence 'shy'", "sequence 'bold'"}},
		"nothing_that_the_owner_opened":                         {knock: byOwner, edits: []string{"client 'phone'", "client 'pixel'", "sequence 'shy'", "sequence 'bold'"}, keeps: true},
		"nothing_of_a_client_whose_title_is_new":                {knock: byMessage, edits: []string{"client 'phone'\n", "client 'phone'\n\toption title 'New'\n"}, keeps: true},
		"what_the_owner_opened_of_a_door_that_is_off":           {knock: byOwner, edits: []string{"door 'nas'\n", "door 'nas'\n\toption enabled '0'\n"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, home)
			tt.knock(r)
			if r.open("nas") == "" {
				t.Fatalf("not open before: %q", r.last())
			}
			r.reloadWith(append(tt.edits, "option client 'phone'", "option enabled '1'")...)
			if p := r.Status().Problem; p != "" {
				t.Fatal(p)
			}
			if keeps := r.open("nas") != ""; keeps != tt.keeps {
				t.Errorf("still open: %v, want %v", keeps, tt.keeps)
			}
		})
	}
}

// The first reason is reported, once, where there are more of them.
// TestReloadThatTakesLongProlongsNothing: on a slow router, a large configuration and many grants take it seconds.
func TestReloadThatTakesLongProlongsNothing(t *testing.T) {
	const cut = "config door 'nas'\n\toption cut '1'\n"
	later := func(r *rig) func() { return func() { r.now = r.now.Add(11 * time.Minute) } }
	for name, slow := range map[string]func(r *rig){
		"while_it_prepares":          func(r *rig) { r.while = later(r) },
		"while_what_is_revoked_ends": func(r *rig) { r.sessions.while = later(r) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, strings.Replace(home, "config door 'nas'\n", cut, 1))
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
			r.ask(t, control.Request{Method: "open", Door: "nas", Address: neighbour.String()})
			slow(r)
			r.fw.Calls()
			r.reloadWith("config door 'nas'\n", cut, "client 'phone'\n", "client 'phone'\n\toption enabled '0'\n", "option client 'phone'", "option enabled '1'")
			if calls := r.fw.Calls(); !slices.ContainsFunc(calls, func(c string) bool { return strings.HasSuffix(c, " doors 0 grants") }) {
				t.Errorf("a grant of ten minutes is put back after eleven: %q", calls)
			}
		})
	}
}

func TestGrantThatIsRevokedForMoreThanOneReasonEndsOnce(t *testing.T) {
	r := newRig(t, home)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	r.reloadWith("client 'phone'\n", "client 'phone'\n\toption enabled '0'\n\toption expires '2026-11-21'\n",
		"config latchkey 'main'\n", "config latchkey 'main'\n\tlist missing_zone 'lan'\n",
		"option client 'phone'", "option enabled '1'")
	if p := r.Status().Problem; p != "" {
		t.Fatal(p)
	}
	var reported []string
	for _, e := range r.reported() {
		if e.Kind == "closed" {
			reported = append(reported, e.Detail)
		}
	}
	if want := []string{"the client was switched off"}; !slices.Equal(reported, want) {
		t.Errorf("reported %q, want %q", reported, want)
	}
}

func TestReloadKeepsWhatIsKnownOfDevices(t *testing.T) {
	t.Run("so_that_a_retransmission_is_one", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.sealAt(uint64(r.now.UnixMilli()))
		r.message(phone, msg)
		r.reloadWith("'8443'", "'8444'")
		n := len(r.reported())
		r.message(phone, msg)
		if len(r.reported()) != n {
			t.Errorf("the copy is reported: %+v", r.newest())
		}
	})
	t.Run("of_a_client_that_went_until_it_is_saved", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.seal(seal.Body{Stamp: uint64(r.now.Add(-10 * time.Minute).UnixMilli())}) // refused, and used up
		r.message(phone, msg)
		r.reloadWith("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", key(0x40).Text())
		r.now = r.now.Add(2 * time.Second)
		r.Tick()
		if r.memory.writes != 1 || len(r.memory.pasts) != 1 {
			t.Errorf("%d writes of %d clients, want what was received of the one that went", r.memory.writes, len(r.memory.pasts))
		}
		r.Reload()
		if got := daemon.Devices(r.Daemon); got != 0 {
			t.Errorf("%d devices are remembered of no client", got)
		}
	})
}

func TestFilterIsInOrder(t *testing.T) {
	r := newRig(t, home)
	if r.checked.SYN == nil {
		t.Fatal("the kernel was not asked about a filter")
	}
	want := r.checked
	want.SYN, want.UDP = slices.Clone(want.SYN), slices.Clone(want.UDP)
	want.Normalize()
	if diff := cmp.Diff(want, r.checked); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNameOfClientIsNotItsKey(t *testing.T) {
	t.Run("a_new_name_does_not_make_old_messages_fresh", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.seal(seal.Body{Door: seal.Tag("nas")})
		r.message(phone, msg)
		text := strings.ReplaceAll(home, "'phone'", "'pixel'")
		r = newRigWith(t, text, r.memory, r.now, true)
		r.message(neighbour, msg)
		if r.last() != "refused replayed pixel" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("a_new_key_is_not_bound_by_the_old_one_s_stamps", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.Add(time.Minute).UnixMilli()), Door: seal.Tag("nas")}))
		k := key(0x40)
		r.reloadWith("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8", k.Text())
		r.message(phone, seal.Seal(k, seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag("web")}))
		if r.last() != "opened web phone" {
			t.Errorf("last event %q", r.last())
		}
	})
}

func TestGrantEndsWithItsClient(t *testing.T) {
	// The day is over 3 s after the knock; the door's own time is 10 minutes.
	end := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	text := strings.Replace(home, "client 'phone'\n", "client 'phone'\n\toption expires '2026-11-22'\n", 1)
	r := newRigWith(t, text, newMemory(), end.Add(-3*time.Second), true)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Minutes: 60}))
	if got := r.open("nas"); got != "203.0.113.7 3s" {
		t.Errorf("open for %q", got)
	}
	t.Run("and_a_reboot_without_a_clock_does_not_bring_it_back", func(t *testing.T) {
		r := newRigWith(t, text, r.memory, time.Unix(60, 0), false)
		// The client itself has told that its time is over, before the power failed.
		for id := range r.memory.pasts {
			r.memory.pasts[id] = seal.Past{Floor: uint64(end.Add(time.Second).UnixMilli())}
		}
		r = newRigWith(t, text, r.memory, time.Unix(60, 0), false)
		r.message(phone, seal.Seal(key(0), seal.Body{Stamp: uint64(end.Add(time.Minute).UnixMilli())}))
		if r.last() != "refused expired phone" {
			t.Errorf("last event %q", r.last())
		}
	})
}

func TestConfigurationThatTheKernelCannotFilter(t *testing.T) {
	r := newRig(t, home)
	if len(r.checked.STUN.Ports) != 1 || len(r.checked.STUN.Hints) == 0 {
		t.Errorf("asked was about %+v, which has no hints", r.checked)
	}
	r.tooBig = errors.New("filter has 8814 instructions")
	r.reloadWith("'8443'", "'8444'")
	if p := r.Status().Problem; !strings.Contains(p, "too many ports, clients or sequences: filter has 8814") {
		t.Errorf("problem %q", p)
	}
	r.tooBig = nil
	r.sequence(phone, shy...)
	if r.open("nas") == "" {
		t.Error("the old configuration does not run")
	}
	t.Run("is_refused_at_the_start_too", func(t *testing.T) {
		r := &rig{t: t, text: home, memory: &memory{}, now: start, tooBig: errors.New("too big")}
		if _, err := daemon.New(r.system()); err == nil {
			t.Error("no error")
		}
	})
}

func TestFirewallThatFailsAtReload(t *testing.T) {
	r := newRig(t, home)
	r.fw.Fail(errFull)
	r.reloadWith("'8443'", "'8444'")
	if p := r.Status().Problem; p != "" {
		t.Errorf("the configuration is said to be refused: %q", p)
	}
	if e := r.newest(); e.Kind != "reload" {
		t.Errorf("last event %+v", e)
	}
	r.fw.Fail(nil)
	r.Tick()
	if e := r.newest(); e.Kind != "trouble" || e.Detail != "firewall: works again" {
		t.Errorf("after the next try: %+v", e)
	}
}

func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, home) // door 'old' is switched off
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		reloads := make(chan struct{})
		go func() { ended <- r.Run(ctx, reloads) }()
		synctest.Wait()
		if r.filter.SYN == nil {
			t.Error("the capture was not told what to read")
		}
		r.sequence(phone, shy...)
		reloads <- struct{}{}
		synctest.Wait()
		if r.last() != "reload" {
			t.Errorf("last event %q", r.last())
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		if r.open("nas") != "" {
			t.Error("a door is open after the end")
		}
		r.sequence(phone, shy...)
		if r.open("nas") != "" {
			t.Error("a door opened after the end")
		}
	})
}

// Somebody who changes the firewall all the time puts off nothing that time brings.
func TestChangesPutNoLookOff(t *testing.T) {
	for _, every := range []time.Duration{time.Hour, 3 * time.Second, 4990 * time.Millisecond, 100 * time.Millisecond} {
		t.Run("one_each_"+every.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRigThat(t, home, func(r *rig) { r.now = time.Now() })
				changed := make(chan struct{})
				var looks []time.Time
				sys := r.system()
				sys.Now, sys.FirewallChanged = time.Now, changed
				sys.ClockSynced = func() bool { looks = append(looks, time.Now()); return true }
				d, err := daemon.New(sys)
				if err != nil {
					t.Fatal(err)
				}
				ctx, stop := context.WithCancel(t.Context())
				ended := make(chan error)
				go func() { ended <- d.Run(ctx, nil) }()
				synctest.Wait()
				looks = []time.Time{time.Now()}
				end := time.After(time.Minute)
				for over := false; !over; {
					select {
					case <-end:
						over = true
					case <-time.After(every):
						changed <- struct{}{}
					}
				}
				stop()
				if err := <-ended; err != nil {
					t.Error(err)
				}
				for i := range looks[1:] {
					if since := looks[i+1].Sub(looks[i]); since > 5*time.Second {
						t.Errorf("look %d at the clock %v after the one before", i+1, since)
					}
				}
				if n := len(looks) - 1; n < 11 || n > 32 { // the rules are read every 2 s at the most
					t.Errorf("%d looks at the clock in a minute", n)
				}
			})
		})
	}
}

func TestUsedUpListIsReported(t *testing.T) {
	r := newRig(t, home)
	r.sequence(phone, "5100/tcp", "6200/tcp", "4300/tcp")
	r.sequence(phone, "5500/tcp", "4600/tcp", "6700/tcp")
	found := false
	for _, e := range r.reported() {
		found = found || e.Kind == "trouble" && e.Reason == "used-up" && e.Knock == "sequence once"
	}
	if !found {
		t.Errorf("events %+v", r.reported())
	}
}

func TestOneTimeSequenceLeavesOthersOnTheirWay(t *testing.T) {
	r := newRig(t, home)
	msg := r.seal(seal.Body{Door: seal.Tag("nas")})
	r.message(neighbour, msg)
	r.sequence(phone, "5100/tcp", "6200/tcp", "4300/tcp")
	before := r.newest().Number
	r.message(neighbour, msg) // a browser's retransmission is still known to be one
	if r.newest().Number != before {
		t.Errorf("event %+v", r.newest())
	}
}
