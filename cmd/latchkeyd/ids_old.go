// SPDX-License-Identifier: Apache-2.0

//go:build 386 || arm

package main

import "golang.org/x/sys/unix"

// The system calls for ids of 32 bits, where the first ones had 16.
const setresuid, setresgid = unix.SYS_SETRESUID32, unix.SYS_SETRESGID32
