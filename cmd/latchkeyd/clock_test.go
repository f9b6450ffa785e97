// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/clock"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
)

// kernel answers adjtimex(2) as a kernel would in a certain state.
func kernel(state int, says unix.Timex, err error) func(*unix.Timex) (int, error) {
	return func(t *unix.Timex) (int, error) {
		*t = says
		return state, err
	}
}

var (
	kernelKnows    = kernel(unix.TIME_OK, unix.Timex{Status: unix.STA_PLL, Maxerror: 25_000}, nil)
	kernelUnsynced = kernel(unix.TIME_ERROR, unix.Timex{Status: unix.STA_UNSYNC, Maxerror: phaseLimit}, nil)
)

func TestKernelSynced(t *testing.T) {
	tests := map[string]struct {
		kernel func(*unix.Timex) (int, error)
		want   bool
	}{
		"kept_right_by_chrony":                         {kernelKnows, true},
		"about_to_insert_a_leap_second":                {kernel(unix.TIME_INS, unix.Timex{Status: unix.STA_PLL | unix.STA_INS, Maxerror: 25_000}, nil), true},
		"set_by_nobody":                                {kernelUnsynced, false},
		"with_an_error_that_is_just_below_the_limit":   {kernel(unix.TIME_OK, unix.Timex{Status: unix.STA_PLL, Maxerror: phaseLimit - 1}, nil), true},
		"kept_by_BusyBox,_which_does_not_say_how_well": {kernel(unix.TIME_OK, unix.Timex{Status: unix.STA_PLL, Maxerror: phaseLimit}, nil), false},
		"with_the_flag_alone":                          {kernel(unix.TIME_OK, unix.Timex{Status: unix.STA_UNSYNC, Maxerror: 25_000}, nil), false},
		"with_an_error_alone":                          {kernel(unix.TIME_ERROR, unix.Timex{Status: unix.STA_CLOCKERR, Maxerror: 25_000}, nil), false},
		"that_does_not_answer":                         {kernel(-1, unix.Timex{}, unix.EPERM), false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			if got := kernelSynced(tt.kernel); got != tt.want {
				t.Errorf("synchronised: %t, want %t", got, tt.want)
			}
		})
	}
}

// The real kernel's answer is the one that another program gets.
func TestKernelSynced_agrees_with_BusyBox(t *testing.T) {
	lab.Need(t, "busybox")
	lab.Wait(t, "both say the same of this machine's clock", func() bool { // it may change in between
		out, err := exec.Command("busybox", "adjtimex").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		unsynced := strings.Contains(string(out), "UNSYNC") || strings.Contains(string(out), "clock not synchronized") ||
			strings.Contains(string(out), "maxerror:     16000000")
		return kernelSynced(unix.Adjtimex) == !unsynced
	})
}

func TestJudgeClock(t *testing.T) {
	now := moment()
	padded := fmt.Sprintf("stratum 3 %d %d\n", now.Boot, now.Wall.UnixNano())
	padded = strings.Replace(padded, "3 ", "3 "+strings.Repeat("0", clock.MaxRecord-len(padded)), 1)
	tests := map[string]struct {
		record string
		want   clock.Reason
	}{
		"of_now":                     {fmt.Sprintf("stratum 3 %d %d\n", now.Boot, now.Wall.UnixNano()), clock.NTP},
		"that_ends_it":               {fmt.Sprintf("unsync 16 %d %d\n", now.Boot, now.Wall.UnixNano()), clock.Unsync},
		"that_is_empty":              {"", clock.Unset},
		"that_is_cut_off":            {fmt.Sprintf("stratum 3 %d %d", now.Boot, now.Wall.UnixNano()), clock.Unset},
		"with_more_behind_it":        {fmt.Sprintf("stratum 3 %d %d\nunsync\n", now.Boot, now.Wall.UnixNano()), clock.Unset},
		"as_long_as_may_be":          {padded, clock.NTP},
		"with_more_behind_what_fits": {padded + "x", clock.Unset},
		"that_does_not_end":          {strings.Repeat("stratum 3 ", 1e5), clock.Unset},
		"of_the_future":              {fmt.Sprintf("stratum 3 %d %d\n", now.Boot+time.Hour, now.Wall.Add(time.Hour).UnixNano()), clock.Unset},
		"of_another_start":           {fmt.Sprintf("stratum 3 %d %d\n", now.Boot, now.Wall.Add(-time.Hour).UnixNano()), clock.Moved},
		"of_a_year_without_end":      {fmt.Sprintf("stratum 3 %d 9223372036854775807\n", now.Boot), clock.Moved},
	}
	for name, tt := range tests {
		t.Run("with_a_record_"+name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ntp")
			if err := os.WriteFile(path, []byte(tt.record), 0o600); err != nil {
				t.Fatal(err)
			}
			if v := judgeClock(kernelUnsynced, path); v.Reason != tt.want || v.Right != (tt.want == clock.NTP) {
				t.Errorf("verdict %+v, want %s", v, tt.want)
			}
		})
	}
	without := map[string]func(path string) error{
		"no_record":            func(string) error { return nil },
		"a_folder":             func(path string) error { return os.Mkdir(path, 0o700) },
		"a_pipe_without_end":   func(path string) error { return unix.Mkfifo(path, 0o600) },
		"a_link_to_itself":     func(path string) error { return os.Symlink(path, path) },
		"a_device_without_end": func(path string) error { return os.Symlink("/dev/zero", path) },
	}
	for name, make := range without {
		t.Run("with_"+name+"_asks_the_kernel", func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ntp")
			if err := make(path); err != nil {
				t.Fatal(err)
			}
			if v := judgeClock(kernelUnsynced, path); v.Right || v.Reason != clock.Unset {
				t.Errorf("verdict %+v, want unset", v)
			}
			if v := judgeClock(kernelKnows, path); !v.Right || v.Reason != clock.Kernel {
				t.Errorf("verdict %+v, want the kernel's", v)
			}
		})
	}
	lab.Withstood(t, "clock", "record of the NTP daemon that is cut off, too long, of the future, a pipe or a device without end", "counts for nothing; the kernel is asked")
}

func TestClockJudge_takes_a_user_s_word(t *testing.T) {
	for how, right := range map[string]bool{"synchronised": true, "free": false} {
		judge, err := clockJudge(how, filepath.Join(t.TempDir(), "ntp"))
		if err != nil {
			t.Fatal(err)
		}
		if v := judge(); v.Right != right || v.Reason != clock.Given {
			t.Errorf("--clock %s: %+v", how, v)
		}
	}
}

// A clock that can be set would not show that another was.
func TestMoment_counts_from_the_start_of_the_machine(t *testing.T) {
	uptime := func() time.Duration {
		text := string(must(os.ReadFile("/proc/uptime")))
		seconds, _, _ := strings.Cut(text, " ")
		return must(time.ParseDuration(seconds + "s"))
	}
	before, m, after := uptime(), moment(), uptime()
	const rounding = 10 * time.Millisecond
	if m.Boot < before-rounding || m.Boot > after+rounding {
		t.Errorf("%s since the start, /proc/uptime says %s to %s", m.Boot, before, after)
	}
}

func TestNTPCommand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder", "ntp")
	say := func(words ...string) error {
		return ntp(env{out: io.Discard, err: io.Discard}, append([]string{"--file", path}, words...))
	}
	t.Run("makes_a_record_that_everybody_can_read", func(t *testing.T) {
		defer unix.Umask(unix.Umask(0o077))
		before := moment()
		if err := say("stratum", "3"); err != nil {
			t.Fatal(err)
		}
		e := lastEvent(path)
		after := moment()
		if e == nil || e.Action != "stratum" || e.Stratum != 3 || e.At.Boot < before.Boot || e.At.Boot > after.Boot {
			t.Fatalf("record %+v, want an event between %+v and %+v", e, before, after)
		}
		// Clocks that are read apart from each other would be taken for one that was set.
		if apart := e.At.Wall.Sub(before.Wall.Add(e.At.Boot - before.Boot)); apart.Abs() > clock.Slack/2 {
			t.Errorf("its clocks are %s apart", apart)
		}
		// Who could open the lock could hold it, and so keep root waiting.
		for name, want := range map[string]os.FileMode{path: 0o644, path + ".lock": 0o600, filepath.Dir(path): 0o755 | os.ModeDir} {
			if info, err := os.Stat(name); err != nil || info.Mode() != want {
				t.Errorf("%s: %v, %v; want mode %v", name, info.Mode(), err, want)
			}
		}
	})
	t.Run("replaces_it_whole,_and_leaves_only_the_lock_beside_it", func(t *testing.T) {
		old, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer old.Close()
		if err := say("unsync", "16"); err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(old); err != nil || !strings.HasPrefix(string(b), "stratum 3 ") {
			t.Errorf("a reader of the old record has %q, %v", b, err)
		}
		if e := lastEvent(path); e == nil || e.Action != "unsync" {
			t.Errorf("record %+v", e)
		}
		if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 2 {
			t.Errorf("folder has %v, %v", entries, err)
		}
	})
	t.Run("keeps_the_record_over_a_step_without_stratum", func(t *testing.T) {
		if err := errors.Join(say("stratum", "4"), say("step", "16")); err != nil {
			t.Fatal(err)
		}
		if e := lastEvent(path); e == nil || e.Action != "stratum" || e.Stratum != 4 {
			t.Errorf("record %+v", e)
		}
	})
	t.Run("hears_unsync_even_if_periodic_comes_in_at_the_same_time", func(t *testing.T) {
		for range 20 {
			if err := say("stratum", "4"); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error)
			for _, words := range [][]string{{"periodic", "4"}, {"unsync", "16"}} {
				go func() { ended <- say(words...) }()
			}
			if err := errors.Join(<-ended, <-ended); err != nil {
				t.Fatal(err)
			}
			if e := lastEvent(path); e == nil || e.Action != "unsync" {
				t.Fatalf("record %+v", e)
			}
		}
		if err := say("stratum", "4"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("waits_while_another_event_is_kept", func(t *testing.T) {
		lock := must(os.Open(path + ".lock"))
		defer lock.Close()
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- say("stratum", "4") }()
		inode := fmt.Sprintf(":%d ", must(lock.Stat()).Sys().(*syscall.Stat_t).Ino)
		lab.Wait(t, "it waits for the lock", func() bool {
			if len(ended) > 0 {
				t.Fatal("it did not wait")
			}
			for line := range strings.Lines(string(must(os.ReadFile("/proc/locks")))) {
				if strings.Contains(line, "-> FLOCK") && strings.Contains(line, inode) {
					return true
				}
			}
			return false
		})
		if err := unix.Flock(int(lock.Fd()), unix.LOCK_UN); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
	})
	t.Run("refuses_what_no_NTP_daemon_says", func(t *testing.T) {
		for _, words := range [][]string{{"stop", "3"}, {"stratum", ""}, {"stratum"}} {
			if _, ok := errors.AsType[usageError](say(words...)); !ok {
				t.Errorf("ntp %q is taken", words)
			}
		}
		if e := lastEvent(path); e == nil || e.Action != "stratum" || e.Stratum != 4 {
			t.Errorf("record %+v", e)
		}
	})
	t.Run("says_what_is_wrong_with_the_file", func(t *testing.T) {
		err := ntp(env{}, []string{"--file", filepath.Join(path, "below", "a", "file"), "stratum", "3"})
		if !errors.Is(err, unix.ENOTDIR) {
			t.Errorf("error %v", err)
		}
	})
}

// The daemon and the command together, as on a router. What this machine's kernel says is not known
// here: whatever it is, it does not outweigh NTP.
func TestClockOfNTP(t *testing.T) {
	lab.Enter(t)
	record := filepath.Join(t.TempDir(), "clock", "ntp")
	d := start(t, sealed, "--ntp", record)
	say := func(action, stratum string) {
		t.Helper()
		if code := latchkeyd([]string{"ntp", "--file", record, action, stratum}, env{in: os.Stdin, out: os.Stdout, err: os.Stderr}); code != exitOK {
			t.Fatalf("latchkeyd ntp %s %s ended with %d", action, stratum, code)
		}
	}
	told := func(want, reason string) func() bool {
		return func() bool {
			s := must(d.status())
			return s.Clock == want && s.ClockReason == reason
		}
	}
	untold := told("free", "unset")
	if kernelSynced(unix.Adjtimex) {
		untold = told("synchronised", "kernel")
	}
	lab.Wait(t, "status tells what the kernel says", untold)

	t.Run("is_right_when_NTP_says_so", func(t *testing.T) {
		say("stratum", "3")
		lab.Wait(t, "status tells of it", told("synchronised", "ntp"))
		s := must(d.status())
		if s.ClockSince == nil || s.Now.Sub(*s.ClockSince).Abs() > time.Minute {
			t.Errorf("NTP said so at %v, now it is %v", s.ClockSince, s.Now)
		}
		out := &strings.Builder{}
		if err := status(env{out: out, err: io.Discard}, []string{"--socket", d.socket}); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), "\nthe router's clock is right: NTP said so ") {
			t.Errorf("status prints:\n%s", out)
		}
	})
	t.Run("lets_the_daemon_judge_by_the_time", func(t *testing.T) {
		old := seal.Body{Stamp: uint64(time.Now().Add(-9 * time.Minute).UnixMilli()), Door: seal.Tag("web")}
		sendSTUN(t, "phone", seal.Seal(must(seal.ParseKey(phoneKey)), old))
		lab.Wait(t, "an old message is refused", func() bool { return slices.Contains(d.refusals(), "stale "+phone) })
	})
	t.Run("stays_right_over_a_restart_of_the_daemon", func(t *testing.T) {
		d.restart("--ntp", record)
		if s := must(d.status()); s.Clock != "synchronised" || s.ClockReason != "ntp" {
			t.Errorf("clock %s, %s", s.Clock, s.ClockReason)
		}
	})
	t.Run("is_not_when_NTP_lost_its_servers", func(t *testing.T) {
		say("unsync", "16")
		lab.Wait(t, "status tells of it", told("free", "unsync"))
	})
	t.Run("of_a_record_that_is_no_record_is_the_kernel_s_business", func(t *testing.T) {
		if err := os.WriteFile(record, []byte("stratum"), 0o600); err != nil {
			t.Fatal(err)
		}
		lab.Wait(t, "status tells of it", untold)
	})
	lab.Withstood(t, "clock", "NTP loses its servers", "told by status; from then on messages count by their stamps alone")
}

func TestClockLine(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	then := now.Add(-182 * time.Second)
	tests := []struct{ state, reason, want string }{
		{"synchronised", "ntp", "is right: NTP said so 3 min 2 s ago"},
		{"synchronised", "kernel", "is right: the kernel says so"},
		{"free", "unsync", "may be wrong: 3 min 2 s ago NTP said that no time server answers"},
		{"free", "silent", "may be wrong: NTP was heard of last 3 min 2 s ago"},
		{"free", "moved", "may be wrong: it was set by something else than NTP, which said that it was right 3 min 2 s ago"},
		{"free", "unset", "may be wrong: it has not been set by NTP (yet)"},
		{"synchronised", "given", "is taken as synchronised, as option --clock says"},
		{"free", "given", "is taken as free, as option --clock says"},
		{"synchronised", "", "is right"},
		{"free", "", "may be wrong"},
	}
	for _, tt := range tests {
		s := control.Status{Now: now, Clock: tt.state, ClockReason: tt.reason}
		if !slices.Contains([]string{"", "kernel", "unset", "given"}, tt.reason) {
			s.ClockSince = &then
		}
		if got := clockLine(s); got != tt.want {
			t.Errorf("%s, %s: %q, want %q", tt.state, tt.reason, got, tt.want)
		}
	}
}
