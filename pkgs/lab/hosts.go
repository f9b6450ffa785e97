// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// forbidden is the exit code of `lab.sh enter` where the machine allows no namespaces.
const forbidden = 75

// script is the path of testdata/lab.sh, where the hosts are drawn.
func script() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "testdata", "lab.sh")
}

// MainHosts is for TestMain, like Main, of tests that need the five hosts of testdata/lab.sh:
// phone, neighbour, internet, router and nas. They are up when the tests run.
func MainHosts(m *testing.M) int {
	if os.Getenv(variable) != "" {
		fuzzes := slices.Contains(os.Args, "-test.fuzzworker") // a child of the process that brought them up
		if os.Getenv(variable) == inside && !fuzzes {
			if out, err := exec.Command(script(), "up").CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "lab: up: %v\n%s", err, out)
				return 1
			}
		}
		if word := os.Getenv(lastWord); word != "" {
			return work(m, word)
		}
		return m.Run()
	}
	code, err := runInside(m)
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err)
	}
	return code
}

// runInside runs this program again in a lab, or in several.
func runInside(m *testing.M) (code int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 1, err
	}
	allowed := enter("true", nil).Run()
	if exit, failed := errors.AsType[*exec.ExitError](allowed); failed && exit.ExitCode() == forbidden {
		os.Setenv(variable, "no user namespaces on this machine")
		return m.Run(), nil
	}
	names, err := queued(program)
	if err != nil {
		return 1, err
	}
	if names != nil {
		return runQueue(program, names), nil
	}
	cmd := enter(program, os.Args[1:])
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	runtime.LockOSThread() // see enter
	defer runtime.UnlockOSThread()
	err = cmd.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed {
		return max(exit.ExitCode(), 1), nil
	}
	if err != nil {
		return 1, err
	}
	return 0, nil
}

// enter returns a command that runs a program in a lab of its own. go test kills only us when the time is over: so it
// is killed when the thread ends that started it.
func enter(program string, args []string) *exec.Cmd {
	cmd := exec.Command(script(), append([]string{"enter", program}, args...)...)
	cmd.Env = append(os.Environ(), variable+"="+inside)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// On returns a command that runs on a host.
func On(host, name string, args ...string) *exec.Cmd {
	return exec.Command("ip", append([]string{"netns", "exec", host, name}, args...)...)
}

// Need skips the test where one of these programs is not there. A script that called it would report a failure of its own.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) {
			t.Skipf("SKIP: %s is not installed (hint: testdata/setup.sh)", program)
		}
	}
}

// Run runs a program on a host, fails the test if it fails, and returns what it printed. It skips the test where there is no
// such program; what env shall run counts.
func Run(t testing.TB, host, name string, args ...string) string {
	t.Helper()
	for _, program := range append([]string{name}, args...) {
		if program == "env" || strings.Contains(program, "=") {
			continue
		}
		Need(t, program)
		break
	}
	out, err := On(host, name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s$ %s %q: %v\n%s", host, name, args, err, out)
	}
	return string(out)
}

// Script runs a verb of testdata/lab.sh.
func Script(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(script(), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("lab.sh %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// In is Do for tests: it fails the test with f's error.
func In(t testing.TB, host string, f func() error) {
	t.Helper()
	if err := Do(host, f); err != nil {
		t.Fatalf("on %s: %v", host, err)
	}
}

// Do calls f on a thread whose network is the host's, and returns f's error. Sockets that f makes
// itself, not in other goroutines, stay in that network.
func Do(host string, f func() error) error {
	ended := make(chan error)
	go func() {
		// The thread is not unlocked: it ends with the goroutine, and nobody else gets its network.
		runtime.LockOSThread()
		ended <- func() error {
			ns, err := os.Open("/run/netns/" + host)
			if err != nil {
				return err
			}
			defer ns.Close()
			if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter its network: %w", err)
			}
			return f()
		}()
	}()
	return <-ended
}

// Reach reports whether a TCP connection from a host to an address is accepted within a time.
func Reach(t testing.TB, host, address string, within time.Duration) bool {
	t.Helper()
	c := Connect(t, host, address, within)
	if c != nil {
		c.Close()
	}
	return c != nil
}

// Connect is Reach, but keeps the connection; nil if there is none.
func Connect(t testing.TB, host, address string, within time.Duration) net.Conn {
	t.Helper()
	var c net.Conn
	In(t, host, func() error {
		var err error
		c, err = net.DialTimeout("tcp", address, within)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
			c, err = nil, nil
		}
		return err
	})
	return c
}

// Serve answers TCP connections to an address of a host, echoing what it reads, until the test ends.
func Serve(t testing.TB, host, address string) {
	t.Helper()
	var l net.Listener
	In(t, host, func() (err error) {
		l, err = net.Listen("tcp", address)
		return err
	})
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				io.Copy(c, c) // ends when either side is closed
			}()
		}
	}()
}

// patience is how long Wait waits: what takes a blink takes seconds on a machine with a load of 40.
const patience = 30 * time.Second

// Wait polls until is says true, and fails the test with what if it does not within 30 s.
func Wait(t testing.TB, what string, is func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !is() {
		if time.Now().After(deadline) {
			t.Fatalf("waited %s for: %s", patience, what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// SSHD starts the nas's SSH server, until the test ends. It skips the test where there is no OpenSSH.
func SSHD(t testing.TB) {
	t.Helper()
	Need(t, "/usr/sbin/sshd", "ssh", "ssh-keygen", "ssh-keyscan")
	Script(t, "sshd")
	t.Cleanup(func() {
		for _, pid := range strings.Fields(Run(t, "nas", "ip", "netns", "pids", "nas")) {
			if n, err := strconv.Atoi(pid); err == nil && commandOf(n) == "sshd" {
				unix.Kill(n, unix.SIGKILL)
			}
		}
	})
}

func commandOf(pid int) string {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return strings.TrimSpace(string(b))
}
