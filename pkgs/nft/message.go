// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// The messages of nftables (linux/netfilter/nf_tables.h) that keeping elements takes. All numbers in
// them are big endian.
//
// A library would send them, too, but none says for which generation of the ruleset a transaction is
// meant (NFNL_BATCH_GENID), and without that a set can be replaced between the look at it and its use.

// element is an address in a set.
type element struct {
	address netip.Addr
	left    time.Duration // whole milliseconds, 0 = without end
}

// setInfo is what a set is.
type setInfo struct {
	keyType uint32 // a type of nft(8): the kernel stores it and knows only the length
	keyLen  uint32 // bytes
	flags   uint32 // NFT_SET_*
}

// message returns a request of nftables about family inet.
func message(kind int, flags netlink.HeaderFlags, attributes []byte) netlink.Message {
	header := []byte{unix.NFPROTO_INET, unix.NFNETLINK_V0, 0, 0}
	return netlink.Message{
		Header: netlink.Header{
			Type:  netlink.HeaderType(unix.NFNL_SUBSYS_NFTABLES<<8 | kind),
			Flags: netlink.Request | flags,
		},
		Data: append(header, attributes...),
	}
}

// bound is a message that begins or ends a transaction.
func bound(kind netlink.HeaderType, attributes []byte) netlink.Message {
	header := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	return netlink.Message{
		Header: netlink.Header{Type: kind, Flags: netlink.Request},
		Data:   append(header, attributes...),
	}
}

// encode returns attributes.
func encode(fill func(*netlink.AttributeEncoder)) []byte {
	e := netlink.NewAttributeEncoder()
	e.ByteOrder = binary.BigEndian
	fill(e)
	b, err := e.Encode()
	if err != nil {
		panic(err) // an attribute above 64 KiB: chunk keeps them below
	}
	return b
}

// decode calls each for every attribute behind a message's header.
func decode(m netlink.Message, each func(*netlink.AttributeDecoder)) error {
	const header = 4 // struct nfgenmsg
	if len(m.Data) < header {
		return fmt.Errorf("an answer of %d bytes", len(m.Data))
	}
	return attributes(m.Data[header:], each)
}

func attributes(b []byte, each func(*netlink.AttributeDecoder)) error {
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

// inside calls each for every attribute in the one that d is at.
func inside(d *netlink.AttributeDecoder, each func(*netlink.AttributeDecoder)) {
	d.Do(func(b []byte) error { return attributes(b, each) })
}

// ofSet names a set; NFTA_SET_TABLE and NFTA_SET_NAME are numbered as those of an element list are.
func ofSet(table, set string) []byte {
	return encode(func(e *netlink.AttributeEncoder) {
		e.String(unix.NFTA_SET_TABLE, table)
		e.String(unix.NFTA_SET_NAME, set)
	})
}

// elementsMessage adds elements to a set (NFT_MSG_NEWSETELEM) or deletes them (NFT_MSG_DELSETELEM).
func elementsMessage(kind int, table, set string, list []element) netlink.Message {
	var flags netlink.HeaderFlags = netlink.Acknowledge
	if kind == unix.NFT_MSG_NEWSETELEM {
		flags |= netlink.Create
	}
	return message(kind, flags, append(ofSet(table, set), encode(func(e *netlink.AttributeEncoder) {
		e.Nested(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func(e *netlink.AttributeEncoder) error {
			for _, x := range list {
				e.Nested(unix.NFTA_LIST_ELEM, func(e *netlink.AttributeEncoder) error {
					e.Nested(unix.NFTA_SET_ELEM_KEY, func(e *netlink.AttributeEncoder) error {
						e.Bytes(unix.NFTA_DATA_VALUE, x.address.AsSlice())
						return nil
					})
					if x.left > 0 && kind == unix.NFT_MSG_NEWSETELEM {
						e.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(x.left.Milliseconds()))
					}
					return nil
				})
			}
			return nil
		})
	})...))
}

// transaction returns the messages that take the elements of gone out of a set and put those of fresh
// into it, each with its time from now on, if the ruleset is of this generation.
//
// Each element is added, deleted, and those of fresh added again. The first step makes sure that
// the second finds it, however many of them expire meanwhile; the second, that the third sets the
// timeout, since before Linux 6.12 adding what is there changes nothing, silently. To try the
// deletion first and to go on without it is not the same: a transaction that fails makes the kernel
// wait for an RCU grace period (15 ms on average, against 0.02 ms for one that succeeds).
func transaction(generation uint32, table string, changes []change) []netlink.Message {
	list := []netlink.Message{bound(unix.NFNL_MSG_BATCH_BEGIN, encode(func(e *netlink.AttributeEncoder) {
		e.Uint32(unix.NFNL_BATCH_GENID, generation)
	}))}
	for _, c := range changes {
		add := func(kind int, elements []element) {
			if len(elements) > 0 {
				list = append(list, elementsMessage(kind, table, c.set, elements))
			}
		}
		for _, elements := range [][]element{c.gone, c.fresh} {
			add(unix.NFT_MSG_NEWSETELEM, elements)
			add(unix.NFT_MSG_DELSETELEM, elements)
		}
		add(unix.NFT_MSG_NEWSETELEM, c.fresh)
	}
	return append(list, bound(unix.NFNL_MSG_BATCH_END, nil))
}

// parseGeneration reads the answer to NFT_MSG_GETGEN.
func parseGeneration(m netlink.Message) (generation uint32, err error) {
	err = decode(m, func(d *netlink.AttributeDecoder) {
		if d.Type() == unix.NFTA_GEN_ID {
			generation = d.Uint32()
		}
	})
	return generation, err
}

// parseSet reads the answer to NFT_MSG_GETSET.
func parseSet(m netlink.Message) (s setInfo, err error) {
	err = decode(m, func(d *netlink.AttributeDecoder) {
		switch d.Type() {
		case unix.NFTA_SET_FLAGS:
			s.flags = d.Uint32()
		case unix.NFTA_SET_KEY_TYPE:
			s.keyType = d.Uint32()
		case unix.NFTA_SET_KEY_LEN:
			s.keyLen = d.Uint32()
		}
	})
	return s, err
}

// parseElements reads one of the answers to NFT_MSG_GETSETELEM.
func parseElements(m netlink.Message) (list []element, err error) {
	one := func(d *netlink.AttributeDecoder) {
		var x element
		inside(d, func(d *netlink.AttributeDecoder) {
			switch d.Type() {
			case unix.NFTA_SET_ELEM_KEY:
				inside(d, func(d *netlink.AttributeDecoder) {
					if d.Type() == unix.NFTA_DATA_VALUE {
						x.address, _ = netip.AddrFromSlice(d.Bytes())
					}
				})
			case unix.NFTA_SET_ELEM_EXPIRATION:
				x.left = time.Duration(d.Uint64()) * time.Millisecond
			}
		})
		list = append(list, x)
	}
	err = decode(m, func(d *netlink.AttributeDecoder) {
		if d.Type() == unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			inside(d, one)
		}
	})
	return list, err
}
