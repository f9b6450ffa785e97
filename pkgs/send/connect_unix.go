// SPDX-License-Identifier: Apache-2.0

//go:build unix

package send

import (
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/sys/unix"
)

// begin sends the SYN of a socket that is about to connect, and says whether it is out. Package net would do the same, but on
// whatever thread gets to it first, so that SYNs could leave in another order than they were begun;
// when it comes to connect, the system says that this is going on already.
func begin(socket syscall.RawConn, to netip.AddrPort) (gone bool, err error) {
	address, err := sockaddr(to)
	if err != nil {
		return false, err
	}
	failed := socket.Control(func(fd uintptr) {
		for {
			if err = unix.Connect(int(fd), address); err != unix.EINTR {
				return
			}
		}
	})
	switch {
	case failed != nil:
		return false, failed
	case err == unix.EINPROGRESS, err == unix.EALREADY, err == unix.EISCONN:
		return true, nil
	}
	return false, err
}

func sockaddr(to netip.AddrPort) (unix.Sockaddr, error) {
	a := to.Addr().Unmap()
	if a.Is4() {
		return &unix.SockaddrInet4{Port: int(to.Port()), Addr: a.As4()}, nil
	}
	address := &unix.SockaddrInet6{Port: int(to.Port()), Addr: a.As16()}
	if zone := a.Zone(); zone != "" {
		device, err := net.InterfaceByName(zone)
		if err != nil {
			return nil, fmt.Errorf("interface %q: %w", zone, err)
		}
		address.ZoneId = uint32(device.Index)
	}
	return address, nil
}
