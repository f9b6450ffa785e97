// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestDaemonWithoutDescriptors takes every descriptor from the daemon that it has not got yet.
func TestDaemonWithoutDescriptors(t *testing.T) {
	d := start(t, sealed, "--clock", "synchronised", "--events", filepath.Join(t.TempDir(), "events"))
	lab.Serve(t, "router", ":8443")
	lab.Serve(t, "nas", ":22")
	d.knock("phone", router, toNAS...)
	patiently(t, "the nas opens", func() bool { return lab.Reach(t, "phone", nasDoor, closedFor) })
	pid := d.cmd.Process.Pid
	var before unix.Rlimit
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, nil, &before); err != nil {
		t.Fatal(err)
	}
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 3, Max: before.Max}, nil); err != nil {
		t.Fatal(err)
	}
	late := make(chan error, 1)
	go func() { // who asks now has to wait
		_, err := d.status()
		late <- err
	}()
	sendSTUN(t, "phone", freshMessage(t))
	patiently(t, "the nas closes", func() bool { return !lab.Reach(t, "phone", nasDoor, closedFor) && !elements(t, "nas_4") })
	if lab.Reach(t, "phone", webDoor, closedFor) {
		t.Error("a knock that cannot be remembered opens")
	}
	d.signal(unix.SIGHUP)
	if err := unix.Prlimit(pid, unix.RLIMIT_NOFILE, &before, nil); err != nil {
		t.Fatal(err)
	}
	if err := <-late; err != nil {
		t.Errorf("who asked meanwhile: %v", err)
	}
	patiently(t, "the refusal is told", func() bool {
		for _, e := range d.told() {
			if e.Kind == "refused" && strings.Contains(e.Detail, "too many open files") {
				return true
			}
		}
		return false
	})
	patiently(t, "a knock opens", func() bool {
		sendSTUN(t, "phone", freshMessage(t))
		return lab.Reach(t, "phone", webDoor, closedFor)
	})
	lab.Withstood(t, "load", "no file descriptor left (RLIMIT_NOFILE)", "doors close on time; knocks that cannot be remembered are refused and told; goes on when there are some again")
}

// TestLogThatNobodyReads runs the daemon with standard outputs that take nothing.
func TestLogThatNobodyReads(t *testing.T) {
	lab.Enter(t)
	lab.Serve(t, "router", ":8443")
	for _, tt := range []struct {
		name, fault string
		out         func(t *testing.T) *os.File
	}{
		{"a_pipe_whose_reader_is_gone", "standard output closed by its reader", func(t *testing.T) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			r.Close()
			return w
		}},
		{"a_pipe_that_is_full", "log reader that hangs (full pipe)", func(t *testing.T) *os.File {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			if _, err := unix.FcntlInt(w.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
				t.Fatal(err)
			}
			return w // in blocking mode, as a shell makes it: Fd sees to that
		}},
		{"a_file_system_without_space", "log on a full file system", func(t *testing.T) *os.File {
			return must(os.OpenFile("/dev/full", os.O_WRONLY, 0))
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := &latchkeydProcess{t: t, program: must(os.Executable()), dir: t.TempDir(), out: tt.out(t)}
			d.socket = filepath.Join(d.dir, "sock")
			d.write(sealed)
			d.run("--clock", "synchronised")
			defer d.stop()
			for range 100 { // lines, more than a pipe of a page holds
				for _, method := range []string{"open", "close"} {
					if err := d.ask(control.Request{Method: method, Door: "web", Address: neighbour}, nil); err != nil {
						t.Fatal(err)
					}
				}
			}
			patiently(t, "a knock opens", func() bool {
				sendSTUN(t, "phone", freshMessage(t))
				return lab.Reach(t, "phone", webDoor, closedFor)
			})
			d.stop()
			if lab.Reach(t, "phone", webDoor, closedFor) {
				t.Error("open after SIGTERM")
			}
			lab.Withstood(t, "load", tt.fault, "knocks open, status answers, the end is orderly")
		})
	}
	t.Run("a_system_log_that_hangs", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "log")
		listenLog(t, path)
		d := start(t, sealed, "--clock", "synchronised", "--syslog", path)
		for range 30 {
			for _, method := range []string{"open", "close"} {
				if err := d.ask(control.Request{Method: method, Door: "web", Address: neighbour}, nil); err != nil {
					t.Fatal(err)
				}
			}
		}
		patiently(t, "a knock opens", func() bool {
			sendSTUN(t, "phone", freshMessage(t))
			return lab.Reach(t, "phone", webDoor, closedFor)
		})
		patiently(t, "lines come to standard output instead", func() bool { return strings.Contains(d.log.String(), "door=web") })
		lab.Withstood(t, "load", "system log that takes no lines", "knocks open; after a second a line goes to standard output instead")
	})
}

// TestHooksThatHang has a script that does not end, and takes the folder of the scripts away.
func TestHooksThatHang(t *testing.T) {
	d := start(t, home)
	folder, out := filepath.Join(t.TempDir(), "hooks"), filepath.Join(t.TempDir(), "out")
	cmd := lab.On("router", must(os.Executable()), "hooks", "--folder", folder, "--socket", d.socket)
	cmd.Env = append(os.Environ(), asDaemon+"=1")
	said := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = said, said
	cmd.WaitDelay = time.Millisecond
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cmd.Process.Signal(unix.SIGTERM)
		cmd.Wait()
	}()
	text := func() string { b, _ := os.ReadFile(out); return string(b) }
	opens := func(address string) {
		t.Helper()
		if err := d.ask(control.Request{Method: "open", Door: "web", Address: address}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 5 {
		opens("192.0.2." + string(rune('1'+n)))
	}
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	script := "echo $ADDRESS >>" + out + "\n[ -e " + out + ".hang ] || exit 0\necho $$ >" + out + ".pid\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(folder, "10-hang"), []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	n := 0
	patiently(t, "scripts run as soon as there is a folder", func() bool {
		n++
		opens("198.51.100." + string(rune('1'+n%9)))
		return text() != ""
	})
	if err := os.WriteFile(out+".hang", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	opens("203.0.113.101")
	patiently(t, "the script hangs", func() bool {
		b, _ := os.ReadFile(out + ".pid")
		return strings.HasSuffix(string(b), "\n")
	})
	for _, address := range []string{"203.0.113.102", "203.0.113.103"} {
		opens(address)
	}
	d.knock("phone", router, toNAS...)
	patiently(t, "a knock opens meanwhile", func() bool { return d.count("opened", phone) == 1 })
	if err := os.Remove(out + ".hang"); err != nil {
		t.Fatal(err)
	}
	pid := must(strconv.Atoi(strings.TrimSpace(string(must(os.ReadFile(out + ".pid"))))))
	if err := unix.Kill(pid, unix.SIGKILL); err != nil { // sooner than its time is over
		t.Fatal(err)
	}
	want := "203.0.113.101\n203.0.113.102\n203.0.113.103\n" + phone + "\n"
	patiently(t, "no event is lost", func() bool { return strings.Contains(text(), want) })
	lab.Withstood(t, "load", "hook script that hangs", "the daemon does not notice; the script is killed after "+
		formatSeconds(int(longestScript/time.Second))+", and the others run for every event in its order")
	lab.Withstood(t, "load", "folder of the hook scripts that is not there", "doors work; scripts run as soon as it is there")
}
