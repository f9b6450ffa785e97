// SPDX-License-Identifier: Apache-2.0

// Package netlink exchanges messages with the kernel (netlink(7)): questions with their answers, and notices of changes.
//
// It is not meant for other programs.
package netlink

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// Conn is a connection to a part of the kernel. Close may be called from any goroutine; all else is for one
// at a time.
type Conn struct {
	// Quick keeps the reading of an answer from Go's runtime, which would take it for a call that lasts, and wake
	// threads to go on with other work: a part of a knock's time. It is for parts of the kernel whose answers are
	// there when the question was sent. Sending may wait, for as long as somebody else has the kernel's lock: the
	// runtime is always told of that, so that all other goroutines go on, also where there is one processor.
	Quick bool

	file     *os.File
	raw      syscall.RawConn // the same
	port     uint32
	sequence uint32 // of the question that is asked, or will be asked next

	// buffer has room for the largest datagram that the kernel sends to who has no more (NLMSG_GOODSIZE,
	// linux/netlink.h), but for errors, which repeat what they answer: see Dial.
	buffer [8 << 10]byte
}

// Dial connects to a part of the kernel, NETLINK_*, in the network namespace of the calling thread.
func Dial(part int) (*Conn, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, part)
	if err != nil {
		return nil, fmt.Errorf("netlink socket: %w", err)
	}
	c := &Conn{file: os.NewFile(uintptr(fd), "netlink")}
	err = unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	if err == nil {
		err = unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1) // errors repeat a header only; since Linux 4.3
	}
	if err == nil {
		c.raw, err = c.file.SyscallConn()
	}
	var own syscall.Sockaddr
	if err == nil {
		own, err = syscall.Getsockname(fd)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("netlink socket: %w", err), c.Close())
	}
	if own, ok := own.(*syscall.SockaddrNetlink); ok {
		c.port = own.Pid
	}
	return c, nil
}

// Port returns the number by which the kernel knows the connection.
func (c *Conn) Port() uint32 { return c.port }

// Close ends the connection, and a Wait that goes on. To close it again is no error.
func (c *Conn) Close() error {
	if err := c.file.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}

// Join makes the connection get what the kernel sends to a group of listeners; see Wait.
func (c *Conn) Join(group int) error {
	return c.control("join a group", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_ADD_MEMBERSHIP, group)
	})
}

// SetFilter makes the kernel leave away what a program does not let in.
func (c *Conn) SetFilter(program []bpf.RawInstruction) error {
	list := make([]unix.SockFilter, len(program))
	for i, p := range program {
		list[i] = unix.SockFilter{Code: p.Op, Jt: p.Jt, Jf: p.Jf, K: p.K}
	}
	return c.control("set a filter", func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: uint16(len(list)), Filter: &list[0]})
	})
}

// SetReadBuffer sets how many bytes of messages may wait to be read. The kernel has a least and a largest size.
func (c *Conn) SetReadBuffer(bytes int) error {
	return c.control("set the size of the buffer", func(fd int) error {
		return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
	})
}

func (c *Conn) control(what string, do func(fd int) error) (err error) {
	if closed := c.raw.Control(func(fd uintptr) { err = do(int(fd)) }); closed != nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("netlink: %s: %w", what, err)
	}
	return nil
}

// Ask sends a question and calls each for every message of the answer, whose data lasts until it returns.
//
// An error of the kernel is its unix.Errno: EINTR also if a list changed while it was read, ENOBUFS if a part
// of the answer was lost. After any other error, and one of each, the rest of the answer may still be on its
// way.
func (c *Conn) Ask(question Message, each func(Message) error) error {
	if err := c.Send(question); err != nil {
		return err
	}
	return c.Answer(each)
}

// Send sends messages in one datagram. The kernel has done what they say when it returns, and the answer
// is there.
func (c *Conn) Send(messages ...Message) error {
	var b []byte
	for _, m := range messages {
		m.Sequence = c.sequence
		b = m.appendTo(b)
	}
	_, err := c.call(true, unix.SYS_SENDTO, b, 0)
	return err
}

// Answer is the second half of Ask: it reads the answer to all that was sent since the last Answer.
func (c *Conn) Answer(each func(Message) error) error {
	a := answer{sequence: c.sequence}
	c.sequence++
	for !a.last {
		n, err := c.call(!c.Quick, unix.SYS_RECVFROM, c.buffer[:], unix.MSG_TRUNC)
		if err != nil {
			return err
		}
		b, err := c.received(n)
		if err == nil {
			err = a.read(b, each)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// call sends or receives, and lets the runtime know of it or not. The socket does not block; that there is nothing to
// receive is EAGAIN.
func (c *Conn) call(announced bool, number uintptr, b []byte, flags uintptr) (n int, err error) {
	var size uintptr
	errno := unix.EINTR
	err = c.raw.Control(func(fd uintptr) {
		for errno == unix.EINTR {
			if announced {
				size, _, errno = unix.Syscall6(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
			} else {
				size, _, errno = unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)), flags, 0, 0)
			}
		}
	})
	if err == nil && errno != 0 {
		err = errno
	}
	return int(size), err
}

// received is a datagram of n bytes, as far as the buffer has room.
func (c *Conn) received(n int) ([]byte, error) {
	if n > len(c.buffer) {
		return nil, fmt.Errorf("an answer of %d bytes: %w", n, unix.EMSGSIZE)
	}
	return c.buffer[:n], nil
}

// Wait waits for a datagram of what the kernel sends to groups, and calls each for every message in it.
//
// Where something was sent that did not reach it, the error is ENOBUFS, or EMSGSIZE if that was a message
// of more than 8 kB. After any other error, and after Close, there is nothing more to wait for.
func (c *Conn) Wait(each func(Message)) error {
	n, err := 0, error(nil)
	closed := c.raw.Read(func(fd uintptr) bool {
		for {
			n, _, err = syscall.Recvfrom(int(fd), c.buffer[:], unix.MSG_TRUNC)
			if err != unix.EINTR {
				return err != unix.EAGAIN
			}
		}
	})
	if err = cmp.Or(closed, err); err != nil {
		return err
	}
	b, err := c.received(n)
	for err == nil && len(b) > 0 {
		var m Message
		if m, b, err = next(b); err == nil {
			each(m)
		}
	}
	return err
}
