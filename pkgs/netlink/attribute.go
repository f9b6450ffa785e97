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

// Decoder is at one attribute. Numbers are big endian. The first error, such as a number of another size than
// was asked for, ends the reading of the whole message.
type Decoder struct {
	kind uint16
	data []byte
	err  error
}

// attributes calls each for every attribute in b.
func attributes(b []byte, each func(*Decoder)) error {
	const flags = unix.NLA_F_NESTED | unix.NLA_F_NET_BYTEORDER
	var d Decoder
	for len(b) > 0 {
		if len(b) < attributeHeader {
			return fmt.Errorf("an attribute of %d bytes", len(b))
		}
		size := int(binary.NativeEndian.Uint16(b))
		if size < attributeHeader || size > len(b) {
			return fmt.Errorf("an attribute of %d bytes in %d", size, len(b))
		}
		d = Decoder{kind: binary.NativeEndian.Uint16(b[2:]) &^ flags, data: b[attributeHeader:size]}
		if each(&d); d.err != nil {
			return d.err
		}
		b = b[min(align(size), len(b)):]
	}
	return nil
}

// Type returns the attribute's type, without the flags.
func (d *Decoder) Type() uint16 { return d.kind }

// Bytes returns the attribute's content, a part of the message.
func (d *Decoder) Bytes() []byte { return d.data }

// Inside calls each for every attribute in this one.
func (d *Decoder) Inside(each func(*Decoder)) {
	if d.err == nil {
		d.err = attributes(d.data, each)
	}
}

// Uint8 returns a number of 8 bits.
func (d *Decoder) Uint8() uint8 { return d.number(1)[0] }

// Uint16 returns a number of 16 bits.
func (d *Decoder) Uint16() uint16 { return binary.BigEndian.Uint16(d.number(2)) }

// Uint32 returns a number of 32 bits.
func (d *Decoder) Uint32() uint32 { return binary.BigEndian.Uint32(d.number(4)) }

// Uint64 returns a number of 64 bits.
func (d *Decoder) Uint64() uint64 { return binary.BigEndian.Uint64(d.number(8)) }

// number returns the content, or zeros if it has another size.
func (d *Decoder) number(size int) []byte {
	if len(d.data) == size {
		return d.data
	}
	if d.err == nil {
		d.err = fmt.Errorf("attribute %d has %d bytes, want %d", d.kind, len(d.data), size)
	}
	return make([]byte, size)
}
