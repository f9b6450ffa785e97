// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestOnlyGenerations runs on machines of either byte order, where no kernel is at hand.
func TestOnlyGenerations(t *testing.T) {
	vm, err := bpf.NewVM(onlyGenerations())
	if err != nil {
		t.Fatal(err)
	}
	const base = unix.NFNL_SUBSYS_NFTABLES << 8
	for _, test := range []struct {
		name string
		kind uint16
		want bool
	}{
		{"the_end_of_a_transaction", base | unix.NFT_MSG_NEWGEN, true},
		{"a_new_rule", base | unix.NFT_MSG_NEWRULE, false},
		{"an_element", base | unix.NFT_MSG_NEWSETELEM, false},
		{"bytes_the_wrong_way_round", unix.NFT_MSG_NEWGEN<<8 | unix.NFNL_SUBSYS_NFTABLES, false},
	} {
		header := make([]byte, unix.NLMSG_HDRLEN)
		binary.NativeEndian.PutUint32(header, unix.NLMSG_HDRLEN)
		binary.NativeEndian.PutUint16(header[4:], test.kind)
		n, err := vm.Run(header)
		if err != nil || (n > 0) != test.want {
			t.Errorf("%s: %d bytes pass, error %v, want passing to be %v", test.name, n, err, test.want)
		}
	}
}
