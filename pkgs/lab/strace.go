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
)

// Strace runs the test that calls it once more, in a child under strace with these arguments, and with a
// variable NAME=VALUE set that makes it so. strace counts the calls of each thread by itself.
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

// Attach puts strace with these arguments onto a process that runs. It ends with the process, as ended then
// tells, or when it is taken off, which must be done.
func Attach(t *testing.T, pid int, args ...string) (ended <-chan struct{}, detach func()) {
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
	over := make(chan struct{})
	go func() {
		cmd.Wait()
		close(over)
	}()
	detach = func() {
		// Of a process that is dying, strace waits for ever when it is asked to end.
		cmd.Process.Kill()
		<-over
	}
	Wait(t, fmt.Sprintf("strace has process %d", pid), func() bool {
		text, err := os.ReadFile(said.Name())
		select {
		case <-over:
			t.Fatalf("strace ended: %s", text)
		default:
		}
		return err == nil && strings.Contains(string(text), " attached")
	})
	return over, detach
}

func strace(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	Need(t, "strace")
	return exec.Command("strace", slices.Concat([]string{"-f", "-b", "execve"}, args)...)
}
