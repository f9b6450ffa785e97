// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// owned makes the daemon's folders as the init script does.
func (r *router) owned() {
	r.t.Helper()
	if os.Geteuid() != 0 {
		r.t.Skip("SKIP: cannot become a second user: not root")
	}
	if err := os.Chmod(filepath.Dir(r.root), 0o755); err != nil {
		r.t.Fatal(err)
	}
	r.write("etc/config/latchkey", enabled+"\tlist device 'nothing0'\n\nconfig client 'phone'\n\toption key 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8='\n")
	if _, out, err := r.initScript("start", "USER_EXISTS=1", fmt.Sprint("DAEMON_UID=", daemonID)); err != nil {
		r.t.Fatalf("start: %v\n%s", err, out)
	}
	if uid, _ := ids(r, "etc/latchkey"); uid != daemonID {
		r.t.Skip("SKIP: cannot become a second user: root may not give a folder away")
	}
}

func ids(r *router, name string) (uid, gid uint32) {
	var s unix.Stat_t
	if err := unix.Lstat(r.path(name), &s); err != nil {
		r.t.Fatal(err)
	}
	return s.Uid, s.Gid
}

// latchkeyd returns a command of the program that works in this router's folders.
func (r *router) latchkeyd(args ...string) *exec.Cmd {
	return exec.Command(os.Getenv(programVariable), args...)
}

func (r *router) runArgs() []string {
	return []string{"run", "--config", r.path("var/run/latchkey.init/config"), "--state", r.path("etc/latchkey/state"),
		"--socket", r.path("var/run/latchkey/latchkey.sock")}
}

// Without ujail, procd starts the daemon as root.
func TestDaemonOfRootStepsDown(t *testing.T) {
	r := newRouter(t)
	r.owned()
	var log bytes.Buffer
	daemon := r.latchkeyd(r.runArgs()...)
	daemon.Stdout, daemon.Stderr = &log, &log
	daemon.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET} // its own, empty network
	if err := daemon.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- daemon.Wait() }()
	for running := false; !running; {
		select {
		case err := <-ended:
			t.Fatalf("latchkeyd ended: %v\n%s", err, log.String())
		case <-time.After(20 * time.Millisecond):
			running = r.latchkeyd("status", "--socket", r.path("var/run/latchkey/latchkey.sock")).Run() == nil
		}
	}
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", daemon.Process.Pid))
	if err != nil || len(tasks) == 0 {
		t.Fatalf("%d threads, %v", len(tasks), err)
	}
	for _, name := range tasks {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // a thread that is gone
		}
		for _, want := range []string{
			"Uid:\t970\t970\t970\t970\n", "Gid:\t970\t970\t970\t970\n", "Groups:\t \n", "NoNewPrivs:\t1\n",
			"CapPrm:\t0000000000003000\n", "CapEff:\t0000000000003000\n", "CapBnd:\t0000000000003000\n", "Seccomp:\t2\n",
		} {
			if !strings.Contains(string(text), want) {
				t.Errorf("%s has no %q:\n%s", name, want, text)
			}
		}
	}
	if uid, _ := ids(r, "var/run/latchkey/latchkey.sock"); uid != daemonID {
		t.Errorf("the socket belongs to %d", uid)
	}
	// What shows the memory of a process that is not dumpable belongs to root (proc(5)).
	var fds unix.Stat_t
	if err := unix.Stat(fmt.Sprintf("/proc/%d/fd", daemon.Process.Pid), &fds); err != nil || fds.Uid != 0 {
		t.Errorf("another process of the same user may look into the daemon: %v, of user %d", err, fds.Uid)
	}
	if err := daemon.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("latchkeyd ended with %v\n%s", err, log.String())
	}
}

// What a daemon of root's left behind is not given away by anybody: the owner is told how.
func TestFilesOfAnotherUser(t *testing.T) {
	refused := func(r *router, hint string) {
		t.Helper()
		out, err := r.latchkeyd(r.runArgs()...).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "hint: ") || !strings.Contains(string(out), hint) {
			t.Errorf("%v, want %q\n%s", err, hint, out)
		}
	}
	r := newRouter(t)
	r.owned()
	r.write("etc/latchkey/state", "secret of root")
	if err := os.Chmod(r.path("etc/latchkey/state"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(r, "chown -h 970:970 "+r.path("etc/latchkey/state"))

	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: r.path("var/run/latchkey/latchkey.sock")})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	refused(r, "if no other latchkeyd runs, remove it")
}

// forget is typed by root, in a folder that is the daemon's.
func TestForgetAsRoot(t *testing.T) {
	r := newRouter(t)
	r.owned()
	// The daemon's user leads the name of the state to a file of root's.
	r.write("etc/precious/state", "text")
	if err := os.Chmod(r.path("etc/precious/state"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(r.path("etc/precious/state"), r.path("etc/latchkey/state")); err != nil {
		t.Fatal(err)
	}
	if err := os.Lchown(r.path("etc/latchkey/state"), daemonID, daemonID); err != nil {
		t.Fatal(err)
	}
	before := r.inodes("etc/precious")
	forget := r.latchkeyd("forget", "--all", "--socket", r.path("var/run/latchkey/latchkey.sock"), "--state", r.path("etc/latchkey/state"))
	if out, err := forget.CombinedOutput(); err != nil {
		t.Errorf("--all: %v\n%s", err, out)
	}
	if after := r.inodes("etc/precious"); len(after) != 1 || after[0] != before[0] {
		t.Errorf("root's file changed: %q to %q", before, after)
	}
	if _, err := os.Lstat(r.path("etc/latchkey/state")); !os.IsNotExist(err) {
		t.Errorf("the link is still there: %v", err)
	}
	// In a folder where its owner may not remove names, root as its owner may not either.
	if err := os.Chmod(r.path("etc/latchkey"), 0o500); err != nil {
		t.Fatal(err)
	}
	r.write("etc/latchkey/state", "text")
	forget = r.latchkeyd(forget.Args[1:]...)
	if out, err := forget.CombinedOutput(); err == nil || !strings.Contains(string(out), "permission denied") {
		t.Errorf("--all as root, who may do everything: %v\n%s", err, out)
	}
}
