// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Strace runs the test that calls it once more, in a child under strace with these arguments, and with a
// variable NAME=VALUE set that tells it so. strace counts the calls of each thread by itself.
func Strace(t *testing.T, variable string, args ...string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	cmd := strace(t, append(args, os.Args[0], "-test.run=^"+name+"$")...)
	cmd.Env = append(os.Environ(), variable)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Exec format error") {
		t.Skip("SKIP: strace cannot start a program of another processor")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// Attach puts strace with these arguments onto a process that runs, and returns what takes it off again,
// which must be called. Where the process has ended, so has strace.
func Attach(t *testing.T, pid int, args ...string) (detach func()) {
	t.Helper()
	cmd := strace(t, append(args, "-p", strconv.Itoa(pid))...)
	said, err := os.CreateTemp(t.TempDir(), "strace")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	cmd.Stderr = said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		cmd.Wait()
		close(ended)
	}()
	detach = func() {
		cmd.Process.Signal(unix.SIGTERM)
		<-ended
	}
	Wait(t, fmt.Sprintf("strace has process %d", pid), func() bool {
		text, err := os.ReadFile(said.Name())
		select {
		case <-ended:
			t.Fatalf("strace ended: %s", text)
		default:
		}
		return err == nil && strings.Contains(string(text), " attached")
	})
	return detach
}

func strace(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	path, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIP: strace is not installed")
	}
	return exec.Command(path, slices.Concat([]string{"-f", "-b", "execve"}, args)...)
}
