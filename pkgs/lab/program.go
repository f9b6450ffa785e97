// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What follows is for programs that use the hosts outside of tests: testdata/bench and testdata/soak.

// Become runs this program once more, with its arguments, where Verb("up") may be used, in the place of
// this process. It returns nil inside.
func Become() error {
	if Inside() {
		return nil
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	return syscall.Exec(script(), append([]string{script(), "enter", program}, os.Args[1:]...), append(os.Environ(), variable+"="+inside))
}

// Inside reports whether this program runs where Become leads to.
func Inside() bool { return os.Getenv(variable) == inside }

// Verb returns a verb of testdata/lab.sh as a command.
func Verb(args ...string) *exec.Cmd { return exec.Command(script(), args...) }

// Output runs a command; its error has what the command said.
func Output(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", cmd, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// Stop ends a program as an init script would: it is killed if it has not ended within 5 s. The error is
// that of the program.
func Stop(cmd *exec.Cmd) error {
	_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended already
	patience := time.AfterFunc(5*time.Second, func() { _ = cmd.Process.Kill() })
	defer patience.Stop()
	return cmd.Wait()
}

// Memory of a process in kB: all that is resident, and the part of it that is its own (proc_pid_status(5)).
type Memory struct{ Resident, Own int }

// MemoryOf returns the memory of a process, zero if there is no such process.
func MemoryOf(pid int) (m Memory) {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(b)) {
		_, _ = fmt.Sscanf(line, "VmRSS: %d kB", &m.Resident)
		_, _ = fmt.Sscanf(line, "RssAnon: %d kB", &m.Own)
	}
	return m
}
