// SPDX-License-Identifier: Apache-2.0

// Package apktest looks at the files of apk-tools 3 as others do, for tests:
// with a reader of its own, and with apk itself where it is at hand.
//
// The reader shares nothing with package adb, which writes the files, and
// believes nothing. Files and dumps of apk-tools hold it to the format.
package apktest

import (
	"bytes"
	"compress/flate"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
)

// File is a package or an index.
type File struct {
	Plain    []byte // without compression
	Database []byte
	Root     Tree
	Data     map[string][]byte // of a package's files, by their paths from the root
	Text     string            // as "apk adbdump" prints it, without its lines on signatures

	schema     string
	signatures [][]byte
	sizes      []int // of the blocks with data
}

// Read takes a file apart, and looks whether everything in it fits together.
func Read(file []byte) (*File, error) {
	f := &File{Plain: file, Data: make(map[string][]byte)}
	if compressed, ok := bytes.CutPrefix(file, []byte("ADBd")); ok {
		rest := bytes.NewReader(compressed)
		plain, err := io.ReadAll(flate.NewReader(rest))
		if err != nil || rest.Len() > 0 {
			return nil, fmt.Errorf("deflate: %w, %d bytes are left", err, rest.Len())
		}
		f.Plain = plain
	}
	rest, ok := bytes.CutPrefix(f.Plain, []byte("ADB."))
	if !ok || len(rest) < 4 {
		return nil, fmt.Errorf("begins with %q", f.Plain[:min(4, len(f.Plain))])
	}
	f.schema, rest = string(rest[:4]), rest[4:]
	var data [][]byte
	last := uint32(0)
	for n := 0; len(rest) > 0; n++ {
		kind, payload, after, err := block(rest)
		if err != nil || kind < last || (kind == 0) != (n == 0) {
			return nil, fmt.Errorf("block %d is of kind %d, after %d: %w", n, kind, last, err)
		}
		last, rest = kind, after
		switch kind {
		case 0:
			f.Database = payload
		case 1:
			f.signatures = append(f.signatures, payload)
		default:
			data = append(data, payload)
			f.sizes = append(f.sizes, len(payload))
		}
	}
	if err := f.read(); err != nil {
		return nil, err
	}
	return f, f.fit(data)
}

// block takes the first block off.
func block(rest []byte) (kind uint32, payload, after []byte, err error) {
	if len(rest) < 8 {
		return 0, nil, nil, errors.New("cut off")
	}
	head := binary.LittleEndian.Uint32(rest)
	kind, size := head>>30, int(head&0x3fffffff)
	padded := (size + 7) / 8 * 8
	if size < 4 || padded > len(rest) || kind > 2 {
		return kind, nil, nil, fmt.Errorf("%d bytes of %d", size, len(rest))
	}
	if padding := rest[size:padded]; len(bytes.Trim(padding, "\x00")) > 0 {
		return kind, nil, nil, fmt.Errorf("padding % x", padding)
	}
	return kind, rest[4:size], rest[padded:], nil
}

// read reads the database.
func (f *File) read() error {
	shapes := map[string]shape{"pckg": packageShape(), "indx": indexShape()}
	s, ok := shapes[f.schema]
	if !ok || len(f.Database) < 8 || binary.LittleEndian.Uint32(f.Database) != 0 {
		return fmt.Errorf("schema %q, database of %d bytes", f.schema, len(f.Database))
	}
	var err error
	if f.Root, err = tree(f.Database, binary.LittleEndian.Uint32(f.Database[4:]), s); err != nil {
		return err
	}
	var out strings.Builder
	id := []byte(f.schema)
	fmt.Fprintf(&out, "#%%SCHEMA: %02X%02X%02X%02X\n", id[3], id[2], id[1], id[0])
	fmt.Fprintf(&out, "# ADB block, size: %d, compat: 0, ver: 0\n", len(f.Database))
	f.Root.dump(&out, "")
	for _, size := range f.sizes {
		fmt.Fprintf(&out, "# data block, size: %d\n", size)
	}
	f.Text = out.String()
	return nil
}

// fit compares a package's database with its data and with its own hash.
func (f *File) fit(data [][]byte) error {
	if f.schema != "pckg" {
		if len(data) > 0 {
			return errors.New("an index has data")
		}
		return nil
	}
	size := 0
	for i, folder := range f.Root.Get("paths").Members {
		for j, file := range folder.Get("files").Members {
			name := path.Join("/", folder.Get("name").Text, file.Get("name").Text)
			if file.Get("target").Text != "" {
				continue // a link
			}
			var content []byte
			if file.Get("size").Text != "0" {
				head := binary.LittleEndian.AppendUint32(nil, uint32(i+1))
				head = binary.LittleEndian.AppendUint32(head, uint32(j+1))
				if len(data) == 0 || !bytes.HasPrefix(data[0], head) {
					return fmt.Errorf("%s has no data in its place", name)
				}
				content, data = data[0][len(head):], data[1:]
			}
			sum := sha256.Sum256(content)
			if fmt.Sprint(len(content)) != file.Get("size").Text || hex.EncodeToString(sum[:]) != file.Get("hash").Text {
				return fmt.Errorf("%s: %d bytes with hash %x are not what the package says", name, len(content), sum)
			}
			size += len(content)
			f.Data[name] = content
		}
	}
	if len(data) > 0 {
		return fmt.Errorf("%d blocks with data belong to no file", len(data))
	}
	info := f.Root.Get("info")
	if installed := info.Get("installed-size").Text; len(f.Data) > 0 && installed != fmt.Sprint(max(1, size)) {
		return fmt.Errorf("installed-size is %s, not %d", installed, size)
	}
	hashes := info.Get("hashes")
	zeroed := bytes.Clone(f.Database)
	copy(zeroed[hashes.at+1:], make([]byte, 20))
	if sum := sha256.Sum256(zeroed); hashes.Text != hex.EncodeToString(sum[:20]) {
		return fmt.Errorf("hashes is %s, not %x", hashes.Text, sum[:20])
	}
	return nil
}

// VerifiedBy reports whether the file has a signature by the secret half of a
// public key in PEM.
func (f *File) VerifiedBy(public []byte) error {
	block, _ := pem.Decode(public)
	if block == nil || block.Type != "PUBLIC KEY" {
		return errors.New("no PEM file of a public key")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return err
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("no ECDSA key")
	}
	point, err := key.Bytes()
	if err != nil {
		return err
	}
	id := sha512.Sum512(point)
	sum := sha512.Sum512(f.Database)
	for _, s := range f.signatures {
		if len(s) < 18 || s[0] != 0 || s[1] != 4 || !bytes.Equal(s[2:18], id[:16]) {
			continue
		}
		signed := sha512.Sum512(bytes.Join([][]byte{[]byte(f.schema), s[:18], sum[:]}, nil))
		if ecdsa.VerifyASN1(key, signed[:], s[18:]) {
			return nil
		}
	}
	return fmt.Errorf("none of %d signatures is by that key", len(f.signatures))
}
