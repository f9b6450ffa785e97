// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// isolation is the group of this file's faults and attacks.
const isolation = "isolation"

// anySocket says that Go makes sockets by socketcall(2), whose arguments the filter does not see.
const anySocket = runtime.GOARCH == "386" || runtime.GOARCH == "s390x"

// limit is what the daemon is limited in, whoever takes it over.
type limit string

const (
	ofCalls limit = "system calls"
	ofFiles limit = "files"
)

// limits returns what the daemon says of each: "limited", or what the kernel or Go lacks here for that.
func (d taken) limits(t *testing.T) map[limit]string {
	t.Helper()
	s, err := d.status()
	if err != nil || s.Isolation == nil {
		t.Fatalf("status %+v, %v", s, err)
	}
	told := map[limit]string{ofCalls: s.Isolation.Calls, ofFiles: s.Isolation.Files}
	for what, text := range told {
		lacks := strings.HasPrefix(text, "not limited: this kernel has no ") ||
			what == ofFiles && runtime.GOARCH == "mips" && text == "not limited: this program cannot reach all of its threads"
		if text != "limited" && !lacks {
			t.Fatalf("isolation %+v", *s.Isolation)
		}
	}
	return told
}

// need skips a test of what the daemon cannot be limited in here.
func (d taken) need(t *testing.T, what limit) {
	t.Helper()
	if told := d.limits(t)[what]; told != "limited" {
		t.Skipf("SKIP: %s %s", what, told)
	}
}

// What the daemon that was taken over cannot do, its test can, with the same code: it is no other fault
// that keeps the daemon from it.
func TestIsolation(t *testing.T) {
	d := takeOver(t)
	outside := t.TempDir()
	file := func(name string) string {
		path := filepath.Join(outside, name)
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	lab.Serve(t, "router", "127.0.0.1:2049")

	const refused, unknown, notThere = "EPERM", "ENOSYS", "EACCES"
	attempted := []struct {
		attempt, arg, want string
		fault, outcome     string // of the table in SECURITY.md; "" = stands for none
	}{
		{"read", "/etc/passwd", notThere, "", ""},
		{"read", file("shadow"), notThere, "a daemon taken over that wants to read another file, such as /etc/shadow", "Landlock refuses, also to root"},
		{"list", "/", notThere, "", ""},
		{"write", file("to write"), notThere, "a daemon taken over that wants to write beside its own folders", "Landlock refuses"},
		{"write", filepath.Join(outside, "new"), notThere, "", ""},
		{"remove", file("to remove"), notThere, "", ""},
		{"link", filepath.Join(d.dir, "link"), unknown, "a daemon taken over that wants to lead others astray by a link in its own folder", "the system call is refused"},
		{"change a file's rights", file("to change"), unknown, "", ""},
		{"connect", "127.0.0.1:2049", refused, "a daemon taken over that wants to connect to somewhere", "it gets no TCP socket"},
		{"listen", "tcp", refused, "a daemon taken over that wants to listen on a port", "it gets no TCP or UDP socket"},
		{"listen for datagrams", "", refused, "", ""},
		{"listen beside the control socket", filepath.Join(d.dir, "other"), refused, "a daemon taken over that wants to be asked by others in place of the true one", "it gets no second listening socket"},
		{"begin a process", "", refused, "a daemon taken over that wants to go on in a process of its own", "it can begin threads and no processes"},
		{"get a right", "", unknown, "a daemon taken over that wants root's rights again", "no system call leads there, and its bounding set has two"},
		{"be another user", "", unknown, "", ""},
		{"be root of a namespace", "", unknown, "a daemon taken over that wants to be root of a namespace of its own", "the system call is refused"},
		{"load code", "", refused, "a daemon taken over that wants to load code", "no memory of it may be made executable"},
		{"make memory code", "", refused, "", ""},
		{"signal a process", "", unknown, "a daemon taken over that wants to end other processes of its user", "signals reach its own threads only"},
		{"set the clock", "", unknown, "", ""},
		{"change another device", "lo", refused, "a daemon taken over that wants to change a network device", "ioctl is allowed for three questions only"},
		{"use a new call", "", unknown, "a daemon taken over that tries what the newest kernels offer", "a system call on no list is as if the kernel had none"},
	}
	for _, what := range []limit{ofCalls, ofFiles} {
		t.Run(string(what), func(t *testing.T) {
			d.need(t, what)
			for _, tt := range attempted {
				if anySocket && tt.attempt == "listen for datagrams" {
					continue // see SECURITY.md
				}
				if runtime.GOARCH == "s390x" && tt.attempt == "load code" {
					continue // the arguments of mmap(2) lie in memory there, where a filter does not see them
				}
				if anySocket && tt.attempt == "listen beside the control socket" {
					tt.want = notThere // it is bound before it would listen, and a socket is no file of those allowed
				}
				if (tt.want == notThere) != (what == ofFiles) {
					continue
				}
				got := d.try(tt.attempt, tt.arg)
				if anySocket && tt.attempt == "listen" && got == notThere {
					got = refused // Landlock of Linux 6.7 and newer was there first
				}
				if got != tt.want {
					t.Errorf("%s %s: %s, want %s", tt.attempt, tt.arg, got, tt.want)
				}
				switch tt.attempt {
				case "get a right", "be another user", "be root of a namespace", "set the clock", "use a new call":
					// These would change this process or the machine, or the kernel may not have them.
				default:
					if err := lab.Do("router", func() error { return attempts[tt.attempt](tt.arg) }); err != nil {
						t.Errorf("%s %s does not work without isolation either: %v", tt.attempt, tt.arg, err)
					}
				}
				if tt.fault != "" {
					lab.Withstood(t, isolation, tt.fault, tt.outcome)
				}
			}
		})
	}
	// After all that it still does its work.
	d.knock("phone", router, toNAS...)
	d.settle()
}

// What only somebody would do who took it over ends the daemon, whoever he is.
func TestIsolationIsDeadly(t *testing.T) {
	for name, arg := range map[string]string{"run a program": "/bin/true", "look into a process": ""} {
		t.Run(name, func(t *testing.T) {
			d := takeOver(t)
			d.need(t, ofCalls)
			if got := d.try(name, arg); got != "the daemon is gone" {
				t.Errorf("%s: %s", name, got)
			}
			err := <-d.ended
			d.ended = nil
			exit, ok := errors.AsType[*exec.ExitError](err)
			if !ok || exit.Sys().(syscall.WaitStatus).Signal() != unix.SIGSYS {
				t.Errorf("it ended with %v, want SIGSYS", err)
			}
			d.files, d.env = nil, nil
			d.run() // as procd does
		})
	}
	lab.Withstood(t, isolation, "a daemon taken over that wants to run a program", "the kernel ends it; procd starts the true one")
	lab.Withstood(t, isolation, "a daemon taken over that wants to look into another process", "the kernel ends it; procd starts the true one")
}

// Every thread of the running daemon, as the kernel sees it.
func TestIsolationOfEveryThread(t *testing.T) {
	d := takeOver(t)
	d.need(t, ofCalls)
	d.knock("phone", router, toNAS...)
	d.settle()
	pid := d.cmd.Process.Pid
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	if err != nil || len(threads) == 0 {
		t.Fatalf("%d threads, %v", len(threads), err)
	}
	for _, name := range threads {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a thread that is gone
		}
		for _, want := range []string{
			"NoNewPrivs:\t1\n", "Seccomp:\t2\n", "Groups:\t",
			"CapInh:\t0000000000003000\n", "CapPrm:\t0000000000003000\n", "CapEff:\t0000000000003000\n",
			"CapBnd:\t0000000000003000\n", "CapAmb:\t0000000000003000\n",
		} {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil || !bytes.Contains(bytes.Join(bytes.Fields(limits), []byte(" ")), []byte("Max core file size 0 0 bytes")) {
		t.Errorf("it may leave a core file: %v\n%s", err, limits)
	}
	lab.Withstood(t, isolation, "started as root, where no user is there to become", "it keeps two capabilities of 41, on every thread, for good")
}

func TestIsolationIsTold(t *testing.T) {
	d := takeOver(t)
	told := d.limits(t)
	var out bytes.Buffer
	if code := latchkeyd([]string{"status", "--socket", d.socket}, env{out: &out, err: &out}); code != exitOK {
		t.Fatalf("status: %s", out.String())
	}
	want := fmt.Sprintf("\nisolation: user %d with 2 rights of root's; system calls %s; files %s\n", os.Getuid(), told[ofCalls], told[ofFiles])
	if !strings.Contains(out.String(), want) {
		t.Errorf("status says %q, want %q in it", out.String(), want)
	}
	out.Reset()
	if code := latchkeyd([]string{"status", "--json", "--socket", d.socket}, env{out: &out, err: &out}); code != exitOK {
		t.Fatalf("status: %s", out.String())
	}
	want = fmt.Sprintf(`"isolation":{"user":%d,"rights":2,"system_calls":%q,"files":%q}`, os.Getuid(), told[ofCalls], told[ofFiles])
	if !strings.Contains(out.String(), want) {
		t.Errorf("status says %q, want %q in it", out.String(), want)
	}
}
