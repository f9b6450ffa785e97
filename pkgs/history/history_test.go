// SPDX-License-Identifier: Apache-2.0

package history_test

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/history"
	"github.com/latchkey/latchkey/pkgs/lab"
)

var at = time.Date(2026, 11, 25, 17, 20, 1, 5e6, time.FixedZone("", 3600))

func eventsUpTo(n int, detail string) []control.Event {
	var list []control.Event
	for i := range n {
		list = append(list, control.Event{Number: uint64(i + 1), Time: at, Kind: "refused", Reason: "stale", Skew: -600, Detail: detail})
	}
	return list
}

func TestWhatWasWrittenLastIsRead(t *testing.T) {
	f := history.File(filepath.Join(t.TempDir(), "events"))
	if list, err := f.Read(); list != nil || err != nil {
		t.Fatalf("without a file: %v, %v", list, err)
	}
	until := at.Add(time.Minute)
	want := []control.Event{
		{Number: 41, Time: at, Kind: "opened", Door: "nas", Client: "phone", Address: "2001:db8::7", Until: &until, Knock: "message stun",
			Also: "message ports", Count: 2},
		{Number: 44, Time: at, Kind: "trouble", Detail: "a \"word\"\nin two lines"},
	}
	for _, list := range [][]control.Event{eventsUpTo(3, ""), want} {
		if err := f.Write(list); err != nil {
			t.Fatal(err)
		}
	}
	got, err := f.Read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if list, err := os.ReadDir(filepath.Dir(string(f))); err != nil || len(list) != 1 {
		t.Errorf("%d files in the folder, %v", len(list), err)
	}
}

// The clock of a router without a battery is set some time after its start, perhaps while the daemon is down.
func TestTimesAreThoseOfThePresentClock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	f := history.File(path)
	from, until := at.Add(-time.Minute), at.Add(time.Minute)
	if err := f.Write([]control.Event{{Number: 1, Time: at, Kind: "closed", From: &from, Until: &until}}); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(string(written), "\n")
	start, err := strconv.ParseInt(first[strings.LastIndex(first, " ")+1:], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		head string
		set  time.Duration
	}{
		"as_it_was":                 {first, 0},
		"set_forward_by_years":      {"latchkey events 1 " + strconv.FormatInt(start-3*365*86400, 10), 3 * 365 * 24 * time.Hour},
		"set_back_by_an_hour":       {"latchkey events 1 " + strconv.FormatInt(start+3600, 10), -time.Hour},
		"of_a_version_without_this": {"latchkey events 1", 0},
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(test.head+"\n"+rest), 0o600); err != nil {
				t.Fatal(err)
			}
			list, err := f.Read()
			if err != nil || len(list) != 1 {
				t.Fatalf("%d events, %v", len(list), err)
			}
			e := list[0]
			for what, got := range map[string]time.Duration{
				"time": e.Time.Sub(at), "from": e.From.Sub(from), "until": e.Until.Sub(until),
			} {
				if off := (got - test.set).Abs(); off > time.Minute { // how long this test may take
					t.Errorf("%s is %v later, want %v", what, got, test.set)
				}
			}
		})
	}
}

func TestFileStaysSmall(t *testing.T) {
	f := history.File(filepath.Join(t.TempDir(), "events"))
	if err := f.Write(eventsUpTo(256, strings.Repeat("x", 5000))); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(string(f))
	if err != nil || info.Size() > 512<<10 {
		t.Fatalf("%v, %v", info.Size(), err)
	}
	list, err := f.Read()
	if err != nil || len(list) < 20 || list[len(list)-1].Number != 256 || list[0].Number != uint64(257-len(list)) {
		t.Errorf("%d events, %v: want the newest in a row", len(list), err)
	}
}

func TestForeignAndDamagedFilesAreErrors(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	f := history.File(path)
	if err := f.Write(eventsUpTo(3, "")); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":                "",
		"of_another_version":   strings.Replace(string(good), " 1 ", " 2 ", 1),
		"of_a_later_version":   strings.Replace(string(good), " 1 ", " 12 ", 1),
		"without_a_number":     strings.Replace(string(good), " 1 ", " 1 x", 1),
		"of_somebody_else":     "root:x:0:0:root:/root:/bin/ash\n",
		"cut_off":              string(good[:len(good)-9]),
		"without_a_last_end":   string(good[:len(good)-1]),
		"with_a_damaged_line":  strings.Replace(string(good), `"number":2`, `"number":"2"`, 1),
		"out_of_order":         strings.Replace(string(good), `"number":2`, `"number":7`, 1),
		"with_a_number_twice":  strings.Replace(string(good), `"number":2`, `"number":1`, 1),
		"with_a_number_beyond": strings.Replace(string(good), `"number":3`, `"number":18446744073709551615`, 1),
		"without_a_kind":       strings.Replace(string(good), `"kind":"refused"`, `"kind":""`, 1),
		"too_large":            string(good) + strings.Repeat("\n", 512<<10),
	} {
		t.Run(name, func(t *testing.T) {
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if list, err := f.Read(); err == nil || list != nil {
				t.Errorf("%d events, error %v", len(list), err)
			}
			if err := f.Write(eventsUpTo(1, "")); err != nil {
				t.Error(err)
			}
			if list, err := f.Read(); err != nil || len(list) != 1 {
				t.Errorf("after a write: %v, %v", list, err)
			}
		})
	}
	t.Run("no_file_at_all", func(t *testing.T) { // opening it would wait for a writer
		os.Remove(path)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Read(); err == nil {
			t.Error("no error")
		}
	})
}

// A pipe where the new file is made must not hold the daemon up.
func TestWriteWaitsForNobody(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events")
	if err := unix.Mkfifo(path+".new", 0o600); err != nil {
		t.Fatal(err)
	}
	f := history.File(path)
	ended := make(chan error, 1)
	go func() { ended <- f.Write(eventsUpTo(3, "")) }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("Write waits for a reader of the pipe")
	}
	if list, err := f.Read(); err != nil || len(list) != 3 {
		t.Errorf("%d events, %v", len(list), err)
	}
	lab.Withstood(t, "power and disk", "pipe where the new file of the events goes", "it is replaced; the daemon waits for nobody")
}

// FuzzRead finds anything in the place of the file. What it reads it writes, and reads again.
func FuzzRead(f *testing.F) {
	f.Add([]byte("latchkey events 1\n{\"number\":1,\"time\":\"2026-11-25T17:20:01Z\",\"kind\":\"opened\",\"door\":\"nas\"}\n"))
	f.Add([]byte("latchkey events 1 0\n"))
	f.Add([]byte("latchkey events 1\n{}\n"))
	folder := f.TempDir()
	file, copied := history.File(filepath.Join(folder, "events")), history.File(filepath.Join(folder, "copy"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(string(file), text, 0o600); err != nil {
			t.Fatal(err)
		}
		list, err := file.Read()
		if err != nil || len(text) > 100_000 { // what is written may be longer, and then the oldest are left out
			return
		}
		if err := copied.Write(list); err != nil {
			t.Fatal(err)
		}
		again, err := copied.Read()
		if diff := cmp.Diff(list, again); err != nil || diff != "" {
			t.Errorf("%q: %v (-first +second)\n%s", text, err, diff)
		}
	})
}

// A router that strangers knock at writes its list every few seconds.
func TestWritingTakesNoMemoryForEachEvent(t *testing.T) {
	f := history.File(filepath.Join(t.TempDir(), "events"))
	allocations := func(events int) float64 {
		list := eventsUpTo(events, "")
		for i := range list {
			list[i].Until = &at
		}
		return testing.AllocsPerRun(10, func() {
			if err := f.Write(list); err != nil {
				t.Error(err)
			}
		})
	}
	if few, many := allocations(10), allocations(800); many > few+10 {
		t.Errorf("%v allocations for 800 events, %v for 10", many, few)
	}
}
