// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// query asks the kernel about one device by its name, with ioctls (netdevice(7)): unlike the
// rtnetlink way of package net it does not list all devices for that.
type query struct{ fd int }

func newQuery() (query, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return query{}, fmt.Errorf("socket for questions about devices: %w", err)
	}
	return query{fd}, nil
}

func (q query) close() { unix.Close(q.fd) }

// device returns the device's index and state. No device is index 0 and Missing, without error.
func (q query) device(name string) (index int, state string, err error) {
	ifr, err := unix.NewIfreq(name)
	if err != nil {
		return 0, Missing, fmt.Errorf("device name %q: %w", name, err)
	}
	if err := unix.IoctlIfreq(q.fd, unix.SIOCGIFINDEX, ifr); err != nil {
		return missing(name, err)
	}
	index = int(ifr.Uint32())
	if err := unix.IoctlIfreq(q.fd, unix.SIOCGIFFLAGS, ifr); err != nil {
		return missing(name, err)
	}
	const working = unix.IFF_UP | unix.IFF_RUNNING
	if ifr.Uint16()&working != working {
		return index, Down, nil
	}
	return index, Up, nil
}

func missing(name string, err error) (int, string, error) {
	if errors.Is(err, unix.ENODEV) {
		return 0, Missing, nil
	}
	return 0, Missing, fmt.Errorf("device %s: %w", name, err)
}
