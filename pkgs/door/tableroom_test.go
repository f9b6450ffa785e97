// SPDX-License-Identifier: Apache-2.0

package door

import (
	"net/netip"
	"testing"
	"time"
)

// TestTable_gives_room_back as soon as three quarters of its grants are gone, and holds none that is gone.
func TestTable_gives_room_back(t *testing.T) {
	var grants table
	var list []*entry
	for i := range 8 {
		e := &entry{Grant: Grant{Door: "nas", Network: netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 32), Until: time.Unix(int64(i), 0)}}
		grants.add(e)
		list = append(list, e)
	}
	for i, e := range list {
		grants.drop(e)
		left := len(list) - 1 - i
		if room := [8]int{0, 2, 2, 8, 8, 8, 8, 8}[left]; grants.most != room || len(grants.ends) != left {
			t.Errorf("with %d grants left there is room for %d, want %d", left, grants.most, room)
		}
		for _, gone := range grants.ends[left:cap(grants.ends)] {
			if gone != nil {
				t.Errorf("with %d grants left, one that is gone is still there", left)
			}
		}
	}
}
