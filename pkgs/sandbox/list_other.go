// SPDX-License-Identifier: Apache-2.0

//go:build !386 && !amd64 && !arm && !arm64 && !mips && !mipsle && !riscv64 && !s390x

package sandbox

// What the system calls of this architecture are, nobody has looked up.
const (
	arch       = 0
	cloneFlags = 0
)

var plainHere []uint32

func checkedHere() []call { return nil }
