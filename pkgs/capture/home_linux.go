// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

// Addresses knows the addresses of this machine. It asks the kernel for them when they have changed, not
// for each question. It is not safe for concurrent use.
type Addresses struct {
	changes int               // a socket that has something to read after a change; it does not block
	own     []netlink.Address // nil = not known
}

// NewAddresses returns what knows nothing yet.
func NewAddresses() (*Addresses, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("socket for changes of addresses: %w", err)
	}
	// Nothing is read before somebody asks. One change is as good as many, and that more came than there is
	// room for is an error of the next read.
	err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1)
	if err == nil {
		err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: unix.RTMGRP_IPV4_IFADDR | unix.RTMGRP_IPV6_IFADDR})
	}
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("listen to changes of addresses: %w", err)
	}
	return &Addresses{changes: fd}, nil
}

// Close ends the listening.
func (l *Addresses) Close() error { return unix.Close(l.changes) }

// Home returns whose an address is that no packet from outside can have: "the router", or "the network at
// lan" of a device that is not among those that are listened to. Any other address is "".
//
// Of networks that contain each other the smallest counts, as for the kernel that sends the answers, and of
// two that are the same the one outside: a router must not turn away whoever stands before it because a
// tunnel has all of 10.0.0.0/8. An error means that the kernel did not say.
func (l *Addresses) Home(devices []string, a netip.Addr) (whose string, err error) {
	if err := l.refresh(); err != nil {
		return "", err
	}
	if !slices.ContainsFunc(l.own, func(own netlink.Address) bool { return own.Network.Contains(a) }) {
		return "", nil
	}
	names, err := netlink.Devices()
	if err != nil {
		return "", err
	}
	smallest := -1
	for _, own := range l.own {
		name, outside := names[own.Device], slices.Contains(devices, names[own.Device])
		switch p := own.Network; {
		case p.Addr() == a:
			return "the router", nil
		case name == "": // it is gone
			continue
		case !p.Contains(a), p.Bits() < smallest, p.Bits() == smallest && !outside:
			continue
		case outside:
			whose = ""
		default:
			whose = "the network at " + name
		}
		smallest = own.Network.Bits()
	}
	return whose, nil
}

// refresh asks for the addresses if they have changed, or were never asked for.
func (l *Addresses) refresh() (err error) {
	var b [1]byte // what changed does not matter
	for {
		// Raw: it does not block, and what Go's runtime does beside a call that may is many times its price.
		_, _, err := unix.RawSyscall(unix.SYS_READ, uintptr(l.changes), uintptr(unsafe.Pointer(&b[0])), 1)
		if err == unix.EAGAIN {
			break
		}
		l.own = nil
		if err != 0 && err != unix.EINTR && err != unix.ENOBUFS {
			break // they are asked for each time then
		}
	}
	if l.own == nil {
		l.own, err = netlink.Addresses() // nil after an error: they are asked for again
	}
	return err
}
