// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Message is one message (struct nlmsghdr, linux/netlink.h).
type Message struct {
	Type     uint16 // what it is about
	Flags    uint16 // NLM_F_*
	Sequence uint32 // of an answer, that of its question; Conn numbers those that it sends
	Port     uint32 // of the socket that it answers, or that made the change that it reports
	Data     []byte // a header of the part of the kernel, then attributes
}

// align is NLMSG_ALIGN, and NLA_ALIGN, of linux/netlink.h.
func align(size int) int { return (size + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }

// appendTo appends the message as the kernel reads it.
func (m *Message) appendTo(b []byte) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.NLMSG_HDRLEN+len(m.Data)))
	b = binary.NativeEndian.AppendUint16(b, m.Type)
	b = binary.NativeEndian.AppendUint16(b, m.Flags)
	b = binary.NativeEndian.AppendUint32(b, m.Sequence)
	b = binary.NativeEndian.AppendUint32(b, m.Port)
	b = append(b, m.Data...)
	return append(b, make([]byte, align(len(m.Data))-len(m.Data))...)
}

// next reads the first message of a datagram that the kernel sent. Data is a part of b, as is rest.
func next(b []byte) (m Message, rest []byte, err error) {
	const least = unix.NLMSG_HDRLEN + 4 // an error's number, or the smallest header of a part of the kernel
	if len(b) < least {
		return m, nil, fmt.Errorf("an answer of %d bytes", len(b))
	}
	size := binary.NativeEndian.Uint32(b)
	if size < least || uint64(size) > uint64(len(b)) {
		return m, nil, fmt.Errorf("an answer of %d bytes in %d", size, len(b))
	}
	return Message{
		Type:     binary.NativeEndian.Uint16(b[4:]),
		Flags:    binary.NativeEndian.Uint16(b[6:]),
		Sequence: binary.NativeEndian.Uint32(b[8:]),
		Port:     binary.NativeEndian.Uint32(b[12:]),
		Data:     b[unix.NLMSG_HDRLEN:size],
	}, b[min(align(int(size)), len(b)):], nil
}

// answer is what was read of the answer to the question with a number.
type answer struct {
	sequence uint32
	changed  bool // what it lists changed meanwhile
	last     bool // it is complete
}

// read calls each for every message of a datagram that belongs to the answer. An error is the kernel's,
// each's, or that the datagram is damaged; what the kernel adds to the number of an error is not looked at.
func (a *answer) read(b []byte, each func(Message) error) error {
	for len(b) > 0 {
		m, rest, err := next(b)
		if err != nil {
			return err
		}
		b = rest
		if m.Sequence != a.sequence {
			continue // of a question whose answer was not read to its end
		}
		a.changed = a.changed || m.Flags&unix.NLM_F_DUMP_INTR != 0
		switch {
		case m.Type == unix.NLMSG_DONE, m.Type == unix.NLMSG_ERROR: // both begin with an error's number, or zero
			if number := -int32(binary.NativeEndian.Uint32(m.Data)); number > 0 {
				return unix.Errno(number)
			}
			a.last = true
		case m.Type < unix.NLMSG_MIN_TYPE: // to be ignored
		default:
			if err := each(m); err != nil {
				return err
			}
			a.last = m.Flags&unix.NLM_F_MULTI == 0
		}
	}
	if a.last && a.changed {
		return fmt.Errorf("a list that changed while it was read: %w", unix.EINTR)
	}
	return nil
}
