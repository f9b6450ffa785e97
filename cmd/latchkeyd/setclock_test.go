// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// clockOffset names a file for the daemon of a test: by how many seconds its clock on the wall is set off.
// Only root of the machine could set the kernel's, and would for everybody.
const clockOffset = "LATCHKEYD_TEST_CLOCK"

// setClock returns the clock of a machine whose clock on the wall is set as the file says, and whose
// monotonic clock goes on, as it does. Package time has no way to make such a time, so this knows where a
// time.Time with both has its seconds on the wall; TestSetClock sees that it still has.
func setClock(file string) func() time.Time {
	const nanoBits = 30
	f, err := os.Open(file) // once: the daemon may not, later
	if err != nil {
		panic(err)
	}
	return func() time.Time {
		t := time.Now()
		var b [offsetSize]byte
		_, _ = f.ReadAt(b[:], 0)
		seconds, _ := strconv.ParseInt(strings.TrimSpace(string(b[:])), 10, 64)
		wall := (*uint64)(unsafe.Pointer(&t))
		*wall += uint64(seconds << nanoBits)
		return t
	}
}

// offsetSize is how many bytes a file of clockOffset has, so that a write replaces all of it at once.
const offsetSize = 12

func writeOffset(t *testing.T, file string, seconds int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%*d", offsetSize, seconds); err != nil {
		t.Fatal(err)
	}
}

func TestSetClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "offset")
	writeOffset(t, file, 0)
	now := setClock(file)
	before := now()
	for _, seconds := range []int64{3600, -86400 * 365 * 10, 86400 * 365 * 30} {
		writeOffset(t, file, seconds)
		after := now()
		apart := after.Round(0).Sub(before.Round(0)) - time.Duration(seconds)*time.Second
		if elapsed := after.Sub(before); elapsed < 0 || elapsed > time.Minute || (apart-elapsed).Abs() > time.Second {
			t.Errorf("set by %d s: %s by the clock on the wall, %s by the other", seconds, after.Round(0).Sub(before.Round(0)), elapsed)
		}
	}
}

// TestClockThatIsSet sets the daemon's clock while doors are open.
func TestClockThatIsSet(t *testing.T) {
	lab.Enter(t)
	file := filepath.Join(t.TempDir(), "offset")
	set := func(t *testing.T, by time.Duration) {
		t.Helper()
		writeOffset(t, file, int64(by/time.Second))
	}
	set(t, 0)
	t.Setenv(clockOffset, file)
	const clock = "free" // a router whose clock is set is one whose clock was not right
	d := start(t, sealed, "--clock", clock)
	lab.Serve(t, "router", ":8443")
	lab.Serve(t, "nas", ":22")
	web := func() bool { return lab.Reach(t, "phone", webDoor, openWithin) }
	d.knock("phone", router, sorted...)
	patiently(t, "the web opens", web)
	left := func() int {
		for _, x := range must(d.status()).Doors {
			if x.Name == "web" && len(x.Grants) > 0 {
				return x.Grants[0].Left
			}
		}
		return -1
	}
	const year = 365 * 24 * time.Hour
	d.knock("neighbour", router, toNAS...)
	patiently(t, "the neighbour's knock", func() bool { return len(d.grants("nas")) > 0 })
	for _, tt := range []struct {
		name string
		by   time.Duration
	}{{"an_hour_ahead", time.Hour}, {"ten_years_back", -10 * year}, {"ten_years_ahead", 10 * year}, {"right_again", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			begin, before := time.Now(), left()
			set(t, tt.by)
			patiently(t, "the daemon sees it", func() bool {
				return must(d.status()).Now.Sub(time.Now().Add(tt.by)).Abs() < time.Minute
			})
			// Both are rounded; a knock of before that is read only now may have begun it anew.
			after, passed := left(), int(time.Since(begin)/time.Second)
			if after > before+1 || after < before-passed-2 {
				t.Errorf("%d s are left of the web, %d s before the clock was set it were %d", after, passed, before)
			}
			if !web() {
				t.Error("the web is closed")
			}
			last := d.count("opened", phone) + d.count("extended", phone)
			patiently(t, "a sealed knock opens", func() bool {
				sendSTUN(t, "phone", freshMessage(t))
				return d.count("opened", phone)+d.count("extended", phone) > last
			})
		})
	}
	patiently(t, "the nas closes in the kernel and in the book", func() bool {
		return !lab.Reach(t, "neighbour", nasDoor, closedFor) && len(d.grants("nas")) == 0
	})
	lab.Withstood(t, "clock", "clock set an hour ahead, ten years back and ahead while doors are open", "each door keeps the time that it has left, and closes when that is over; knocks open")
}
