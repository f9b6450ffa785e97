// SPDX-License-Identifier: Apache-2.0

//go:build mips || mipsle

package sandbox

import "golang.org/x/sys/unix"

// cloneFlags is which argument of clone(2) has the flags.
const cloneFlags = 0

var plainHere = []uint32{
	unix.SYS_FSTAT64, unix.SYS_FSTATAT64, unix.SYS__LLSEEK, unix.SYS_FCNTL64, unix.SYS_RENAMEAT,
	unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_SIGRETURN,
	unix.SYS_STAT64, unix.SYS_LSTAT64,
}

func checkedHere() []call {
	return []call{
		without(unix.SYS_MMAP, 2, unix.PROT_EXEC),  // memory, none of it for code
		without(unix.SYS_MMAP2, 2, unix.PROT_EXEC), // memory, none of it for code
		sockets(unix.SYS_SOCKET),
	}
}
