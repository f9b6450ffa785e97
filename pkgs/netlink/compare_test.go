// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"bytes"
	"encoding/binary"
	"slices"
	"syscall"
	"testing"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// FuzzMessages asks package syscall the same of a datagram. Messages without 4 bytes of content are read by it only.
func FuzzMessages(f *testing.F) {
	one := Message{Type: unix.RTM_NEWADDR, Flags: unix.NLM_F_MULTI, Sequence: 3, Port: 9, Data: []byte{1, 2, 3, 4, 5}}
	f.Add(one.appendTo(nil))
	f.Add(one.appendTo(one.appendTo(nil)))
	f.Add(one.appendTo(nil)[:21])
	f.Add(make([]byte, 16))
	f.Fuzz(func(t *testing.T, b []byte) {
		var all []Message
		var failed error
		for rest := b; len(rest) > 0 && failed == nil; {
			var m Message
			if m, rest, failed = next(rest); failed == nil {
				all = append(all, m)
			}
		}
		if failed != nil {
			return // package syscall reads more: it ignores what is left at the end
		}
		// It wants the last message to be aligned.
		theirs, err := syscall.ParseNetlinkMessage(append(slices.Clone(b), make([]byte, align(len(b))-len(b))...))
		if err != nil || len(theirs) != len(all) {
			t.Fatalf("%x: %d messages, package syscall says %d, %v", b, len(all), len(theirs), err)
		}
		for i, m := range all {
			h := theirs[i].Header
			if m.Type != h.Type || m.Flags != h.Flags || m.Sequence != h.Seq || m.Port != h.Pid || !bytes.Equal(m.Data, theirs[i].Data) {
				t.Errorf("%x: message %d is %+v, package syscall says %+v", b, i, m, theirs[i])
			}
		}
	})
}

// FuzzAttributes asks a library the same of a list of attributes. It also takes those that claim to be smaller
// than their own headers.
func FuzzAttributes(f *testing.F) {
	f.Add(Encode(func(e *Encoder) {
		e.Uint8(1, 2)
		e.Uint32(3, 4)
		e.Uint64(5, 6)
		e.String(7, "eight")
		e.Nest(9, func() { e.Bytes(10, []byte{11, 12, 13}) })
	}))
	f.Add(make([]byte, 4))
	f.Add([]byte{1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var kinds []uint16
		var contents [][]byte
		d := Decoder{rest: b}
		for d.Next() {
			kinds, contents = append(kinds, d.Type()), append(contents, d.Bytes())
		}
		err := d.Err()
		theirs, theirErr := netlink.UnmarshalAttributes(b)
		if err != nil {
			if theirErr == nil && !slices.ContainsFunc(headers(b), func(size int) bool { return size < attributeHeader }) {
				t.Errorf("%x: %v, but the library reads %+v", b, err, theirs)
			}
			return
		}
		if theirErr != nil || len(theirs) != len(kinds) {
			t.Fatalf("%x: %d attributes, the library says %d, %v", b, len(kinds), len(theirs), theirErr)
		}
		for i, a := range theirs {
			if kinds[i] != a.Type&0x3fff || !bytes.Equal(contents[i], a.Data) {
				t.Errorf("%x: attribute %d is %d: %x, the library says %+v", b, i, kinds[i], contents[i], a)
			}
		}
	})
}

// headers are the sizes in the headers of attributes, as the library goes through them.
func headers(b []byte) (sizes []int) {
	for len(b) >= attributeHeader {
		size := int(binary.NativeEndian.Uint16(b))
		sizes = append(sizes, size)
		b = b[min(align(max(size, attributeHeader)), len(b)):]
	}
	return sizes
}

// TestNumbers reads each as the library does, and tells which attribute has another size than was asked for.
func TestNumbers(t *testing.T) {
	b := Encode(func(e *Encoder) {
		e.Uint8(1, 0x12)
		e.Bytes(2, []byte{0x12, 0x34})
		e.Uint32(3, 0x12345678)
		e.Uint64(4, 0x123456789abcdef0)
	})
	theirs, err := netlink.NewAttributeDecoder(b)
	if err != nil {
		t.Fatal(err)
	}
	theirs.ByteOrder = binary.BigEndian
	d := Decoder{rest: b}
	for d.Next() {
		theirs.Next()
		same := false
		switch d.Type() {
		case 1:
			same = d.Uint8() == 0x12 && theirs.Uint8() == 0x12
		case 2:
			same = d.Uint16() == 0x1234 && theirs.Uint16() == 0x1234
		case 3:
			same = d.Uint32() == 0x12345678 && theirs.Uint32() == 0x12345678
		case 4:
			same = d.Uint64() == 0x123456789abcdef0 && theirs.Uint64() == 0x123456789abcdef0
		}
		if !same {
			t.Errorf("attribute %d is %x", d.Type(), d.Bytes())
		}
	}
	if d.Err() != nil || theirs.Err() != nil {
		t.Errorf("errors %v, %v", d.Err(), theirs.Err())
	}
	n := 0
	for d = (Decoder{rest: b}); d.Next(); n++ {
		if d.Type() == 2 && d.Uint32() != 0 {
			t.Error("a number of two bytes is one of four")
		}
	}
	if err := d.Err(); err == nil || err.Error() != "attribute 2 has 2 bytes, want 4" || n != 2 {
		t.Errorf("%d attributes read, error %v", n, err)
	}
	n = 0
	d = Decoder{rest: Encode(func(e *Encoder) {
		e.Nest(1, func() { e.Nest(2, func() { e.Uint8(3, 4) }) })
		e.Uint8(5, 6)
	})}
	for ; d.Next(); n++ {
		for in := d.Inside(); in.Next(); {
			for innermost := in.Inside(); innermost.Next(); {
				innermost.Uint64()
			}
		}
	}
	if err := d.Err(); err == nil || err.Error() != "attribute 3 has 1 bytes, want 8" || n != 1 {
		t.Errorf("an attribute in others: %d attributes read, error %v", n, err)
	}
}
