// SPDX-License-Identifier: Apache-2.0

//go:build 386 || s390x

package sandbox

import "golang.org/x/sys/unix"

// socketcalls allows what is done with sockets where Go does it all by one system call, socketcall(2):
// its first argument says what, and the rest lies in memory that a filter cannot look at. So any kind
// of socket can be made here and bound, but none can listen or connect.
func socketcalls() call {
	// linux/net.h
	const (
		socket, bind, getsockname = 1, 2, 6
		sendto, recvfrom          = 11, 12
		setsockopt, getsockopt    = 14, 15
		accept4                   = 18
	)
	return only(unix.SYS_SOCKETCALL, 0, recvfrom, sendto, accept4,
		socket, bind, getsockname, setsockopt, getsockopt)
}
