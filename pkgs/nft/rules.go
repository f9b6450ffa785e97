// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/nfnetlink"
)

// datagram is the size of the largest answer that the kernel gives at once to a reader that has room for
// it (netlink_recvmsg, net/netlink/af_netlink.c).
const datagram = 32 << 10

// Rules reads the table's rules, and returns what tells whether any of them refers to a door's set for
// IPv6 (six) or IPv4. Without one, whoever is in the set gets nowhere. No table is no rules.
//
// It looks for the sets' names in the rules as they are, decodes none, and takes one buffer for all of
// them: there may be thousands of others.
func (f *Firewall) Rules() (refers func(door string, six bool) bool, err error) {
	named := map[string]bool{} // at most as many as there are sets of ours
	if err := f.readRules(named); err != nil {
		return nil, f.explain(fmt.Errorf("read rules: %w", err))
	}
	return func(door string, six bool) bool { return named[SetName(door, six)] }, nil
}

func (f *Firewall) readRules(named map[string]bool) error {
	conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
	if err != nil {
		return err
	}
	defer conn.Close()
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	_, err = conn.Send(message(unix.NFT_MSG_GETRULE, netlink.Dump, nfnetlink.Encode(func(e *nfnetlink.Encoder) {
		e.String(unix.NFTA_RULE_TABLE, f.table)
	})))
	if err != nil {
		return err
	}
	b := make([]byte, datagram)
	for last := false; !last; {
		n, failed := 0, error(nil)
		err := raw.Read(func(fd uintptr) bool {
			n, failed = unix.Read(int(fd), b)
			return failed != unix.EAGAIN
		})
		if err = cmp.Or(err, failed); err == nil {
			last, err = addRules(named, b[:n])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// addRules is addNames for the rules of a datagram. It tells whether that is the last one.
func addRules(named map[string]bool, b []byte) (last bool, err error) {
	return nfnetlink.Each(b, func(m netlink.Message) error {
		addNames(named, m.Data)
		return nil
	})
}

// addNames adds the names of our sets that are the text of an attribute somewhere in a rule: struct
// nlattr (linux/netlink.h), whose length counts its own header, then the name with a zero at its end.
func addNames(named map[string]bool, rule []byte) {
	const header = 4
	for at := 0; ; at++ {
		i := bytes.Index(rule[at:], []byte(prefix))
		if i < 0 {
			return
		}
		at += i
		if at < header {
			continue
		}
		end := at - header + int(binary.NativeEndian.Uint16(rule[at-header:]))
		if end > len(rule) || end <= at || bytes.IndexByte(rule[at:end], 0) != end-at-1 {
			continue
		}
		named[string(rule[at:end-1])] = true
	}
}
