// SPDX-License-Identifier: Apache-2.0

package netlink

import (
	"encoding/binary"
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Encoder writes attributes one behind the other. Numbers are big endian. Each method panics if an
// attribute has more than the 64 KiB that fit.
type Encoder struct{ b []byte }

// attributeHeader is the size of struct nlattr (linux/netlink.h): length and type, in the machine's order.
const attributeHeader = 4

// Encode returns the attributes that fill writes.
func Encode(fill func(*Encoder)) []byte {
	e := Encoder{make([]byte, 0, 128)}
	fill(&e)
	return e.b
}

// begin writes the header of an attribute and returns where it is.
func (e *Encoder) begin(kind uint16) (at int) {
	at = len(e.b)
	e.b = binary.NativeEndian.AppendUint16(e.b, 0)
	e.b = binary.NativeEndian.AppendUint16(e.b, kind)
	return at
}

// end writes the length of the attribute at, and what aligns the next one.
func (e *Encoder) end(at int) {
	size := len(e.b) - at
	if size > math.MaxUint16 {
		panic(fmt.Sprintf("an attribute of %d bytes", size))
	}
	binary.NativeEndian.PutUint16(e.b[at:], uint16(size))
	for len(e.b)%unix.NLA_ALIGNTO != 0 {
		e.b = append(e.b, 0)
	}
}

// Bytes writes an attribute that consists of b.
func (e *Encoder) Bytes(kind uint16, b []byte) {
	at := e.begin(kind)
	e.b = append(e.b, b...)
	e.end(at)
}

// String writes a text, with a zero at its end.
func (e *Encoder) String(kind uint16, s string) {
	at := e.begin(kind)
	e.b = append(append(e.b, s...), 0)
	e.end(at)
}

// Uint8 writes a number of 8 bits.
func (e *Encoder) Uint8(kind uint16, n uint8) { e.Bytes(kind, []byte{n}) }

// Uint32 writes a number of 32 bits.
func (e *Encoder) Uint32(kind uint16, n uint32) {
	at := e.begin(kind)
	e.b = binary.BigEndian.AppendUint32(e.b, n)
	e.end(at)
}

// Uint64 writes a number of 64 bits.
func (e *Encoder) Uint64(kind uint16, n uint64) {
	at := e.begin(kind)
	e.b = binary.BigEndian.AppendUint64(e.b, n)
	e.end(at)
}

// Nest writes an attribute that consists of those that fill writes.
func (e *Encoder) Nest(kind uint16, fill func()) {
	at := e.begin(kind | unix.NLA_F_NESTED)
	fill()
	e.end(at)
}

// Decoder goes through attributes, one after the other:
//
//	for d.Next() {
//		switch d.Type() { ... }
//	}
//	return d.Err()
//
// It takes no memory of its own, since lists of sessions are long. Numbers are big endian. The first error, such as
// a number of another size than was asked for, ends the reading of the whole message.
type Decoder struct {
	rest  []byte // the attributes that follow
	kind  uint16
	data  []byte
	err   error
	outer *Decoder // which has this one's attributes as its content
}

// Next goes to the next attribute. It returns false if there is none, and after an error.
func (d *Decoder) Next() bool {
	if d.Err() != nil || len(d.rest) == 0 {
		return false
	}
	if len(d.rest) < attributeHeader {
		d.fail(fmt.Errorf("an attribute of %d bytes", len(d.rest)))
		return false
	}
	size := int(binary.NativeEndian.Uint16(d.rest))
	if size < attributeHeader || size > len(d.rest) {
		d.fail(fmt.Errorf("an attribute of %d bytes in %d", size, len(d.rest)))
		return false
	}
	const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	d.kind, d.data = binary.NativeEndian.Uint16(d.rest[2:])&^flags, d.rest[attributeHeader:size]
	d.rest = d.rest[min(align(size), len(d.rest)):]
	return true
}

// Err returns the first error, of the whole message.
func (d *Decoder) Err() error { return d.whole().err }

// whole is what goes through the message.
func (d *Decoder) whole() *Decoder {
	for d.outer != nil {
		d = d.outer
	}
	return d
}

func (d *Decoder) fail(err error) {
	if w := d.whole(); w.err == nil {
		w.err = err
	}
}

// Type returns the attribute's type, without the flags.
func (d *Decoder) Type() uint16 { return d.kind }

// Bytes returns the attribute's content, a part of the message.
func (d *Decoder) Bytes() []byte { return d.data }

// Inside goes through the attributes in this one.
func (d *Decoder) Inside() Decoder { return Decoder{rest: d.data, outer: d} }

// Uint8 returns a number of 8 bits.
func (d *Decoder) Uint8() uint8 {
	if d.has(1) {
		return d.data[0]
	}
	return 0
}

// Uint16 returns a number of 16 bits.
func (d *Decoder) Uint16() uint16 {
	if d.has(2) {
		return binary.BigEndian.Uint16(d.data)
	}
	return 0
}

// Uint32 returns a number of 32 bits.
func (d *Decoder) Uint32() uint32 {
	if d.has(4) {
		return binary.BigEndian.Uint32(d.data)
	}
	return 0
}

// Uint64 returns a number of 64 bits.
func (d *Decoder) Uint64() uint64 {
	if d.has(8) {
		return binary.BigEndian.Uint64(d.data)
	}
	return 0
}

// has reports whether the content has a size; it is an error if not.
func (d *Decoder) has(size int) bool {
	if len(d.data) != size {
		d.fail(fmt.Errorf("attribute %d has %d bytes, want %d", d.kind, len(d.data), size))
	}
	return len(d.data) == size
}
