// SPDX-License-Identifier: Apache-2.0

package sandbox

import "golang.org/x/sys/unix"

// arch is the kernel's name for this architecture (linux/audit.h).
const arch = unix.AUDIT_ARCH_I386

// cloneFlags is which argument of clone(2) has the flags.
const cloneFlags = 0

var plainHere = []uint32{
	unix.SYS_FSTAT64, unix.SYS_FSTATAT64, unix.SYS__LLSEEK, unix.SYS_FCNTL64, unix.SYS_RENAMEAT,
	unix.SYS_FUTEX_TIME64, unix.SYS_CLOCK_GETTIME64, unix.SYS_SIGRETURN,
	unix.SYS_SET_THREAD_AREA, // of each new thread
}

func checkedHere() []call {
	return []call{
		without(unix.SYS_MMAP2, 2, unix.PROT_EXEC), // memory, none of it for code
		socketcalls(),
	}
}
