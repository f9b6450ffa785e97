// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// visit lets the owner open the door nas for an address and close it a minute later.
func (r *rig) visit(t *testing.T, address string) {
	t.Helper()
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: address})
	r.now = r.now.Add(time.Minute)
	r.ask(t, control.Request{Method: "close", Door: "nas", Address: address})
}

// visits returns the events that each tell of a whole visit.
func (r *rig) visits() (list []control.Event) {
	for _, e := range r.Events(0) {
		if e.From != nil {
			list = append(list, e)
		}
	}
	return list
}

func TestEndTellsWhenItBegan(t *testing.T) {
	r := newRig(t, home)
	stamp := func(b seal.Body) seal.Body { b.Stamp = uint64(r.now.UnixMilli()); return b }
	open := func() { r.message(phone, r.seal(stamp(seal.Body{Door: seal.Tag("nas")}))) }
	open()
	opened := r.now
	r.now = r.now.Add(5 * time.Minute)
	open() // extends it
	r.now = r.now.Add(11 * time.Minute)
	r.Tick()
	if e := r.newest(); e.Kind != "expired" || e.From == nil || !e.From.Equal(opened) {
		t.Errorf("on time: %+v", e)
	}
	open()
	opened = r.now
	r.now = r.now.Add(time.Minute)
	r.message(phone, r.seal(stamp(seal.Body{Door: seal.Tag("nas"), Close: true})))
	if e := r.newest(); e.Kind != "closed" || e.From == nil || !e.From.Equal(opened) {
		t.Errorf("by a knock: %+v", e)
	}
	r.now = r.now.Add(time.Minute)
	r.message(phone, r.seal(stamp(seal.Body{Door: seal.Tag("nas"), Close: true})))
	if e := r.newest(); e.Kind != "closed" || e.From != nil {
		t.Errorf("nothing was open: %+v", e)
	}
	opened = r.now
	r.visit(t, "198.51.100.1")
	if e := r.newest(); e.Kind != "closed" || e.From == nil || !e.From.Equal(opened) {
		t.Errorf("at the router: %+v", e)
	}
}

// What strangers, the system and eager clients bring must not push out who was in.
func TestVisitsAreNotPushedOut(t *testing.T) {
	r := newRig(t, home)
	r.DeviceChanged(control.Device{Name: "wan", State: "up"}) // the very first event
	r.visit(t, "198.51.100.1")
	for range 20 {
		r.flood(100)
		r.now = r.now.Add(time.Minute)
	}
	if list := r.Events(0); list[1].Kind != "opened" {
		t.Errorf("after a flood the second event is %+v", list[1])
	}
	for range 400 {
		r.DeviceChanged(control.Device{Name: "wan", State: "up"})
	}
	for i := range 400 {
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli()), Door: seal.Tag("nas"), Close: i%4 == 3}))
		r.now = r.now.Add(30 * time.Second)
	}
	list := r.visits()
	if len(list) == 0 || list[0].Address != "198.51.100.1" {
		t.Fatalf("%d visits, the first is not the first one", len(list))
	}
	all := r.Events(0)
	if all[0].Number != 1 || all[0].Kind != "link" {
		t.Errorf("since when something is known is reported by %+v", all[0])
	}
	kinds := map[string]int{}
	for _, e := range all[1:] {
		kinds[e.Kind]++
	}
	if kinds["refused"] > 128 || kinds["link"] > 64 || kinds["opened"]+kinds["extended"]+kinds["closed"]-len(list) > 128 {
		t.Errorf("kept %v", kinds)
	}
	lab.Withstood(t, "load", "flood of refused knocks against the list of events", "who was in, and when, is not pushed out of it")
}

func TestOnlyTheNewestVisitsAreKept(t *testing.T) {
	r := newRig(t, home)
	const made, kept = 600, 512
	for i := range made {
		r.visit(t, fmt.Sprintf("198.51.%d.%d", 100+i/250, 1+i%250))
	}
	list := r.visits()
	if want := fmt.Sprintf("198.51.%d.%d", 100+(made-kept)/250, 1+(made-kept)%250); len(list) != kept || list[0].Address != want {
		t.Errorf("%d visits from %s on, want %d from %s on", len(list), list[0].Address, kept, want)
	}
	w := newWrites(t)
	r.end()
	if err := w.File.Write(r.Events(0)); err != nil {
		t.Fatal(err)
	}
	again := newRigThat(t, home, withHistory(w, r.now.Add(time.Second)))
	if got := again.visits(); len(got) != kept || got[0].Number != list[0].Number {
		t.Errorf("after a restart %d visits", len(got))
	}
}

func TestEventsOfAFormerRunAreBoundedToo(t *testing.T) {
	w := newWrites(t)
	var list []control.Event
	for i := range 900 {
		list = append(list, control.Event{Number: uint64(i + 1), Time: start, Kind: "refused"})
	}
	if err := w.File.Write(list); err != nil {
		t.Fatal(err)
	}
	r := newRigThat(t, home, withHistory(w, start.Add(time.Minute)))
	if got := r.Events(0); len(got) != 1+128 || got[0].Number != 1 || got[1].Number != 900-128+1 {
		t.Errorf("%d events, the second is number %d", len(got), got[1].Number)
	}
}

// A router without a battery starts in 1970 and learns the time later: what happened before is as long ago
// as it was.
func TestTimesOfEventsFollowTheClock(t *testing.T) {
	unset := time.Unix(20, 0).UTC()
	r := newRigWith(t, home, newMemory(), moment(unset, 0), false)
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: "198.51.100.1"})
	r.now = moment(unset.Add(time.Minute), time.Minute)
	r.ask(t, control.Request{Method: "close", Door: "nas", Address: "198.51.100.1"})
	r.ask(t, control.Request{Method: "open", Door: "nas", Address: "198.51.100.2"})

	before := r.Events(0)
	same := func(when string, wall time.Time) {
		t.Helper()
		list := r.Events(0)
		for i, want := range []time.Duration{0, time.Minute, time.Minute} {
			if got := list[i].Time.Sub(wall); got != want {
				t.Errorf("%s: event %d is of %v, want %v after the start", when, list[i].Number, list[i].Time, want)
			}
		}
		if from := list[1].From.Sub(wall); from != 0 {
			t.Errorf("%s: the visit began %v after the start", when, from)
		}
		if until := list[2].Until.Sub(wall); until != 11*time.Minute {
			t.Errorf("%s: it is open until %v after the start", when, until)
		}
	}
	same("before it is set", unset)
	r.now = moment(unset.Add(2*time.Minute+2*time.Second), 2*time.Minute) // slewed
	r.Tick()
	same("as it was slewed", unset)
	r.now = moment(start.Add(3*time.Minute), 3*time.Minute)
	r.Tick()
	same("set by NTP", start)
	if g := r.Status().Doors[0].Grants[0]; !g.Since.Equal(start.Add(time.Minute)) {
		t.Errorf("the grant that is open began at %v", g.Since)
	}
	r.now = moment(start.Add(4*time.Minute-time.Hour), 4*time.Minute)
	r.ask(t, control.Request{Method: "close", Door: "nas", Address: "198.51.100.2"}) // no tick between
	same("set back by an hour", start.Add(-time.Hour))
	if e := r.newest(); !e.Time.Equal(start.Add(4*time.Minute - time.Hour)) {
		t.Errorf("the next event is of %v", e.Time)
	}
	if before[1].From.Sub(unset) != 0 || before[2].Until.Sub(unset) != 11*time.Minute {
		t.Error("what was reported before has changed")
	}
	lab.Withstood(t, "clock", "clock set while events are kept", "their times move with it: what was an hour ago is an hour old")
}

// Who was let in is reported of doors that the firewall has, and from when it had them.
func TestEndOfAGrantThatTheFirewallNeverTook(t *testing.T) {
	for name, end := range map[string]func(r *rig){
		"expired": func(r *rig) { r.now = r.now.Add(11 * time.Minute); r.Tick() },
		"closed by a knock": func(r *rig) {
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Close: true, Stamp: uint64(r.now.UnixMilli())}))
		},
		"closed at the router": func(r *rig) { r.ask(t, control.Request{Method: "close", Door: "nas"}) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, home)
			r.fw.DropSets("nas")
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
			if g := r.Status().Doors[0].Grants; len(g) != 1 || !g[0].Pending || g[0].Since != nil {
				t.Fatalf("grants %+v, want one that is pending and has not begun", g)
			}
			r.now = r.now.Add(time.Minute)
			end(r)
			if e := r.newest(); e.Door != "nas" || e.Kind != "closed" && e.Kind != "expired" || e.From != nil {
				t.Errorf("it ended with %+v", e)
			}
		})
		t.Run(name+" after the firewall took it", func(t *testing.T) {
			r := newRig(t, home)
			r.fw.DropSets("nas")
			r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas")}))
			r.now = r.now.Add(20 * time.Second)
			taken := r.now
			r.fw.MakeSets("nas")
			r.Tick()
			r.now = r.now.Add(time.Minute)
			end(r)
			if e := r.newest(); e.Door != "nas" || e.From == nil || !e.From.Equal(taken) {
				t.Errorf("it began at %v, but the end is %+v", taken, e)
			}
		})
	}
}

// Who holds a client's device can open its doors as often as he likes, but hide nothing by it.
func TestTroublesAreNotPushedOut(t *testing.T) {
	r := newRig(t, home)
	r.DeviceChanged(control.Device{Name: "wan", State: "up"}) // the very first event
	r.text = "no configuration"
	r.Reload()
	reported := r.newest()
	if reported.Kind != "trouble" {
		t.Fatalf("a bad configuration is reported by %+v", reported)
	}
	r.asleep = errors.New("no such device") // each opening brings a trouble of its own
	for range 300 {
		r.now = r.now.Add(30 * time.Second)
		r.Tick()
		r.message(phone, r.seal(seal.Body{Door: seal.Tag("nas"), Stamp: uint64(r.now.UnixMilli())}))
	}
	if list := r.Events(0); list[1].Number != reported.Number {
		t.Errorf("300 knocks later the second event is %+v", list[1])
	}
}
