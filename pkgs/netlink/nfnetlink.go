// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// netfilterHeader is the size of struct nfgenmsg (linux/netfilter/nfnetlink.h), which begins each message of
// the kernel's netfilter.
const netfilterHeader = 4

// Netfilter returns a request of a subsystem (NFNL_SUBSYS_*) of netfilter about a family of addresses.
func Netfilter(subsystem, kind int, flags uint16, family uint8, attributes []byte) Message {
	return Message{
		Type:  uint16(subsystem<<8 | kind),
		Flags: unix.NLM_F_REQUEST | flags,
		Data:  append([]byte{family, unix.NFNETLINK_V0, 0, 0}, attributes...),
	}
}

// Decode goes through the attributes of a message of netfilter.
func Decode(m Message) Decoder {
	if len(m.Data) < netfilterHeader {
		return Decoder{err: fmt.Errorf("an answer of %d bytes", len(m.Data))}
	}
	return Decoder{rest: m.Data[netfilterHeader:]}
}
