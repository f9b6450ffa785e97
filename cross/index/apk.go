// SPDX-License-Identifier: Apache-2.0

package index

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/latchkey/latchkey/cross/adb"
)

// APK is a package file in a feed for apk.
type APK struct {
	Name string // of the file
	Data []byte
}

// Database returns apk's list (the file "packages.adb") of the given packages,
// signed by key. They must be for the architecture or for all, and no two may
// be versions of the same one.
func Database(packages []APK, arch string, key *adb.Key) ([]byte, error) {
	var opened []*description
	for _, p := range packages {
		d, err := p.open()
		if err == nil {
			err = d.fits(p.Name, arch)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		opened = append(opened, d)
	}
	slices.SortFunc(opened, func(a, b *description) int { return cmp.Compare(a.name, b.name) }) // apk searches by halves
	db := adb.New()
	var entries []adb.Value
	for i, d := range opened {
		if i > 0 && d.name == opened[i-1].name {
			return nil, fmt.Errorf("%s comes as version %s and as %s", d.name, opened[i-1].version, d.version)
		}
		entry, err := d.entry(db)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", d.name, err)
		}
		entries = append(entries, entry)
	}
	list := db.Object(entries...)
	database, err := db.Bytes(db.Object(adb.Null, list))
	if err != nil {
		return nil, err
	}
	return adb.Encode(adb.Index, database, key)
}

// description is what a package says of itself.
type description struct {
	name, version, arch string

	database adb.Reader
	info     []adb.Value
	size     int // bytes of the file
}

func (p APK) open() (*description, error) {
	database, err := adb.Open(adb.Package, p.Data)
	if err != nil {
		return nil, err
	}
	d := &description{database: database, size: len(p.Data)}
	root, err := database.Object(database.Root())
	if err != nil {
		return nil, err
	}
	if len(root) > 0 { // PackageInfo is the first field
		if d.info, err = database.Object(root[adb.PackageInfo-1]); err != nil {
			return nil, err
		}
	}
	if len(d.info) < adb.InfoArch || len(d.info) >= adb.InfoFields {
		return nil, fmt.Errorf("a description of %d fields", len(d.info))
	}
	for _, f := range []struct {
		field int
		to    *string
	}{{adb.InfoName, &d.name}, {adb.InfoVersion, &d.version}, {adb.InfoArch, &d.arch}} {
		text, err := database.Blob(d.info[f.field-1])
		if err != nil {
			return nil, err
		}
		*f.to = string(text)
	}
	return d, nil
}

// fits returns why a router of that architecture would not find the package in
// this file.
func (d *description) fits(file, arch string) error {
	if want := d.name + "-" + d.version + ".apk"; file != want {
		return fmt.Errorf("apk looks for it as %s", want)
	}
	if d.arch != arch && d.arch != "noarch" {
		return fmt.Errorf("it is for %s, not for %s", d.arch, arch)
	}
	return nil
}

// entry adds the description, with the file's size, and with the hash of the
// database in place of the package's own. That one is there, too, as "apk
// mkndx" leaves it, but nothing refers to it.
func (d *description) entry(db *adb.Database) (adb.Value, error) {
	var fields [adb.InfoFields]adb.Value
	for i, v := range d.info {
		var err error
		if fields[i+1], err = db.Copy(d.database, v); err != nil {
			return adb.Null, err
		}
	}
	sum := sha256.Sum256(d.database)
	fields[adb.InfoFileSize] = db.Int(uint64(d.size))
	fields[adb.InfoHashes] = db.Blob(sum[:])
	return db.Object(fields[1:]...), nil
}
