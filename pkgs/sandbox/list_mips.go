// SPDX-License-Identifier: Apache-2.0

package sandbox

import "golang.org/x/sys/unix"

// arch is the kernel's name for this architecture (linux/audit.h).
const arch = unix.AUDIT_ARCH_MIPS
