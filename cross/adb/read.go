// SPDX-License-Identifier: Apache-2.0

package adb

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Reader is a database as it is in a file. It may be damaged: what it refers
// to is checked when it is read.
type Reader []byte

var errShort = errors.New("damaged: the database is cut off")

// What is copied from a damaged file has an end: objects have at most
// mostFields fields, and at most deepest are within each other. Of a package's
// description, the name in a dependency in a list is the fourth.
const (
	mostFields = 1024
	deepest    = 5
)

// Root returns the value that all others belong to.
func (r Reader) Root() Value {
	return Value(binary.LittleEndian.Uint32(r[4:]))
}

// Object returns the fields of an object or the members of a list; none of
// Null.
func (r Reader) Object(v Value) ([]Value, error) {
	if v == Null {
		return nil, nil
	}
	if kind := v & typeMask; kind != typeObject && kind != typeArray {
		return nil, fmt.Errorf("damaged: value %#x is no object", uint32(v))
	}
	count, err := r.bytes(v, 0, 4)
	if err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(count))
	if n < 1 || n-1 > mostFields {
		return nil, fmt.Errorf("damaged: an object of %d fields (of at most %d)", n-1, mostFields)
	}
	words, err := r.bytes(v, 4, 4*(n-1))
	if err != nil {
		return nil, err
	}
	fields := make([]Value, 0, n-1)
	for ; len(words) > 0; words = words[4:] {
		fields = append(fields, Value(binary.LittleEndian.Uint32(words)))
	}
	return fields, nil
}

// Blob returns bytes; none of Null.
func (r Reader) Blob(v Value) ([]byte, error) {
	if v == Null {
		return nil, nil
	}
	width := map[Value]int{typeBlob8: 1, typeBlob16: 2, typeBlob32: 4}[v&typeMask]
	if width == 0 {
		return nil, fmt.Errorf("damaged: value %#x is no text", uint32(v))
	}
	length, err := r.bytes(v, 0, width)
	if err != nil {
		return nil, err
	}
	var n [4]byte
	copy(n[:], length)
	return r.bytes(v, width, int(binary.LittleEndian.Uint32(n[:])))
}

// bytes returns the n bytes that begin so far after where a value is.
func (r Reader) bytes(v Value, after, n int) ([]byte, error) {
	start := int(v&restMask) + after
	if n < 0 || n > len(r) || start > len(r)-n {
		return nil, errShort
	}
	return r[start : start+n], nil
}

// Copy adds a value of another database, and all that it refers to.
func (d *Database) Copy(r Reader, v Value) (Value, error) {
	return d.copyWithin(r, v, deepest)
}

func (d *Database) copyWithin(r Reader, v Value, depth int) (Value, error) {
	if depth == 0 {
		return Null, errors.New("damaged: too many objects within each other")
	}
	switch v & typeMask {
	case Null & typeMask, typeInt:
		return v, nil
	case typeInt32, typeInt64:
		size := map[Value]int{typeInt32: 4, typeInt64: 8}[v&typeMask]
		b, err := r.bytes(v, 0, size)
		return v&typeMask | d.add(b, 4), err
	case typeObject, typeArray:
		fields, err := r.Object(v)
		if err != nil {
			return Null, err
		}
		for i, f := range fields {
			if fields[i], err = d.copyWithin(r, f, depth-1); err != nil {
				return Null, err
			}
		}
		return d.Object(fields...), nil
	default:
		b, err := r.Blob(v)
		return d.Blob(b), err
	}
}
