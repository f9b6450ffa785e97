// SPDX-License-Identifier: Apache-2.0

package sandbox

import "golang.org/x/sys/unix"

// arch is the kernel's name for this architecture (linux/audit.h).
const arch = unix.AUDIT_ARCH_AARCH64

// cloneFlags is which argument of clone(2) has the flags.
const cloneFlags = 0

var plainHere = []uint32{
	unix.SYS_NEWFSTATAT, unix.SYS_RENAMEAT,
}

func checkedHere() []call {
	return []call{
		without(unix.SYS_MMAP, 2, unix.PROT_EXEC), // memory, none of it for code
		sockets(unix.SYS_SOCKET),
	}
}
