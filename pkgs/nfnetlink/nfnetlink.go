// SPDX-License-Identifier: Apache-2.0

// Package nfnetlink has the form that all messages of the kernel's netfilter share.
package nfnetlink

import (
	"encoding/binary"
	"fmt"

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

// Encode returns the attributes that fill writes. Numbers are big endian. It panics if one has more
// than the 64 KiB that fit.
func Encode(fill func(*netlink.AttributeEncoder)) []byte {
	a := netlink.NewAttributeEncoder()
	a.ByteOrder = binary.BigEndian
	fill(a)
	b, err := a.Encode()
	if err != nil {
		panic(err)
	}
	return b
}

// Nest writes an attribute that consists of those that fill writes.
func Nest(a *netlink.AttributeEncoder, kind uint16, fill func(*netlink.AttributeEncoder)) {
	a.Nested(kind, func(a *netlink.AttributeEncoder) error {
		fill(a)
		return nil
	})
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
