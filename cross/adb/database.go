// SPDX-License-Identifier: Apache-2.0

// Package adb writes and opens the files of apk-tools 3, OpenWrt's package
// manager from 25.12 on: databases of values, with signatures and data.
//
// The format is that of apk-v3(5), and what a database holds is decided by
// packages pack and index.
package adb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Value is a word of a database: its upper 4 bits are a type, and the rest is
// a small number, or where in the database the value itself is.
type Value uint32

// Null is no value.
const Null Value = 0

const (
	typeInt    Value = 0x1 << 28 // the number itself
	typeInt32  Value = 0x2 << 28
	typeInt64  Value = 0x3 << 28
	typeBlob8  Value = 0x8 << 28 // bytes, after their number in 1 byte
	typeBlob16 Value = 0x9 << 28
	typeBlob32 Value = 0xa << 28
	typeArray  Value = 0xd << 28 // words, the first of which is their number
	typeObject Value = 0xe << 28

	typeMask Value = 0xf << 28
	restMask       = ^typeMask // also the size limit of a database: 256 MiB
)

// headerSize is that of what a database begins with: the oldest version of
// readers (0), its own (0), two bytes for later use, and the root.
const headerSize = 8

// Database is being built: values are added, and refer to those before.
// Equal values are kept once.
type Database struct {
	data []byte
	at   map[string]int // where the same bytes are; bounded by the data
}

// New returns an empty database.
func New() *Database {
	return &Database{data: make([]byte, headerSize), at: make(map[string]int)}
}

// add puts bytes at a multiple of align, and returns where they are.
func (d *Database) add(b []byte, align int) Value {
	if at, ok := d.at[string(b)]; ok && at%align == 0 {
		return Value(at)
	}
	at := d.addOnce(b, align)
	d.at[string(b)] = int(at)
	return at
}

// addOnce puts bytes at a multiple of align without looking for equal ones.
func (d *Database) addOnce(b []byte, align int) Value {
	for len(d.data)%align != 0 {
		d.data = append(d.data, 0)
	}
	at := len(d.data)
	d.data = append(d.data, b...)
	return Value(at) & restMask // Bytes refuses what is too large for that
}

// Int adds a number.
func (d *Database) Int(n uint64) Value {
	switch {
	case n <= uint64(restMask):
		return typeInt | Value(n)
	case n <= 0xffff_ffff:
		return typeInt32 | d.add(binary.LittleEndian.AppendUint32(nil, uint32(n)), 4)
	default:
		return typeInt64 | d.add(binary.LittleEndian.AppendUint64(nil, n), 4)
	}
}

// String adds a text; Null if it is empty.
func (d *Database) String(s string) Value {
	return d.Blob([]byte(s))
}

// Blob adds bytes; Null if there are none.
func (d *Database) Blob(b []byte) Value {
	if len(b) == 0 {
		return Null
	}
	kind, text, align := blob(b)
	return kind | d.add(text, align)
}

// Room adds n zeros that Fill replaces, so that nothing else may share them.
func (d *Database) Room(n int) Value {
	kind, text, align := blob(make([]byte, n))
	return kind | d.addOnce(text, align)
}

// Fill writes into the room that Room made.
func (d *Database) Fill(room Value, b []byte) {
	_, text, _ := blob(b)
	copy(d.data[room&restMask:], text)
}

// blob returns bytes after their number.
func blob(b []byte) (kind Value, text []byte, align int) {
	switch n := len(b); {
	case n <= 0xff:
		return typeBlob8, append([]byte{byte(n)}, b...), 1
	case n <= 0xffff:
		return typeBlob16, append(binary.LittleEndian.AppendUint16(nil, uint16(n)), b...), 2
	default:
		return typeBlob32, append(binary.LittleEndian.AppendUint32(nil, uint32(n)), b...), 4
	}
}

// Object adds an object with these fields, or a list with these members: both
// are written in the same way. Nulls at the end are left out, and Null is
// returned if nothing remains.
func (d *Database) Object(fields ...Value) Value {
	for len(fields) > 0 && fields[len(fields)-1] == Null {
		fields = fields[:len(fields)-1]
	}
	if len(fields) == 0 {
		return Null
	}
	words := binary.LittleEndian.AppendUint32(nil, uint32(len(fields)+1))
	for _, f := range fields {
		words = binary.LittleEndian.AppendUint32(words, uint32(f))
	}
	return typeObject | d.add(words, 4)
}

var errTooLarge = errors.New("larger than the format allows")

// Bytes returns the database with its root. It may be called again after Fill.
func (d *Database) Bytes(root Value) ([]byte, error) {
	if len(d.data) > int(restMask) {
		return nil, fmt.Errorf("a database of %d bytes: %w: %d", len(d.data), errTooLarge, restMask)
	}
	binary.LittleEndian.PutUint32(d.data[4:], uint32(root))
	return d.data, nil
}
