// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// Address is an address of this machine.
type Address struct {
	Network netip.Prefix // the address, and how long the prefix of its network is
	Device  int          // the number of the device that has it
}

// tries is how often a list that changes while it is read is asked for.
const tries = 8

// Addresses returns the addresses of this machine.
func Addresses() (list []Address, err error) {
	err = listAll(unix.RTM_GETADDR, unix.SizeofIfAddrmsg, func() { list = nil }, func(m Message) error {
		if m.Type != unix.RTM_NEWADDR || len(m.Data) < unix.SizeofIfAddrmsg {
			return nil
		}
		var own, peer netip.Addr
		d := Decoder{rest: m.Data[unix.SizeofIfAddrmsg:]}
		for d.Next() {
			switch d.Type() {
			case unix.IFA_LOCAL:
				own, _ = netip.AddrFromSlice(d.Bytes())
			case unix.IFA_ADDRESS: // of a link between two points, that of the other end, and else the same
				peer, _ = netip.AddrFromSlice(d.Bytes())
			}
		}
		if !own.IsValid() {
			own = peer
		}
		// struct ifaddrmsg (linux/if_addr.h): family, length of the prefix, flags, scope, number of the device.
		if p := netip.PrefixFrom(own, int(m.Data[1])); p.IsValid() {
			list = append(list, Address{p, int(binary.NativeEndian.Uint32(m.Data[4:]))})
		}
		return d.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("addresses of this machine: %w", err)
	}
	return list, nil
}

// Devices returns the names of this machine's devices, by number.
func Devices() (names map[int]string, err error) {
	err = listAll(unix.RTM_GETLINK, unix.SizeofIfInfomsg, func() { names = map[int]string{} }, func(m Message) error {
		if m.Type != unix.RTM_NEWLINK || len(m.Data) < unix.SizeofIfInfomsg {
			return nil
		}
		// struct ifinfomsg (linux/rtnetlink.h): family, type, number, flags, change.
		number := int(binary.NativeEndian.Uint32(m.Data[4:]))
		d := Decoder{rest: m.Data[unix.SizeofIfInfomsg:]}
		for d.Next() {
			if d.Type() == unix.IFLA_IFNAME {
				names[number] = strings.TrimRight(string(d.Bytes()), "\x00")
			}
		}
		return d.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("devices of this machine: %w", err)
	}
	return names, nil
}

// listAll asks for a list of all families, whose question begins with a header of this size, and calls begin
// before it is read. Where it changes meanwhile it is asked for again.
func listAll(kind uint16, header int, begin func(), each func(Message) error) (err error) {
	for range tries {
		begin()
		if err = ask(Message{Type: kind, Flags: unix.NLM_F_REQUEST | unix.NLM_F_DUMP, Data: make([]byte, header)}, each); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	return err
}

// ask asks the part of the kernel that has the devices, by a connection for this question.
func ask(question Message, each func(Message) error) error {
	c, err := Dial(unix.NETLINK_ROUTE)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.Ask(question, each)
}
