// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"net/netip"
	"sort"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

// The messages of nftables (linux/netfilter/nf_tables.h) that keeping elements takes. All numbers in
// them are big endian.
//
// A library would send them, too, but none says for which generation of the ruleset a transaction is
// meant (NFNL_BATCH_GENID), and without that a set can be replaced between the look at it and its use.

// element is an address in a set or, in a set of networks, all addresses from one on.
type element struct {
	first netip.Addr
	// behind is the first address that is none of them any more. Where it is not valid, the kernel knows
	// of no end: in a set of addresses always, in one of networks at the highest address, or where the next
	// element begins. The kernel keeps it apart: see joined.
	behind netip.Addr
	left   time.Duration // whole milliseconds, 0 = without end
}

// meets reports whether two networks have addresses in common, as far as is known where they end.
func (e *element) meets(other element) bool {
	before := func(a, end netip.Addr) bool { return !end.IsValid() || a.Less(end) }
	return before(e.first, other.behind) && before(other.first, e.behind)
}

// setInfo is what a set is.
type setInfo struct {
	keyType uint32 // a type of nft(8): the kernel stores it and knows only the length
	keyLen  uint32 // bytes
	flags   uint32 // NFT_SET_*
}

// message returns a request of nftables about family inet.
func message(kind int, flags uint16, attributes []byte) netlink.Message {
	return netlink.Netfilter(unix.NFNL_SUBSYS_NFTABLES, kind, flags, unix.NFPROTO_INET, attributes)
}

// bound is a message that begins or ends a transaction.
func bound(kind uint16, attributes []byte) netlink.Message {
	header := []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, unix.NFNL_SUBSYS_NFTABLES}
	return netlink.Message{
		Type:  kind,
		Flags: unix.NLM_F_REQUEST,
		Data:  append(header, attributes...),
	}
}

// ofSet names a set; NFTA_SET_TABLE and NFTA_SET_NAME are numbered as those of an element list are.
func ofSet(e *netlink.Encoder, table, set string) {
	e.String(unix.NFTA_SET_TABLE, table)
	e.String(unix.NFTA_SET_NAME, set)
}

// askSet is a question about a set.
func askSet(kind int, flags uint16, table, set string) netlink.Message {
	return message(kind, flags, netlink.Encode(func(e *netlink.Encoder) { ofSet(e, table, set) }))
}

// elementsMessage adds elements to a set (NFT_MSG_NEWSETELEM) or deletes them (NFT_MSG_DELSETELEM).
func elementsMessage(kind int, table, set string, list []element) netlink.Message {
	var flags uint16
	if kind == unix.NFT_MSG_NEWSETELEM {
		flags = unix.NLM_F_CREATE
	}
	return message(kind, flags, netlink.Encode(func(e *netlink.Encoder) {
		ofSet(e, table, set)
		e.Nest(unix.NFTA_SET_ELEM_LIST_ELEMENTS, func() {
			add := func(key netip.Addr, ends bool, left time.Duration) {
				e.Nest(unix.NFTA_LIST_ELEM, func() {
					e.Nest(unix.NFTA_SET_ELEM_KEY, func() {
						e.Bytes(unix.NFTA_DATA_VALUE, key.AsSlice())
					})
					if ends {
						e.Uint32(unix.NFTA_SET_ELEM_FLAGS, unix.NFT_SET_ELEM_INTERVAL_END)
					}
					if left > 0 && kind == unix.NFT_MSG_NEWSETELEM {
						e.Uint64(unix.NFTA_SET_ELEM_TIMEOUT, uint64(left.Milliseconds()))
					}
				})
			}
			for _, x := range list {
				add(x.first, false, x.left)
				if x.behind.IsValid() {
					add(x.behind, true, 0)
				}
			}
		})
	}))
}

// transaction returns the messages that take the elements of gone out of a set and put those of fresh
// into it, each with its time from now on, if the ruleset is of this generation.
//
// Each element is added, deleted, and those of fresh added again. The first step makes sure that
// the second finds it, however many of them expire meanwhile; the second, that the third sets the
// timeout, since before Linux 6.12 adding what is there changes nothing, silently. To try the
// deletion first and to go on without it is not the same: a transaction that fails makes the kernel
// wait for an RCU grace period (15 ms on average, against 0.02 ms for one that succeeds).
//
// The last change is answered; of the others the kernel reports only what fails, before that answer.
func transaction(generation uint32, table string, changes []change) []netlink.Message {
	list := []netlink.Message{bound(unix.NFNL_MSG_BATCH_BEGIN, netlink.Encode(func(e *netlink.Encoder) {
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
	if len(changes) > 0 {
		list[len(list)-1].Flags |= unix.NLM_F_ACK
	}
	return append(list, bound(unix.NFNL_MSG_BATCH_END, nil))
}

// parseGeneration reads the answer to NFT_MSG_GETGEN.
func parseGeneration(m netlink.Message) (generation uint32, err error) {
	d := netlink.Decode(m)
	for d.Next() {
		if d.Type() == unix.NFTA_GEN_ID {
			generation = d.Uint32()
		}
	}
	return generation, d.Err()
}

// parseSet reads the answer to NFT_MSG_GETSET.
func parseSet(m netlink.Message) (s setInfo, err error) {
	d := netlink.Decode(m)
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_SET_FLAGS:
			s.flags = d.Uint32()
		case unix.NFTA_SET_KEY_TYPE:
			s.keyType = d.Uint32()
		case unix.NFTA_SET_KEY_LEN:
			s.keyLen = d.Uint32()
		}
	}
	return s, d.Err()
}

// appendElements appends those of one of the answers to NFT_MSG_GETSETELEM. Where a network ends is an element of
// its own in there, without a first address.
func appendElements(list []element, m netlink.Message) ([]element, error) {
	d := netlink.Decode(m)
	for d.Next() {
		if d.Type() != unix.NFTA_SET_ELEM_LIST_ELEMENTS {
			continue
		}
		for each := d.Inside(); each.Next(); {
			list = append(list, parseElement(each.Inside()))
		}
	}
	return list, d.Err()
}

// parseElement reads the attributes of an element.
func parseElement(d netlink.Decoder) (e element) {
	ends := false
	for d.Next() {
		switch d.Type() {
		case unix.NFTA_SET_ELEM_KEY:
			for key := d.Inside(); key.Next(); {
				if key.Type() == unix.NFTA_DATA_VALUE {
					e.first, _ = netip.AddrFromSlice(key.Bytes())
				}
			}
		case unix.NFTA_SET_ELEM_FLAGS:
			ends = d.Uint32()&unix.NFT_SET_ELEM_INTERVAL_END != 0
		case unix.NFTA_SET_ELEM_EXPIRATION:
			e.left = time.Duration(d.Uint64()) * time.Millisecond
		}
	}
	if ends {
		return element{behind: e.first}
	}
	return e
}

// hasTwice reports whether an address is there twice, and sorts the list for it. The kernel tells of a long set in several
// messages, and goes on behind as many elements as it told of before. When the set has grown it moves all to where there
// is more room (rhashtable, in the background, so that the generation stays): who reads meanwhile is told of some twice,
// and of as many others never.
func hasTwice(list []element) bool {
	sort.Slice(list, func(i, j int) bool { return list[i].first.Less(list[j].first) })
	for i := 1; i < len(list); i++ {
		if list[i-1].first == list[i].first {
			return true
		}
	}
	return false
}

// joined puts together where networks begin and end, in place; the kernel lists both in any order. An end
// without a beginning is left over of a network whose time is over, or stands for what is below the first one.
func joined(list []element) []element {
	sort.Slice(list, func(i, j int) bool {
		a, b := &list[i], &list[j]
		x, y := a.key(), b.key()
		if x != y {
			return x.Less(y)
		}
		return !a.first.IsValid() && b.first.IsValid() // one may end where the next begins
	})
	networks := list[:0]
	for _, e := range list {
		switch last := len(networks) - 1; {
		case e.first.IsValid():
			networks = append(networks, e)
		case last >= 0 && !networks[last].behind.IsValid():
			networks[last].behind = e.behind
		}
	}
	return networks
}

// key is what the kernel has an element, as it was read, under.
func (e *element) key() netip.Addr {
	if e.first.IsValid() {
		return e.first
	}
	return e.behind
}
