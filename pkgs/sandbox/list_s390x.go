// SPDX-License-Identifier: Apache-2.0

package sandbox

import "golang.org/x/sys/unix"

// arch is the kernel's name for this architecture (linux/audit.h).
const arch = unix.AUDIT_ARCH_S390X

// cloneFlags is which argument of clone(2) has the flags.
const cloneFlags = 1

var plainHere = []uint32{
	unix.SYS_MMAP, // whose arguments lie in memory, where a filter cannot look at them
	unix.SYS_NEWFSTATAT, unix.SYS_STAT, unix.SYS_LSTAT, unix.SYS_RENAMEAT,
}

func checkedHere() []call {
	return []call{socketcalls()}
}
