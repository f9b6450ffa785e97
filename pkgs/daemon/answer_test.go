// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
)

func TestStatus(t *testing.T) {
	r := newRig(t, home)
	r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
	r.now = r.now.Add(90 * time.Second)
	s := r.Status()

	last := start
	until := start.Add(10 * time.Minute)
	want := control.Status{
		Version: "1.2.3", Running: true, Run: s.Run, Since: start, Now: r.now, Clock: "synchronised", Packets: 1, Last: 1, Grants: 1, Most: 10240,
		Devices: []control.Device{{Name: "wan", State: "up"}},
		Doors: []control.Door{
			{Name: "nas", State: "ready", OpenFor: 600, MaxOpen: 3600, Grants: []control.Grant{
				{Address: "203.0.113.7", Since: &last, Until: until, Left: 510, Client: "phone", Knock: "message stun"}}},
			{Name: "web", State: "ready", OpenFor: 60, MaxOpen: 3600, Grants: []control.Grant{}},
			{Name: "old", State: "disabled", OpenFor: 30, MaxOpen: 3600, Grants: []control.Grant{}},
		},
		Clients: []control.Client{
			{Name: "phone", Kind: "latchkey", State: "ready", Doors: []string{"nas", "web"}, Last: &last},
			{Name: "lost", Kind: "latchkey", State: "disabled", Doors: []string{"nas"}},
		},
		Counts: []control.Count{{Kind: "opened", Door: "nas", Count: 1}},
	}
	if diff := cmp.Diff(want, s); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(b), "AAECAw") {
		t.Error("status shows a key")
	}
}

// status tells the clock's state that the daemon goes by, and its reason.
func TestStatus_tells_of_the_clock(t *testing.T) {
	r := newRig(t, home)
	sys := r.system()
	verdict := clock.Verdict{}
	sys.ClockSynced = func() bool { return verdict.Right }
	sys.Clock = func() clock.Verdict { return verdict }
	d, err := daemon.New(sys)
	if err != nil {
		t.Fatal(err)
	}
	said := start.Add(-3 * time.Minute)
	for _, tt := range []struct {
		verdict clock.Verdict
		state   string
		since   *time.Time
	}{
		{clock.Verdict{Right: true, Reason: clock.NTP, Since: said}, "synchronised", &said},
		{clock.Verdict{Reason: clock.Unsync, Since: said}, "free", &said},
		{clock.Verdict{Right: true, Reason: clock.Kernel}, "synchronised", nil},
		{clock.Verdict{Reason: clock.Unset}, "free", nil},
	} {
		before := verdict
		verdict = tt.verdict
		if s := d.Status(); before.Right != verdict.Right && (s.Clock == tt.state || s.ClockReason != "" || s.ClockSince != nil) {
			t.Errorf("%+v is reported as %s, %s, %v before the daemon goes by it", tt.verdict, s.Clock, s.ClockReason, s.ClockSince)
		}
		d.Tick()
		s := d.Status()
		if s.Clock != tt.state || s.ClockReason != string(tt.verdict.Reason) || !cmp.Equal(s.ClockSince, tt.since) {
			t.Errorf("%+v is reported as %s, %s, %v", tt.verdict, s.Clock, s.ClockReason, s.ClockSince)
		}
	}
}

func TestAnswer(t *testing.T) {
	t.Run("open_and_close_for_one_address", func(t *testing.T) {
		r := newRig(t, home)
		g := r.ask(t, control.Request{Method: "open", Door: "nas", Address: "203.0.113.7", For: "5m"}).(control.Grant)
		if g.Left != 300 || g.Knock != "control" || r.open("nas") != "203.0.113.7 5m0s" {
			t.Errorf("grant %+v, open for %q", g, r.open("nas"))
		}
		closed := r.ask(t, control.Request{Method: "close", Door: "nas"}).(control.Closed)
		if len(closed.Grants) != 1 || r.open("nas") != "" {
			t.Errorf("closed %+v, open for %q", closed, r.open("nas"))
		}
	})
	t.Run("check_finds_every_problem", func(t *testing.T) {
		bad := strings.NewReplacer("'8443'", "'70000'", "'10m'", "'soon'").Replace(home)
		problems := newRig(t, home).ask(t, control.Request{Method: "check", Text: bad}).([]control.Problem)
		var options []string
		for _, p := range problems {
			if !p.Warning {
				options = append(options, p.Section+" "+p.Option)
			}
		}
		if diff := cmp.Diff([]string{"nas open_for", "web port"}, options); diff != "" {
			t.Errorf("problems (-want +got):\n%s", diff)
		}
	})
	t.Run("open_refuses_a_family_that_the_LAN_host_has_not", func(t *testing.T) {
		r := newRig(t, strings.Replace(home, "\toption dest_ip6 '2001:db8:2::22'\n", "", 1))
		q := control.Request{Method: "open", Door: "nas", Address: "2001:db8::7"}
		err := r.Answer(t.Context(), q, func(any) error { return nil })
		if err == nil || !strings.Contains(err.Error(), "leads nowhere for 2001:db8::7") {
			t.Errorf("%v", err)
		}
	})
	refusals := map[string]struct {
		r    control.Request
		want string
	}{
		"a_door_that_is_not_there":   {control.Request{Method: "open", Door: "attic", Address: "203.0.113.7"}, `no door "attic"`},
		"a_door_that_is_off":         {control.Request{Method: "open", Door: "old", Address: "203.0.113.7"}, "switched off"},
		"what_is_no_address":         {control.Request{Method: "open", Door: "nas", Address: "phone"}, "not an IP address"},
		"what_is_no_time":            {control.Request{Method: "open", Door: "nas", Address: "203.0.113.7", For: "long"}, `time "long"`},
		"a_client_that_is_not_there": {control.Request{Method: "forget", Client: "nobody"}, `no client "nobody"`},
		"a_method_that_is_not_there": {control.Request{Method: "dance"}, `unknown method "dance"`},
	}
	for name, tt := range refusals {
		t.Run("refuses_"+name, func(t *testing.T) {
			err := newRig(t, home).Answer(t.Context(), tt.r, func(any) error { return nil })
			refusal, ok := errors.AsType[*control.Error](err)
			if !ok || !strings.Contains(refusal.Text, tt.want) || refusal.Hint == "" {
				t.Errorf("%#v, want %q and a hint", err, tt.want)
			}
		})
	}
}

func TestFollowEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, shy...)
		ctx, stop := context.WithCancel(t.Context())
		seen := make(chan string, 10)
		ended := make(chan error)
		go func() {
			ended <- r.Answer(ctx, control.Request{Method: "events", Follow: true}, func(e any) error {
				seen <- e.(control.Event).Kind
				return nil
			})
		}()
		if kind := <-seen; kind != "opened" {
			t.Errorf("first event %q", kind)
		}
		synctest.Wait() // the follower waits for more
		r.now = r.now.Add(3 * time.Second)
		r.sequence(phone, shy...)
		if kind := <-seen; kind != "extended" {
			t.Errorf("second event %q", kind)
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("after the caller hung up: %v", err)
		}
	})
}
