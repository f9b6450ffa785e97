// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// queue reads from the queue that every socket has, many packets with one system call.
type queue struct {
	fd       int
	memory   []byte // batch * snapPayload
	parts    [batch]unix.Iovec
	messages [batch]message
	packets  [batch][]byte // what the last call of next returned
}

// message is struct mmsghdr of recvmmsg(2).
type message struct {
	unix.Msghdr
	length uint32
}

// into says where a packet goes.
func (m *message) into(part *unix.Iovec, memory []byte) {
	part.Base = &memory[0]
	part.SetLen(len(memory))
	m.Iov = part
	m.SetIovlen(1)
}

// receive reads as many packets as are there and messages have room for. It never waits for packets, so the
// runtime need not know of it.
func receive(fd int, messages []message) (n int, err error) {
	more, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(more), nil
}

var _ source = (*queue)(nil)

func newQueue(fd int) (source, error) {
	q := &queue{fd: fd, memory: make([]byte, batch*snapPayload)}
	for i := range q.parts {
		q.messages[i].into(&q.parts[i], q.memory[i*snapPayload:][:snapPayload])
	}
	waited(fd) // from now on the kernel notes when packets come
	return q, nil
}

func (q *queue) close() {}

// next reads the first packet alone, of which the kernel can then be asked when it came. Those behind it
// waited less.
func (q *queue) next() (came time.Time, packets [][]byte, err error) {
	n, err := unix.Read(q.fd, q.memory[:snapPayload])
	if err != nil {
		return time.Time{}, nil, err
	}
	q.packets[0] = q.memory[:n]
	if wait := waited(q.fd); wait > 0 {
		return time.Now().Add(-wait), q.packets[:1], nil
	}
	more, err := receive(q.fd, q.messages[1:])
	if err != nil {
		return time.Now(), q.packets[:1], err
	}
	for i := 1; i <= more; i++ {
		q.packets[i] = q.memory[i*snapPayload:][:q.messages[i].length]
	}
	if more < batch-1 {
		err = unix.EAGAIN
	}
	return time.Now(), q.packets[:1+more], err
}

// waited returns how long the packet that was read last waited to be read, 0 if not for longer than overdue
// (socket(7), SIOCGSTAMP). The kernel notes the times of packets from the first call on.
func waited(fd int) time.Duration {
	var came unix.Timespec
	// The old number is the one whose seconds are as long as those of unix.Timespec.
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCGSTAMPNS_OLD, uintptr(unsafe.Pointer(&came)))
	if errno != 0 {
		return 0
	}
	return late(came)
}
