// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// Somebody took the daemon over: code of his runs in it. Here that is tryAsTold, which the test binary
// begins beside the daemon, in the same process, and which does what the test says.

// asTaken makes the test binary, as the daemon, do what comes from descriptor 3, and say on 4 how it went.
const asTaken = "LATCHKEYD_TEST_TAKEN"

// attempts are what somebody may try there, by their names, with an argument.
var attempts = map[string]func(arg string) error{
	"run a program": func(name string) error { return syscall.Exec(name, []string{name}, nil) },
	"begin a process": func(string) error {
		flags, stack := uintptr(unix.SIGCHLD), uintptr(0)
		if runtime.GOARCH == "s390x" {
			flags, stack = stack, flags // the other way around there, see clone(2)
		}
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, flags, stack, 0, 0, 0, 0)
		if errno != 0 {
			return errno
		}
		if pid == 0 {
			unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
		}
		_, err := unix.Wait4(int(pid), nil, 0, nil)
		return err
	},
	"look into a process": func(string) error { return unix.PtraceDetach(os.Getppid()) }, // which is not traced
	"read": func(name string) error {
		_, err := os.ReadFile(name)
		return err
	},
	"list": func(name string) error {
		_, err := os.ReadDir(name)
		return err
	},
	"write":  func(name string) error { return os.WriteFile(name, []byte("text"), 0o600) },
	"remove": func(name string) error { return unix.Unlink(name) },
	"link":   func(name string) error { return os.Symlink("/etc", name) },
	"connect": func(address string) error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err
	},
	"listen": func(network string) error {
		l, err := net.Listen(network, "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	},
	"listen for datagrams": func(string) error {
		l, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	},
	"listen beside the control socket": func(path string) error {
		l, err := net.Listen("unix", path)
		if err == nil {
			l.Close()
		}
		return err
	},
	"get a right": func(string) error { // one that it has is what it may raise in any case
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		data := [2]unix.CapUserData{{Effective: 1 << unix.CAP_SYS_ADMIN, Permitted: 1 << unix.CAP_SYS_ADMIN}}
		return unix.Capset(&header, &data[0])
	},
	"be another user":        func(string) error { return syscall.Setresuid(0, 0, 0) },
	"be root of a namespace": func(string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"load code": func(string) error {
		b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err == nil {
			unix.Munmap(b)
		}
		return err
	},
	"make memory code": func(string) error {
		b, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return err
		}
		defer unix.Munmap(b)
		return unix.Mprotect(b, unix.PROT_READ|unix.PROT_EXEC)
	},
	"signal a process": func(string) error { return unix.Kill(os.Getppid(), 0) },
	"set the clock": func(string) error {
		var now unix.Timeval
		if err := unix.Gettimeofday(&now); err != nil {
			return err
		}
		return unix.Settimeofday(&now)
	},
	"change a file's rights": func(name string) error { return os.Chmod(name, 0o777) },
	"change another device": func(name string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		ifr, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		ifr.SetUint16(unix.IFF_UP)
		return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
	},
	"use a new call": func(string) error {
		_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 1, uintptr(unsafe.Pointer(&[120]byte{})), 0)
		return errno
	},
}

// tryAsTold does what it is told, each on two threads at once: one of the daemon's, and a new one.
func tryAsTold() {
	in, out := bufio.NewScanner(os.NewFile(3, "told")), os.NewFile(4, "said")
	for in.Scan() {
		name, arg, _ := strings.Cut(in.Text(), "\t")
		results := make(chan error)
		for range 2 {
			go func() {
				runtime.LockOSThread() // and not unlocked: the thread ends with it
				results <- attempts[name](arg)
			}()
		}
		fmt.Fprintf(out, "%v\t%v\n", told(<-results), told(<-results))
	}
}

// told is the innermost word of an error.
func told(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return unix.ErrnoName(errno)
	}
	return fmt.Sprint(err)
}

// taken is a daemon that was taken over.
type taken struct {
	*latchkeydProcess
	to   *os.File
	from *bufio.Scanner
}

// takeOver starts a daemon as it is shipped, and takes it over.
func takeOver(t *testing.T, flags ...string) taken {
	t.Helper()
	lab.Enter(t)
	d := &latchkeydProcess{t: t, program: shipped.program(t), dir: t.TempDir()}
	d.prepare(home)
	toRead, toWrite, err := os.Pipe()
	fromRead, fromWrite, err2 := os.Pipe()
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	d.files, d.env = []*os.File{toRead, fromWrite}, []string{asTaken + "=1"}
	d.run(flags...)
	toRead.Close()
	fromWrite.Close()
	t.Cleanup(func() { toWrite.Close(); fromRead.Close() })
	return taken{d, toWrite, bufio.NewScanner(fromRead)}
}

// try has the daemon do something, and returns what became of it, on both threads the same.
func (d taken) try(name, arg string) string {
	d.t.Helper()
	fmt.Fprintf(d.to, "%s\t%s\n", name, arg)
	if !d.from.Scan() {
		return "the daemon is gone"
	}
	one, other, _ := strings.Cut(d.from.Text(), "\t")
	if one != other {
		d.t.Errorf("%s %s: %q on one thread, %q on another", name, arg, one, other)
	}
	return one
}

// asShipped is this test binary as latchkeyd is shipped, without cgo: with it Go cannot speak for all
// threads to the kernel. Where it was built so, it is itself.
type asShipped struct {
	once   sync.Once
	folder string // "" = none was made
	name   string
	err    error
}

// shipped is built when the first test needs it.
var shipped asShipped

func (a *asShipped) program(t *testing.T) string {
	t.Helper()
	a.once.Do(a.build)
	if a.err != nil {
		t.Fatal(a.err)
	}
	return a.name
}

func (a *asShipped) build() {
	info, _ := debug.ReadBuildInfo()
	if !slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "CGO_ENABLED" && s.Value == "1" }) {
		a.name, a.err = os.Executable()
		return
	}
	if a.folder, a.err = os.MkdirTemp("", "latchkeyd-shipped-"); a.err != nil {
		return
	}
	a.name = filepath.Join(a.folder, "latchkeyd.test")
	cmd := exec.Command("go", "test", "-c", "-o", a.name, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		a.err = fmt.Errorf("%w\n%s", err, out)
	}
}

// remove is for the end of all tests.
func (a *asShipped) remove() {
	if a.folder != "" {
		os.RemoveAll(a.folder)
	}
}
