// SPDX-License-Identifier: Apache-2.0

// Package sandbox takes from this process, for good, what it does not need once it runs: new rights,
// system calls, and the files of others.
//
// It makes nobody another user (that is to be done before), and it never fails: where the kernel cannot
// limit something, the process goes on without, and knows why.
//
// It is not meant for other programs.
package sandbox

import (
	"errors"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Needs are what the process still works with.
type Needs struct {
	Read  []string // folders with files that are read
	Write []string // folders with files that are read, made, replaced and removed

	// Strict ends the process at a system call that is on no list, with the runtime's account of who made
	// it. It is for tests: one that is missing in the list does not stay unnoticed then.
	Strict bool
}

// Limits are what was done. Each is nil, or why it was not.
type Limits struct {
	Calls error // system calls are those of this package's lists
	Files error // files are those of Needs
}

// Enter limits all threads of this process, those of now and those to come, and what could be begun by
// it. Files and sockets that are open stay so.
func Enter(n Needs) Limits {
	_, _ = time.Now().Zone() // reads the time zone's file, once and for all: later it is out of reach

	// No core files, which would hold keys; and nobody but root may look into the memory, not even
	// another process of the same user (PR_SET_DUMPABLE, ptrace(2)).
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)

	// Whoever wants to limit himself has to give up new rights first (seccomp(2), landlock(7)).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := noNewRights()
	if err != nil {
		return Limits{err, err}
	}
	return Limits{Files: limitFiles(n), Calls: limitCalls(n.Strict)} // in this order: the second forbids the first
}

// noNewRights keeps every thread from getting rights by a program that is begun. Where Go does not reach other threads it
// is this one, and limitCalls brings it to the others.
func noNewRights() error {
	errno := everyThread(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
	if errno == unix.ENOTSUP {
		return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
	}
	if errno != 0 {
		return errors.New("this kernel cannot forbid new rights")
	}
	return nil
}

// everyThread has each thread of this process make a system call. The error is ENOTSUP where Go cannot do that: with C code
// in the program, and on 32-bit big-endian MIPS. There clone (runtime/sys_linux_mipsx.s:476 of Go 1.26.8) stores the number of
// a thread that begins, a word of 32 bits, where the 64 bits of m.procid begin: in the upper half. Until minit
// (runtime/os_linux.go:402) has stored all of it, AllThreadsSyscall (846) takes the thread for one that can be told, sends the
// signal to thread 0, which is what int makes of that number (581), and then waits for the thread for ever (870), with all
// goroutines stopped.
func everyThread(call, first, second uintptr) unix.Errno {
	if runtime.GOARCH == "mips" {
		return unix.ENOTSUP
	}
	_, _, errno := syscall.AllThreadsSyscall6(call, first, second, 0, 0, 0, 0)
	return errno
}
