// SPDX-License-Identifier: Apache-2.0

//go:build !386 && !arm

package main

import "golang.org/x/sys/unix"

// The system calls for ids of 32 bits.
const setresuid, setresgid = unix.SYS_SETRESUID, unix.SYS_SETRESGID
