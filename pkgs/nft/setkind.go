// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/door"
)

// Flags of a set that golang.org/x/sys does not know, from linux/netfilter/nf_tables.h.
const (
	setConcat = 0x80
	setExpr   = 0x100
)

// needed is the flag that a door's set must have; allowed are those that it may have: that rules can
// change it, and that elements carry counters and the like, which can only narrow what they match.
const (
	needed  = unix.NFT_SET_TIMEOUT
	allowed = needed | unix.NFT_SET_EVAL | setExpr
)

// checkKind refuses a set in which an element of ours would not be one address, or one network of a wide set, for
// its time. It wraps door.ErrWrongSet and says what is wrong with the set, and how it must be.
//
// With the flag interval, for one, an address would stand for itself and every one above it; without it, a
// network for its first address.
func checkKind(table, name string, six, wide bool, s setInfo) error {
	// The numbers of nft's types are fixed: the kernel gives them back to whoever lists the set.
	wanted, keyType, keyLen := "ipv4_addr", uint32(7), uint32(4)
	if six {
		wanted, keyType, keyLen = "ipv6_addr", 8, 16
	}
	var wrong []string
	if s.keyType != keyType || s.keyLen != keyLen {
		wrong = append(wrong, "is not of type "+wanted)
	}
	if s.flags&needed == 0 {
		wrong = append(wrong, "has no flag timeout")
	}
	flags := "timeout"
	if wide {
		flags = "interval, timeout"
		if s.flags&unix.NFT_SET_INTERVAL == 0 {
			wrong = append(wrong, "has no flag interval")
		}
		s.flags &^= unix.NFT_SET_INTERVAL
	}
	for _, f := range []struct {
		flag uint32
		text string
	}{
		{unix.NFT_SET_INTERVAL, "has flag interval"},
		{unix.NFT_SET_CONSTANT, "has flag constant"},
		{unix.NFT_SET_MAP | unix.NFT_SET_OBJECT, "is a map"},
		{setConcat, "is a concatenation"},
	} {
		if s.flags&f.flag != 0 {
			wrong = append(wrong, f.text)
		}
	}
	if len(wrong) == 0 && s.flags&^allowed != 0 {
		wrong = append(wrong, fmt.Sprintf("has unknown flags %#x", s.flags&^allowed))
	}
	if len(wrong) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %s of table inet %s %s; it must be { type %s; flags %s; }",
		door.ErrWrongSet, name, table, strings.Join(wrong, " and "), wanted, flags)
}
