// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"net"
	"testing"
)

// FuzzParseMAC holds ParseMAC to what package net reads as an address of six bytes.
func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{
		"00:11:32:aa:bb:cc", "00-11-32-AA-bb-CC", "0011.32aa.BBcc", "ff:ff:ff:ff:ff:ff",
		"", "00:11:32:aa:bb", "00:11:32:aa:bb:cc:dd:ee", "00:11:32:aa:bb-cc", "0:11:32:aa:bb:ccc", "00:11:32:aa:bb:cg",
		"001132aabbcc", "00.11.32.aa.bb.cc", "0011:32aa:bbcc", "0011.32aa.bbc", " 00:11:32:aa:bb:cc", "00:11:32:aa:bb:cc:",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		want, err := net.ParseMAC(s)
		good := err == nil && len(want) == 6
		got, err := ParseMAC(s)
		if (err == nil) != good || good && got.String() != want.String() || !good && got != (MAC{}) {
			t.Errorf("ParseMAC(%q) = %s, %v, want %s, %t", s, got, err, want, good)
		}
	})
}
