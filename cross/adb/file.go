// SPDX-License-Identifier: Apache-2.0

package adb

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/latchkey/latchkey/cross/dense"
)

// Schema says what the database in a file describes.
type Schema string

const (
	Package Schema = "pckg"
	Index   Schema = "indx" // of a repository
)

// The first bytes of a file, before its schema.
const (
	plain    = "ADB."
	deflated = "ADBd" // then a plain file in the format of RFC 1951
)

// The blocks of a plain file, in this order, are one with the database, any
// number with signatures, and any with data.
const (
	blockDatabase  = 0
	blockSignature = 1
	blockData      = 2

	blockAlign  = 8
	blockHeader = 4         // bytes for the type, in 2 bits, and the size
	mostBlock   = 1<<30 - 1 // bytes of a block with its header; there is a form for larger ones that nothing here needs
)

// Encode returns a file: the database, signed if there is a key, then blocks
// with data. It is compressed.
func Encode(schema Schema, database []byte, key *Key, data ...[]byte) ([]byte, error) {
	file := append([]byte(plain), schema...)
	file, err := appendBlock(file, blockDatabase, database)
	if err != nil {
		return nil, err
	}
	if key != nil {
		signature, err := key.sign(schema, database)
		if err != nil {
			return nil, err
		}
		if file, err = appendBlock(file, blockSignature, signature); err != nil {
			return nil, err
		}
	}
	for _, d := range data {
		if file, err = appendBlock(file, blockData, d); err != nil {
			return nil, err
		}
	}
	return append([]byte(deflated), dense.Deflate(file)...), nil
}

func appendBlock(file []byte, kind uint32, payload []byte) ([]byte, error) {
	size := blockHeader + len(payload)
	if size > mostBlock {
		return nil, fmt.Errorf("a block of %d bytes: %w: %d", size, errTooLarge, mostBlock)
	}
	file = binary.LittleEndian.AppendUint32(file, kind<<30|uint32(size))
	file = append(file, payload...)
	return append(file, make([]byte, -len(file)&(blockAlign-1))...), nil
}

// Open returns the database in a file, compressed or not. It does not look at
// signatures.
func Open(schema Schema, file []byte) (Reader, error) {
	if compressed, ok := bytes.CutPrefix(file, []byte(deflated)); ok {
		var err error
		if file, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(compressed)), mostBlock)); err != nil {
			return nil, err
		}
	}
	rest, ok := bytes.CutPrefix(file, []byte(plain+schema))
	if !ok {
		return nil, fmt.Errorf("not a file of apk-tools 3 with schema %q", schema)
	}
	if len(rest) < blockHeader {
		return nil, errShort
	}
	block := binary.LittleEndian.Uint32(rest)
	size := int(block & mostBlock)
	if block>>30 != blockDatabase || size < blockHeader+headerSize || size > len(rest) {
		return nil, errShort
	}
	return Reader(rest[blockHeader:size]), nil
}
