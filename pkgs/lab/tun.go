// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// TUN makes a network device of a host that has no Ethernet header, as those of PPP have none; host "" is the one whose
// network the caller has. What is written to the file comes in at the device, and what leaves through it can be read.
// It goes when the test ends.
func TUN(t testing.TB, host, name string) *os.File {
	t.Helper()
	const path = "/dev/net/tun"
	var fd int
	var missing error // this kernel has no such devices, or their file is root's alone
	attach := func() error {
		if fd, missing = unix.Open(path, unix.O_RDWR|unix.O_NONBLOCK|unix.O_CLOEXEC, 0); missing != nil {
			return nil
		}
		request, err := unix.NewIfreq(name)
		if err != nil {
			return err
		}
		request.SetUint16(unix.IFF_TUN | unix.IFF_NO_PI)
		return unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	var err error
	if host == "" {
		err = attach()
	} else {
		err = Do(host, attach)
	}
	if missing != nil {
		t.Skipf("SKIP: no device without Ethernet header: %s: %v", path, missing)
	}
	if err != nil {
		t.Fatalf("make device %s: %v", name, err)
	}
	f := os.NewFile(uintptr(fd), path) // not before it has a device: until then nobody is woken by it
	t.Cleanup(func() { f.Close() })
	return f
}
