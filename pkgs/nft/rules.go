// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

// Rules reads the table's rules, and returns what reports whether any of them refers to a door's set, as
// SetName names it. Without one, whoever is in the set gets nowhere. No table is no rules.
//
// It looks for the sets' names in the rules as they are, decodes none, and takes one buffer for all of
// them: there may be thousands of others.
func (f *Firewall) Rules() (refers func(door string, six, wide bool) bool, err error) {
	named := map[string]bool{} // at most as many as there are sets and chains that begin so
	for n := 0; n == 0 || n < tries && isTemporary(err); n++ {
		clear(named)
		err = f.readRules(named)
	}
	if err != nil {
		return nil, f.explain(fmt.Errorf("read rules: %w", err))
	}
	return func(door string, six, wide bool) bool { return named[SetName(door, six, wide)] }, nil
}

func (f *Firewall) readRules(named map[string]bool) error {
	c, err := open(f.table) // of its own, as it may take long
	if err != nil {
		return err
	}
	defer c.Close()
	question := message(unix.NFT_MSG_GETRULE, unix.NLM_F_DUMP, netlink.Encode(func(e *netlink.Encoder) {
		e.String(unix.NFTA_RULE_TABLE, f.table)
	}))
	return c.Ask(question, func(m netlink.Message) error {
		addNames(named, m.Data)
		return nil
	})
}

// addNames adds the names of our sets that are the text of an attribute somewhere in a rule: struct
// nlattr (linux/netlink.h), whose length counts its own header, then the name with a zero at its end.
func addNames(named map[string]bool, rule []byte) {
	const header = 4
	for at := 0; ; at++ {
		i := bytes.Index(rule[at:], []byte(namePrefix))
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
