// SPDX-License-Identifier: Apache-2.0

package daemon_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/history"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// writes counts what is written to a history.
type writes struct {
	history.File
	n    int
	full bool
}

func (w *writes) Write(list []control.Event) error {
	if w.full {
		return errFull
	}
	w.n++
	return w.File.Write(list)
}

func newWrites(t *testing.T) *writes {
	return &writes{File: history.File(filepath.Join(t.TempDir(), "events"))}
}

// end ends a daemon as SIGTERM does.
func (r *rig) end() {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	stop()
	if err := r.Run(ctx, nil); err != nil {
		r.t.Fatal(err)
	}
}

func withHistory(h daemon.History, now time.Time) func(*rig) {
	return func(r *rig) { r.history, r.now = h, now }
}

func TestEventsSurviveARestart(t *testing.T) {
	w := newWrites(t)
	r := newRigThat(t, home, withHistory(w, start))
	r.message(phone, r.sealAt(uint64(r.now.UnixMilli())))
	attic := func() {
		r.message(phone, r.seal(seal.Body{Stamp: uint64(r.now.UnixMilli()) + 1, Door: seal.Tag("attic")}))
	}
	attic()
	r.end()
	before := r.Events(0)
	if len(before) < 2 || before[0].Kind != "opened" {
		t.Fatalf("events %+v", before)
	}
	last := before[len(before)-1].Number

	r = newRigThat(t, home, withHistory(w, start.Add(time.Second)))
	if got := r.Events(0); len(got) != len(before) || got[0].Time != before[0].Time || got[0].Client != "phone" {
		t.Fatalf("events after the restart %+v, want %+v", got, before)
	}
	if s := r.Status(); s.Former != last || s.Last != last {
		t.Errorf("former %d, last %d, want %d", s.Former, s.Last, last)
	}
	r.message(phone, r.sealAt(uint64(r.now.UnixMilli())))
	if e := r.newest(); e.Number != last+1 || e.Kind != "opened" {
		t.Errorf("next event %+v, want number %d", e, last+1)
	}
	t.Run("but_the_log_has_them_once", func(t *testing.T) {
		ended, end := context.WithCancel(t.Context())
		end()
		var got []uint64
		r.Log(ended, func(_ config.Level, e control.Event) { got = append(got, e.Number) })
		if !slices.Equal(got, []uint64{last + 1}) {
			t.Errorf("log has %v", got)
		}
	})
	t.Run("and_nothing_is_counted_on_them", func(t *testing.T) {
		attic()
		if e := r.newest(); e.Number != last+2 || e.Kind != "refused" || e.Count != 0 {
			t.Errorf("%+v", e)
		}
	})
}

func TestFloodDoesNotWriteEachEvent(t *testing.T) {
	w := newWrites(t)
	r := newRigThat(t, home, withHistory(w, start))
	for range 300 { // 30 s
		r.flood(10)
		r.now = r.now.Add(100*time.Millisecond - 10*time.Millisecond)
		r.Tick()
	}
	if seconds := int(r.now.Sub(start) / time.Second); w.n < 2 || w.n > seconds/5+1 {
		t.Errorf("%d writes in %d s", w.n, seconds)
	}
	n := w.n
	r.now = r.now.Add(time.Minute)
	r.Tick() // what is not written yet
	r.Tick()
	r.now = r.now.Add(time.Minute)
	r.Tick()
	if w.n > n+1 {
		t.Errorf("%d writes although nothing happened", w.n-n)
	}
}

func TestDamagedHistoryIsToldAndReplaced(t *testing.T) {
	w := newWrites(t)
	if err := os.WriteFile(string(w.File), []byte("root:x:0:0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRigThat(t, home, withHistory(w, start))
	if list := r.reported(); len(list) != 1 || list[0].Kind != "trouble" || !strings.Contains(list[0].Detail, "the events from before the restart are lost") {
		t.Fatalf("events %+v", list)
	}
	r.end()
	if list, err := w.Read(); err != nil || len(list) == 0 {
		t.Errorf("%v, %v", list, err)
	}
	lab.Withstood(t, "power and disk", "file of the events that is damaged", "told, and replaced")
}

func TestHistoryThatCannotBeWrittenIsToldOnce(t *testing.T) {
	w := newWrites(t)
	w.full = true
	r := newRigThat(t, home, withHistory(w, start))
	for range 5 {
		r.message(phone, r.sealAt(uint64(r.now.UnixMilli())))
		r.now = r.now.Add(10 * time.Second)
		r.Tick()
	}
	n := 0
	for _, e := range r.reported() {
		if e.Kind == "trouble" && strings.Contains(e.Detail, errFull.Error()) {
			n++
		}
	}
	if n != 1 {
		t.Errorf("reported %d times", n)
	}
	if _, err := os.Stat(string(w.File)); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	lab.Withstood(t, "power and disk", "file of the events that cannot be written", "told once; knocks open, and events are forgotten with the daemon")
}

// What a reload or a restart brings must not push out what people did.
func TestNewsOfTheSystemDoesNotHideKnocks(t *testing.T) {
	r := newRig(t, home)
	r.message(phone, r.sealAt(uint64(r.now.UnixMilli())))
	for range 400 {
		r.DeviceChanged(control.Device{Name: "wan", State: "up"})
	}
	list := r.reported()
	if list[0].Kind != "opened" || len(list) != 1+64 {
		t.Errorf("%d events, the first is %+v", len(list), list[0])
	}
}
