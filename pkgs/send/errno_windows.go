// SPDX-License-Identifier: Apache-2.0

package send

import (
	"syscall"

	"golang.org/x/sys/windows"
)

// notSent returns the errors that mean that this machine did not send a packet. WSAEHOSTUNREACH is
// not among them: it may be a router's answer to a packet.
func notSent() []syscall.Errno {
	return []syscall.Errno{
		windows.WSAENETUNREACH, windows.WSAEADDRNOTAVAIL, windows.WSAEAFNOSUPPORT, windows.WSAEACCES,
		windows.WSAEINVAL, windows.WSAEMFILE, windows.WSAENOBUFS, windows.WSAENETDOWN,
	}
}
