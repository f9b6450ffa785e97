// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"encoding/base64"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
)

func base64Of(b []byte) string { return base64.RawStdEncoding.EncodeToString(b) }

var shy = []string{"7431/tcp", "2951/udp", "8812/tcp"}

func TestSequence(t *testing.T) {
	t.Run("opens_its_door_for_the_sender", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, shy...)
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q", got)
		}
		if e := r.newest(); r.last() != "opened nas" || e.Detail != "" {
			t.Errorf("last event %+v", e)
		}
		if r.open("web") != "" {
			t.Error("another door is open, too")
		}
		if diff := cmp.Diff([]string{"00:11:32:aa:bb:cc 192.168.1.22"}, r.woken); diff != "" {
			t.Errorf("magic packets (-want +got):\n%s", diff)
		}
	})
	t.Run("opens_also_if_the_host_cannot_be_woken", func(t *testing.T) {
		r := newRig(t, home)
		r.asleep = errors.New("no such device")
		r.sequence(phone, shy...)
		if r.open("nas") == "" || r.last() != "trouble nas" || r.newest().Detail != "wake-on-lan: no such device" {
			t.Errorf("open for %q, last event %+v", r.open("nas"), r.newest())
		}
	})
	t.Run("works_over_IPv6", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone6, shy...)
		if got := r.open("nas"); got != "2001:db8:1::7 10m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("opens_no_door_that_has_only_the_other_family", func(t *testing.T) {
		r := newRig(t, strings.Replace(home, "\toption dest_ip6 '2001:db8:2::22'\n", "", 1))
		r.sequence(phone6, shy...)
		if r.open("nas") != "" || r.last() != "refused not-allowed" {
			t.Errorf("open for %q, last event %q", r.open("nas"), r.last())
		}
		if got, want := r.newest().Detail, `door "nas" leads nowhere for 2001:db8:1::7: its LAN host has no address of that family`; got != want {
			t.Errorf("it says %q, want %q", got, want)
		}
		byMessage := func(from netip.Addr) { r.message(from, r.seal(seal.Body{Door: seal.Tag("nas")})) }
		byMessage(phone6)
		r.now = r.now.Add(250 * time.Millisecond)
		byMessage(phone)
		r.now = r.now.Add(time.Minute)
		r.Tick()
		if r.last() != "opened nas phone" {
			t.Errorf("a press over both families: last event %q, want no refusal", r.last())
		}
		r.ask(t, control.Request{Method: "close", Door: "nas"})
		byMessage(phone6)
		r.now = r.now.Add(4 * time.Second)
		r.Tick()
		if r.last() != "refused not-allowed phone" {
			t.Errorf("a press over IPv6 only: last event %q", r.last())
		}
		r.message(phone6, r.seal(seal.Body{}))
		if r.open("nas") != "" || r.open("web") != "2001:db8:1::7 1m0s" {
			t.Errorf("all doors of a client: open for %q and %q", r.open("nas"), r.open("web"))
		}
	})
	t.Run("repeated_extends_the_one_grant", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, shy...)
		r.now = r.now.Add(4 * time.Minute)
		r.sequence(phone, shy...)
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q", got)
		}
		if r.last() != "extended nas" {
			t.Errorf("last event %q", r.last())
		}
	})
	t.Run("after_a_touched_neighbour_opens_when_it_comes_once_more", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, append([]string{"7430/tcp"}, shy...)...)
		if r.last() != "refused trip-wire" || !strings.Contains(r.newest().Detail, "knock once more") || r.open("nas") != "" {
			t.Errorf("event %+v, open for %q", r.newest(), r.open("nas"))
		}
		r.sequence(phone, shy...)
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("a_scan_in_the_middle_is_told", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, "7431/tcp", "2951/udp", "8811/tcp", "8812/tcp")
		if r.last() != "refused trip-wire" || r.open("nas") != "" {
			t.Errorf("last event %q, open for %q", r.last(), r.open("nas"))
		}
	})
}

func TestOneTimeSequence(t *testing.T) {
	first := []string{"5100/tcp", "6200/tcp", "4300/tcp"}
	second := []string{"5500/tcp", "4600/tcp", "6700/tcp"}

	t.Run("opens_once_then_the_next_one_is_due", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, first...)
		if r.last() != "opened web phone" {
			t.Fatalf("last event %q", r.last())
		}
		r.sequence(neighbour, first...)
		if got := r.open("web"); got != "203.0.113.7 1m0s" {
			t.Errorf("after a replay open for %q", got)
		}
		r.now = r.now.Add(time.Hour)
		r.sequence(phone, second...)
		if got := r.open("web"); got != "203.0.113.7 1m0s" {
			t.Errorf("after the second sequence open for %q", got)
		}
	})
	t.Run("is_used_after_a_restart_too", func(t *testing.T) {
		r := newRig(t, home)
		r.sequence(phone, first...)
		r = newRigWith(t, home, r.memory, r.now, true)
		r.sequence(neighbour, first...)
		if r.open("web") != "" {
			t.Error("a used sequence opened after a restart")
		}
	})
	t.Run("opens_nothing_if_its_use_cannot_be_written_down", func(t *testing.T) {
		r := newRig(t, home)
		r.memory.full = true
		r.sequence(phone, first...)
		if r.last() != "refused memory phone" || r.open("web") != "" {
			t.Errorf("last event %q, open for %q", r.last(), r.open("web"))
		}
	})
}

func TestMessage(t *testing.T) {
	t.Run("opens_the_door_that_it_names", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Minutes: 30}))
		if got := r.open("nas"); got != "203.0.113.7 30m0s" {
			t.Errorf("open for %q", got)
		}
		if r.open("web") != "" {
			t.Error("another door is open, too")
		}
	})
	t.Run("without_a_door_opens_all_of_its_client", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone6, r.seal(seal.Body{}))
		if r.open("nas") != "2001:db8:1::7 10m0s" || r.open("web") != "2001:db8:1::7 1m0s" {
			t.Errorf("open for %q and %q", r.open("nas"), r.open("web"))
		}
	})
	t.Run("lasts_no_longer_than_the_door_allows", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Minutes: 255}))
		if got := r.open("nas"); got != "203.0.113.7 1h0m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("opens_for_the_address_that_it_names", func(t *testing.T) {
		r := newRig(t, home)
		r.message(neighbour, r.seal(seal.Body{Door: seal.Tag("nas"), Address: phone}))
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("closes_a_door", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		r.now = r.now.Add(time.Second)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Close: true}))
		if r.open("nas") != "" || r.last() != "closed nas phone" {
			t.Errorf("open for %q, last event %q", r.open("nas"), r.last())
		}
	})
	t.Run("is_written_down_before_the_door_opens", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.seal(seal.Body{Door: seal.Tag("nas")})
		r.memory.full = true
		r.message(phone, msg)
		if r.last() != "refused memory phone" || r.open("nas") != "" {
			t.Fatalf("last event %q, open for %q", r.last(), r.open("nas"))
		}
		r.memory.full = false
		r.message(neighbour, msg)
		if r.open("nas") != "" {
			t.Errorf("it was received, so it is used up; open for %q", r.open("nas"))
		}
		r.now = r.now.Add(time.Second)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		if r.open("nas") != "203.0.113.7 10m0s" {
			t.Errorf("the next press: open for %q, last event %q", r.open("nas"), r.last())
		}
	})
	t.Run("costs_one_write_and_its_copies_none", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.seal(seal.Body{Door: seal.Tag("nas")})
		for range 26 {
			r.message(phone, msg)
			r.now = r.now.Add(62 * time.Millisecond)
		}
		if r.memory.writes != 1 || len(r.reported()) != 1 {
			t.Errorf("%d writes and events %v, want 1 of each", r.memory.writes, r.reported())
		}
	})
}

func TestCopyOfMessage(t *testing.T) {
	r := newRig(t, home)
	msg := r.seal(seal.Body{Door: seal.Tag("nas")})
	r.message(phone, msg)
	r.now = r.now.Add(3 * time.Second)

	refused := func(t *testing.T, r *rig, from netip.Addr) {
		t.Helper()
		before := r.newest().Number
		r.message(from, msg)
		if r.newest().Number == before || r.last() != "refused replayed phone" {
			t.Errorf("last event %q, want the owner to be told of a replay", r.last())
		}
		if strings.HasPrefix(r.open("nas"), from.String()) {
			t.Error("a copy opened the door")
		}
	}
	t.Run("from_a_neighbour_is_refused", func(t *testing.T) { refused(t, r, neighbour) })
	t.Run("is_refused_after_a_restart", func(t *testing.T) {
		refused(t, newRigWith(t, home, r.memory, r.now, true), neighbour)
	})
	t.Run("is_refused_after_a_reboot_with_the_clock_in_1970", func(t *testing.T) {
		refused(t, newRigWith(t, home, r.memory, time.Unix(34, 0), false), neighbour)
	})
	t.Run("is_refused_when_NTP_sets_the_clock_back_to_its_time", func(t *testing.T) {
		r := newRigWith(t, home, r.memory, start.AddDate(30, 0, 0), true)
		r.now = start.Add(5 * time.Second)
		r.Tick()
		refused(t, r, neighbour)
	})
}

func TestClock(t *testing.T) {
	t.Run("of_a_client_that_is_ten_minutes_off_is_told", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.Add(-10 * time.Minute).UnixMilli())}))
		e := r.newest()
		if e.Reason != "stale" || e.Skew != -600 || !strings.Contains(e.Detail, "10 minutes behind the router's") {
			t.Errorf("event %+v", e)
		}
		if r.open("nas") != "" {
			t.Error("a stale message opened a door")
		}
	})
	t.Run("of_the_router_may_be_wrong_before_NTP", func(t *testing.T) {
		r := newRigWith(t, home, newMemory(), time.Unix(20, 0), false)
		r.message(phone, r.seal(seal.Body{Stamp: uint64(start.UnixMilli()), Door: seal.Tag("nas")}))
		if got := r.open("nas"); got != "203.0.113.7 10m0s" {
			t.Errorf("open for %q", got)
		}
	})
	t.Run("of_the_router_counts_from_the_moment_on_that_it_is_right", func(t *testing.T) {
		r := newRigWith(t, home, newMemory(), start, false)
		r.synced = true // no Tick since
		r.message(phone, r.seal(seal.Body{Stamp: uint64(start.Add(-10 * time.Minute).UnixMilli()), Door: seal.Tag("nas")}))
		if r.open("nas") != "" || r.last() != "refused stale phone" {
			t.Errorf("open for %q, last event %q", r.open("nas"), r.last())
		}
	})
	t.Run("that_NTP_sets_forward_by_years_keeps_grants_and_lets_knocks_in", func(t *testing.T) {
		boot := time.Now() // with a monotonic reading, as on a router
		r := newRigWith(t, home, newMemory(), boot, false)
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
		r.synced = true
		r.Tick()
		if r.filter.STUN.Ports == nil || r.filter.STUN.Hints == nil {
			t.Errorf("filter %+v does not know the hints after the clock was set", r.filter)
		}
		r.now = r.now.Add(time.Minute)
		r.Tick()
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("web")}))
		if r.open("nas") != "203.0.113.7 9m0s" || r.open("web") != "203.0.113.7 1m0s" {
			t.Errorf("open for %q and %q", r.open("nas"), r.open("web"))
		}
	})
}

func TestPendingDoor(t *testing.T) {
	r := newRig(t, home)
	r.fw.DropSets("nas")
	r.sequence(phone, shy...)
	s := r.Status()
	if g := s.Doors[0].Grants; len(g) != 1 || !g[0].Pending {
		t.Fatalf("grants %+v, want a pending one", g)
	}
	if r.last() != "opened nas" || r.newest().Detail != "the firewall has no set for this door yet" {
		t.Errorf("last event %+v", r.newest())
	}
	r.Tick()
	if r.Status().Doors[0].State != "pending" {
		t.Errorf("door is %q", r.Status().Doors[0].State)
	}
	r.now = r.now.Add(time.Minute)
	r.fw.MakeSets("nas")
	r.Tick()
	if got := r.open("nas"); got != "203.0.113.7 9m0s" {
		t.Errorf("after the firewall came back open for %q", got)
	}
	if r.last() != "ready nas" {
		t.Errorf("last event %q", r.last())
	}
}

func TestReload(t *testing.T) {
	t.Run("keeps_grants_of_doors_that_stay_and_closes_others", func(t *testing.T) {
		r := newRig(t, home)
		r.message(phone, r.seal(seal.Body{}))
		r.text = strings.Replace(strings.Replace(home, "config door 'web'", "config door 'shop'", 1), "'web'", "'shop'", 2)
		r.now = r.now.Add(time.Minute)
		r.Reload()
		if r.open("nas") != "203.0.113.7 9m0s" || r.open("web") != "" {
			t.Errorf("open for %q and %q", r.open("nas"), r.open("web"))
		}
	})
	t.Run("of_a_bad_configuration_changes_nothing_but_status", func(t *testing.T) {
		r := newRig(t, home)
		r.text = strings.Replace(home, "'8443'", "'70000'", 1)
		r.Reload()
		want := "section 'door' (web) option 'port' specifies invalid value '70000'"
		if got := r.Status().Problem; !strings.HasPrefix(got, want) {
			t.Errorf("problem %q, want %q", got, want)
		}
		r.message(phone, r.seal(seal.Body{}))
		if r.open("web") == "" {
			t.Error("the old configuration is gone")
		}
		r.text = home
		r.Reload()
		if r.Status().Problem != "" {
			t.Errorf("after a good one: problem %q", r.Status().Problem)
		}
	})
	t.Run("does_not_make_copies_fresh", func(t *testing.T) {
		r := newRig(t, home)
		msg := r.seal(seal.Body{})
		r.message(phone, msg)
		r.Reload()
		r.message(neighbour, msg)
		if r.last() != "refused replayed phone" {
			t.Errorf("last event %q", r.last())
		}
	})
}

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"a_bad_configuration_with_all_that_is_wrong": {
			strings.NewReplacer("'8443'", "'70000'", "'10m'", "'soon'").Replace(home),
			"option 'open_for' specifies invalid value 'soon'"},
		"one_that_is_switched_off": {strings.Replace(home, "enabled '1'", "enabled '0'", 1), "switched off"},
	} {
		t.Run(name, func(t *testing.T) {
			r := &rig{t: t, text: tt.text, memory: &memory{}, now: start}
			_, err := daemon.New(r.system())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestPacketPathAllocatesNothing(t *testing.T) {
	r := newRig(t, home)
	syn := wire.AppendTCP(nil, netip.AddrPortFrom(neighbour, 1), netip.AddrPortFrom(router, 80), 1, wire.SYN, nil)
	step := wire.AppendTCP(nil, netip.AddrPortFrom(neighbour, 1), netip.AddrPortFrom(router, 7431), 1, wire.SYN, nil)
	batch := [][]byte{syn, step}
	if n := testing.AllocsPerRun(1000, func() { r.Packets(r.now, "wan", batch) }); n != 0 {
		t.Errorf("%v allocations for a batch", n)
	}
}

func BenchmarkPackets(b *testing.B) {
	r := newRig(&testing.T{}, home)
	var batch [][]byte
	for i := range 64 {
		from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, 100, byte(i)}), 1)
		batch = append(batch, wire.AppendTCP(nil, from, netip.AddrPortFrom(router, 7431), uint32(i), wire.SYN, nil))
	}
	b.ReportAllocs()
	for b.Loop() {
		r.Packets(r.now, "wan", batch)
	}
}

var _ daemon.Capture = (*rig)(nil)
