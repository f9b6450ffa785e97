// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// MAC is the address of a network card (IEEE 802, EUI-48). The zero MAC is none.
type MAC [6]byte

// ParseMAC reads an address in one of the forms that package net reads: 00:11:22:aa:bb:cc, 00-11-22-AA-BB-CC,
// 0011.22aa.bbcc and 001122aabbcc.
func ParseMAC(s string) (m MAC, err error) {
	text := s
	for separator, digits := range map[string]int{":": 2, "-": 2, ".": 4} {
		groups := strings.Split(s, separator)
		other := func(g string) bool { return len(g) != digits }
		if len(groups) > 1 && !slices.ContainsFunc(groups, other) {
			text = strings.Join(groups, "")
		}
	}
	if len(text) == 2*len(m) {
		if _, err := hex.Decode(m[:], []byte(text)); err == nil {
			return m, nil
		}
	}
	return MAC{}, fmt.Errorf("%q is no address of a network card, as 00:11:22:aa:bb:cc is", s)
}

// String returns the address in the form 00:11:22:aa:bb:cc.
func (m MAC) String() string {
	return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5])
}
