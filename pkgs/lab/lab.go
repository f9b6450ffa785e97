// SPDX-License-Identifier: Apache-2.0

// Package lab runs tests in network namespaces of their own, without root.
//
// It is not meant for other programs.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// variable says how far Main came: not set, inside, or why it is not inside.
const (
	variable = "LATCHKEY_LAB"
	inside   = "inside"
)

// Main is for TestMain: it runs the tests of a package once more, as root of new user and network
// namespaces with only a loopback device, and returns the exit code. Where the machine forbids
// that, it runs them here, and Enter skips. Without user namespaces root gets a network namespace.
func Main(m *testing.M) int {
	switch os.Getenv(variable) {
	case "":
	case inside:
		if err := loopbackUp(); err != nil {
			// AppArmor can allow the namespace and forbid its use.
			os.Setenv(variable, fmt.Sprintf("no rights in a user namespace: %v", err))
		}
		return m.Run()
	default:
		return m.Run()
	}
	code, err := again(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET)
	if err != nil && os.Geteuid() == 0 {
		code, err = again(syscall.CLONE_NEWNET)
	}
	if err != nil {
		os.Setenv(variable, fmt.Sprintf("no user namespace: %v", err))
		return m.Run()
	}
	return code
}

// Enter skips the test if Main could not give it a kernel network of its own.
func Enter(t testing.TB) {
	t.Helper()
	switch state := os.Getenv(variable); state {
	case inside:
	case "":
		t.Fatal("lab: the package's TestMain does not call lab.Main")
	default:
		t.Skipf("SKIP: %s (hint: run as root, or: sysctl kernel.unprivileged_userns_clone=1 kernel.apparmor_restrict_unprivileged_userns=0)", state)
	}
}

// again runs this program in new namespaces. The error says that it could not be started.
func again(namespaces uintptr) (exitCode int, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(program, os.Args[1:]...)
	cmd.Args[0] = os.Args[0]
	cmd.Env = append(os.Environ(), variable+"="+inside)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: namespaces,
		Pdeathsig:  syscall.SIGKILL, // go test kills only us when the time is over
	}
	if namespaces&syscall.CLONE_NEWUSER != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	// Pdeathsig comes when the thread ends that started the child, not the process.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	err = cmd.Wait()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && exit.Exited() {
		return exit.ExitCode(), nil
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "lab: %v\n", err) // killed
		return 1, nil
	}
	return 0, nil
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}
