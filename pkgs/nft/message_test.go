// SPDX-License-Identifier: Apache-2.0

package nft

import (
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

// FuzzAnswers reads what may be an answer of the kernel. Elements that were read are written and read again.
func FuzzAnswers(f *testing.F) {
	f.Add(elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "latchkey1_nas_4", []element{{first: one}, {first: two}}).Data)
	f.Add(elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "latchkey1_nas_6", []element{{first: six}}).Data)
	f.Add(elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "latchkey2_nas_4", []element{{first: one, behind: two}, {first: two, behind: two.Next()}}).Data)
	f.Add(message(unix.NFT_MSG_GETSET, 0, netlink.Encode(func(e *netlink.Encoder) {
		e.Uint32(unix.NFTA_SET_FLAGS, unix.NFT_SET_TIMEOUT)
		e.Uint32(unix.NFTA_SET_KEY_TYPE, 7)
		e.Uint32(unix.NFTA_SET_KEY_LEN, 4)
	})).Data)
	f.Add(message(unix.NFT_MSG_GETGEN, 0, netlink.Encode(func(e *netlink.Encoder) { e.Uint32(unix.NFTA_GEN_ID, 9) })).Data)
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := netlink.Message{Data: data}
		_, _ = parseGeneration(m)
		_, _ = parseSet(m)
		list, err := appendElements(nil, m)
		if err != nil {
			return
		}
		list = joined(list)
		for i := range list {
			list[i].left = 0 // what is left of a time is not what it was
		}
		again, err := appendElements(nil, elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "x", list))
		if again = joined(again); err != nil || !slices.Equal(list, again) {
			t.Errorf("%x: %v reads back as %v, %v", data, list, again, err)
		}
	})
}

func TestElements_allocates_nothing(t *testing.T) {
	m := elementsMessage(unix.NFT_MSG_NEWSETELEM, "fw4", "latchkey1_nas_6", []element{{first: six, left: time.Hour}, {first: six}})
	list := make([]element, 0, 2)
	if n := testing.AllocsPerRun(100, func() {
		if some, err := appendElements(list, m); err != nil || len(some) != 2 {
			t.Errorf("%v, %v", some, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for two elements of a set, want none: it has up to thousands", n)
	}
}
