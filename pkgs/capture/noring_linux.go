// SPDX-License-Identifier: Apache-2.0

//go:build !(386 || amd64 || arm.7 || arm64 || riscv64 || s390x)

package capture

// newRing makes no ring, see type ring.
func newRing(fd int) (source, error) { return newQueue(fd) }
