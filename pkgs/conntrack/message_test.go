// SPDX-License-Identifier: Apache-2.0

package conntrack

import (
	"bytes"
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/netlink"
)

// example is what the kernel says of a session.
func example() netlink.Message {
	return message(get, 0, unix.AF_INET, netlink.Encode(func(a *netlink.Encoder) {
		for kind, source := range map[uint16][]byte{ctaOrig: {203, 0, 113, 7}, ctaReply: {192, 168, 1, 22}} {
			a.Nest(kind, func() {
				a.Nest(ctaTupleIP, func() {
					a.Bytes(ctaIPv4Source, source)
					a.Bytes(ctaIPv4Dest, []byte{203, 0, 113, 1})
				})
				a.Nest(ctaTupleProto, func() {
					a.Uint8(ctaProtoNumber, unix.IPPROTO_TCP)
					a.Bytes(ctaProtoSource, binary.BigEndian.AppendUint16(nil, 50000))
					a.Bytes(ctaProtoDest, binary.BigEndian.AppendUint16(nil, 22))
				})
			})
		}
		a.Uint32(ctaStatus, fixedTimeout)
		a.Uint32(ctaID, 7)
		a.Bytes(ctaZone, binary.BigEndian.AppendUint16(nil, 1))
		a.Nest(ctaProtoInfo, func() {
			a.Nest(ctaProtoInfoTCP, func() { a.Uint8(ctaTCPState, timeWait) })
		})
	}))
}

// FuzzParse reads what may be a session of the kernel's. What ends it names it as the kernel did.
func FuzzParse(f *testing.F) {
	f.Add(example().Data)
	f.Add([]byte{1, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := parse(netlink.Message{Data: data})
		if err != nil {
			return
		}
		again, err := parse(e.end(unix.AF_INET))
		if err != nil || !bytes.Equal(again.orig, e.orig) || !bytes.Equal(again.id, e.id) || !bytes.Equal(again.zone, e.zone) {
			t.Errorf("%x: %+v is ended as %+v, %v", data, e, again, err)
		}
	})
}

func TestParse_allocates_nothing(t *testing.T) {
	m := example()
	if n := testing.AllocsPerRun(100, func() {
		if e, err := parse(m); err != nil || e.session.Proto != unix.IPPROTO_TCP {
			t.Errorf("%+v, %v", e, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations for a session, want none: a router has thousands", n)
	}
}
