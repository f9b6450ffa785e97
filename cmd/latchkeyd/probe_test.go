// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const nas = "192.168.1.22"

// probed are the ports that are tried, served those of them at which the nas answers with their number.
var (
	probed = []uint16{22, 53, 143, 993, 995, 3389, 5353, 7001, 8022, 8993}
	served = []int{993, 995, 3389}
)

// opened tries from the phone what is open, until that is enough, or for as long as packets may get lost
// on their way: IPv6 uses a neighbour's old hardware address for 5 s, and asks there for another 3 s.
func opened(t *testing.T, row judged, enough func(list []string) bool) []string {
	t.Helper()
	const most = 15 * time.Second
	var list []string
	for begun := time.Now(); time.Since(begun) < most; {
		list = nil
		lab.In(t, "phone", func() error {
			addresses := []string{router, nas}
			if row.six {
				addresses = []string{router6, nas6}
			}
			for _, a := range addresses {
				found, err := tryPorts(netip.MustParseAddr(a))
				if err != nil {
					return err
				}
				list = append(list, found...)
			}
			return nil
		})
		slices.Sort(list)
		list = slices.Compact(list)
		if enough(list) {
			break
		}
	}
	return list
}

// try is one attempt to reach a port.
type try struct {
	fd   int
	kind int
	port uint16
}

// tryPorts tries all ports of an address at once, and tells who answers. Whoever has no service there
// refuses, so that what is open answers in any case.
func tryPorts(to netip.Addr) ([]string, error) {
	var tries []try
	var polls []unix.PollFd
	defer func() {
		for _, x := range tries {
			unix.Close(x.fd)
		}
	}()
	for _, port := range probed {
		for _, kind := range []int{unix.SOCK_STREAM, unix.SOCK_DGRAM} {
			family, address := unix.AF_INET, unix.Sockaddr(nil)
			if to.Is6() {
				family, address = unix.AF_INET6, &unix.SockaddrInet6{Addr: to.As16(), Port: int(port)}
			} else {
				address = &unix.SockaddrInet4{Addr: to.As4(), Port: int(port)}
			}
			fd, err := unix.Socket(family, kind|unix.SOCK_NONBLOCK, 0)
			if err != nil {
				return nil, err
			}
			tries = append(tries, try{fd, kind, port})
			if err := unix.Connect(fd, address); err != nil && err != unix.EINPROGRESS {
				return nil, err
			}
			if kind == unix.SOCK_DGRAM {
				unix.Write(fd, []byte("?"))
			}
			polls = append(polls, unix.PollFd{Fd: int32(fd), Events: unix.POLLIN})
		}
	}
	var found []string
	for left := len(polls); left > 0; {
		n, err := unix.Poll(polls, 150)
		if err == unix.EINTR {
			continue
		}
		if n <= 0 {
			break
		}
		for i := range polls {
			if polls[i].Revents == 0 {
				continue
			}
			found = append(found, tries[i].answer(to)...)
			polls[i].Fd = -1
			polls[i].Revents = 0
			left--
		}
	}
	return found, nil
}

// answer tells who answered.
func (x try) answer(to netip.Addr) []string {
	proto := "tcp"
	if x.kind == unix.SOCK_DGRAM {
		proto = "udp"
	}
	var b [16]byte
	n, err := unix.Read(x.fd, b[:])
	switch {
	case err == unix.ECONNREFUSED && (to.String() == router || to.String() == router6):
		return []string{fmt.Sprintf("%s %d of the router", proto, x.port)}
	case err == unix.ECONNREFUSED:
		return []string{fmt.Sprintf("%s %d of the nas", proto, x.port)}
	case err != nil || n == 0:
		return nil
	}
	line := fmt.Sprintf("%s %s of the nas", proto, b[:n])
	if port := strconv.Itoa(int(x.port)); port != string(b[:n]) {
		line += " by " + port
	}
	return []string{line}
}

// serveNumber answers with the port's number on the nas, until the test ends.
func serveNumber(t *testing.T, port int) {
	t.Helper()
	number := strconv.Itoa(port)
	var l net.Listener
	var u net.PacketConn
	lab.In(t, "nas", func() (err error) {
		if l, err = net.Listen("tcp", ":"+number); err != nil {
			return err
		}
		u, err = net.ListenPacket("udp", ":"+number)
		return err
	})
	t.Cleanup(func() {
		l.Close()
		u.Close()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, number)
			c.Close()
		}
	}()
	go func() {
		var b [16]byte
		for {
			_, from, err := u.ReadFrom(b[:])
			if err != nil {
				return
			}
			u.WriteTo([]byte(number), from)
		}
	}()
}
