// SPDX-License-Identifier: Apache-2.0

//go:build unix

package send

import "syscall"

// notSent returns the errors that mean that this machine did not send a packet. EHOSTUNREACH is
// not among them: it may be a router's answer to a packet.
func notSent() []syscall.Errno {
	return []syscall.Errno{
		syscall.ENETUNREACH, syscall.EADDRNOTAVAIL, syscall.EAFNOSUPPORT, syscall.EPERM, syscall.EACCES,
		syscall.EINVAL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENETDOWN,
	}
}
