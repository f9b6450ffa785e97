// SPDX-License-Identifier: Apache-2.0

// Package nfnetlink has the form that all messages of the kernel's netfilter share.
package nfnetlink

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// header is the size of struct nfgenmsg (linux/netfilter/nfnetlink.h), which begins each message.
const header = 4

// Message returns a request of a subsystem (NFNL_SUBSYS_*) about a family of addresses.
func Message(subsystem, kind int, flags netlink.HeaderFlags, family uint8, attributes []byte) netlink.Message {
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(subsystem<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attributes...),
	}
}

// Append appends a message as the kernel reads it (struct nlmsghdr, linux/netlink.h). Its Data must be
// aligned, as that of Message is.
func Append(b []byte, m netlink.Message) []byte {
	b = binary.NativeEndian.AppendUint32(b, uint32(unix.NLMSG_HDRLEN+len(m.Data)))
	b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Type))
	b = binary.NativeEndian.AppendUint16(b, uint16(m.Header.Flags))
	b = binary.NativeEndian.AppendUint32(b, m.Header.Sequence)
	b = binary.NativeEndian.AppendUint32(b, m.Header.PID)
	return append(b, m.Data...)
}

// Each calls each for every message of a datagram that the kernel sent, and tells whether it was the last one
// of an answer. An error is the kernel's, each's, or that the datagram is damaged.
func Each(b []byte, each func(netlink.Message) error) (last bool, err error) {
	for len(b) > 0 && !last {
		if len(b) < unix.NLMSG_HDRLEN+4 {
			return false, fmt.Errorf("an answer of %d bytes", len(b))
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN+4 || size > len(b) {
			return false, fmt.Errorf("an answer of %d bytes in %d", size, len(b))
		}
		m := netlink.Message{
			Header: netlink.Header{
				Type:  netlink.HeaderType(binary.NativeEndian.Uint16(b[4:])),
				Flags: netlink.HeaderFlags(binary.NativeEndian.Uint16(b[6:])),
			},
			Data: b[unix.NLMSG_HDRLEN:size],
		}
		switch m.Header.Type {
		case netlink.Done, netlink.Error: // both begin with an error's number, or zero
			if errno := -int32(binary.NativeEndian.Uint32(m.Data)); errno > 0 {
				return false, unix.Errno(errno)
			}
			return true, nil
		}
		if err := each(m); err != nil {
			return false, err
		}
		last = m.Header.Flags&netlink.Multi == 0
		b = b[min((size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1), len(b)):]
	}
	return last, nil
}

// Encoder writes attributes one behind the other. Numbers are big endian. Each method panics if an
// attribute has more than the 64 KiB that fit.
type Encoder struct{ b []byte }

// attributeHeader is the size of struct nlattr (linux/netlink.h): length and type, in the machine's order.
const attributeHeader = 4

// Encode returns the attributes that fill writes.
func Encode(fill func(*Encoder)) []byte {
	e := Encoder{make([]byte, 0, 128)}
	fill(&e)
	return e.b
}

// begin writes the header of an attribute and returns where it is.
func (e *Encoder) begin(kind uint16) (at int) {
	at = len(e.b)
	e.b = binary.NativeEndian.AppendUint16(e.b, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, kind)
	return at
}

// end writes the length of the attribute at, and what aligns the next one.
func (e *Encoder) end(at int) {
	size := len(e.b) - at
	if size > math.MaxUint16 {
		panic(fmt.Sprintf("an attribute of %d bytes", size))
	}
	binary.NativeEndian.PutUint16(e.b[at:], uint16(size))
	for len(e.b)%unix.NLA_ALIGNTO != 0 {
		e.b = append(e.b, 0)
	}
}

// Bytes writes an attribute that consists of b.
func (e *Encoder) Bytes(kind uint16, b []byte) {
	at := e.begin(kind)
	e.b = append(e.b, b...)
	e.end(at)
}

// String writes a text, with a zero at its end.
func (e *Encoder) String(kind uint16, s string) {
	at := e.begin(kind)
	e.b = append(append(e.b, s...), 0)
	e.end(at)
}

// Uint8 writes a number of 8 bits.
func (e *Encoder) Uint8(kind uint16, n uint8) { e.Bytes(kind, []byte{n}) }

// Uint32 writes a number of 32 bits.
func (e *Encoder) Uint32(kind uint16, n uint32) {
	at := e.begin(kind)
	e.b = binary.BigEndian.AppendUint32(e.b, n)
	e.end(at)
}

// Uint64 writes a number of 64 bits.
func (e *Encoder) Uint64(kind uint16, n uint64) {
	at := e.begin(kind)
	e.b = binary.BigEndian.AppendUint64(e.b, n)
	e.end(at)
}

// Nest writes an attribute that consists of those that fill writes.
func (e *Encoder) Nest(kind uint16, fill func()) {
	at := e.begin(kind | unix.NLA_F_NESTED)
	fill()
	e.end(at)
}

// Decode calls each for every attribute of a message. Numbers are big endian.
func Decode(m netlink.Message, each func(*netlink.AttributeDecoder)) error {
	if len(m.Data) < header {
		return fmt.Errorf("an answer of %d bytes", len(m.Data))
	}
	return decode(m.Data[header:], each)
}

// Inside calls each for every attribute in the one that d is at. Errors are told by the outermost Decode.
func Inside(d *netlink.AttributeDecoder, each func(*netlink.AttributeDecoder)) {
	d.Do(func(b []byte) error { return decode(b, each) })
}

func decode(b []byte, each func(*netlink.AttributeDecoder)) error {
	d, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		return err
	}
	d.ByteOrder = binary.BigEndian
	for d.Next() {
		each(d)
	}
	return d.Err()
}
