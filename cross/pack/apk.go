// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/adb"
)

// APKName is the file name of the package for apk, which asks a repository for
// no other.
func (p *Package) APKName() string {
	return p.Name + "-" + p.Version + ".apk"
}

// WriteAPK writes the package for apk: a database that describes it, then each
// file's data. The same package gives the same bytes, in the database those of
// "apk mkpkg". It is not signed: OpenWrt signs the index of a repository, and
// that has the hash of each package.
func (p *Package) WriteAPK(w io.Writer) error {
	if err := p.Check(); err != nil {
		return err
	}
	file, err := p.apk()
	if err != nil {
		return fmt.Errorf("package %q: %w", p.Name, err)
	}
	_, err = w.Write(file)
	return err
}

func (p *Package) apk() ([]byte, error) {
	db := adb.New()
	info := p.apkInfo(db)
	files := p.apkContents()
	folders, data, size := apkFolders(db, files, uint64(p.Time.Unix()))
	info[adb.InfoInstalledSize] = db.Int(max(1, size))

	// What is in the database is hashed, and the hash put into it.
	id := db.Room(adb.IDSize)
	info[adb.InfoHashes] = id
	root := db.Object(db.Object(info[1:]...), db.Object(folders...), p.apkScripts(db))
	database, err := db.Bytes(root)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(database)
	db.Fill(id, sum[:adb.IDSize])
	return adb.Encode(adb.Package, database, nil, data...)
}

// apkInfo returns the fields that are known without the files.
func (p *Package) apkInfo(db *adb.Database) (info [adb.InfoFields]adb.Value) {
	for _, f := range []struct {
		field int
		value string
	}{
		{adb.InfoName, p.Name},
		{adb.InfoVersion, p.Version},
		{adb.InfoDescription, strings.Join(strings.Fields(p.Description), " ")},
		{adb.InfoArch, apkArch(p.Arch)},
		{adb.InfoLicense, p.License},
		{adb.InfoOrigin, p.Source},
		{adb.InfoMaintainer, p.Maintainer},
		{adb.InfoURL, p.URL},
	} {
		info[f.field] = db.String(f.value)
	}
	var depends []adb.Value
	for _, name := range slices.Compact(slices.Sorted(slices.Values(p.Depends))) {
		depends = append(depends, db.Object(db.String(name)))
	}
	info[adb.InfoDepends] = db.Object(depends...)
	if p.Section != "" {
		info[adb.InfoTags] = db.Object(db.String("openwrt:section=" + p.Section))
	}
	return info
}

// apkArch translates OpenWrt's name for packages without machine code.
func apkArch(arch string) string {
	if arch == "all" {
		return "noarch"
	}
	return arch
}

// apkFolders adds all folders, and the files in them. The root folder is the
// one without a name. Data are the blocks for the files that are not empty.
func apkFolders(db *adb.Database, files []File, mtime uint64) (folders []adb.Value, data [][]byte, size uint64) {
	inFolder := map[string][]File{"/": nil} // bounded by the files
	for _, f := range files {
		folder := path.Dir(f.Path)
		inFolder[folder] = append(inFolder[folder], f)
		for folder != "/" {
			folder = path.Dir(folder)
			if _, ok := inFolder[folder]; !ok {
				inFolder[folder] = nil // those without files are there, too
			}
		}
	}
	for _, folder := range slices.Sorted(maps.Keys(inFolder)) {
		var members []adb.Value
		for _, f := range inFolder[folder] {
			members = append(members, apkFile(db, f, mtime))
			size += uint64(len(f.Data))
			if len(f.Data) > 0 {
				data = append(data, apkData(len(folders)+1, len(members), f.Data))
			}
		}
		name := db.String(strings.TrimPrefix(folder, "/"))
		folders = append(folders, db.Object(name, apkAccess(db, 0o755), db.Object(members...)))
	}
	return folders, data, size
}

// apkData returns the block of a file, which is named by the number of its
// folder and by its own number there, from 1 on.
func apkData(folder, file int, data []byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(folder))
	b = binary.LittleEndian.AppendUint32(b, uint32(file))
	return append(b, data...)
}

func apkFile(db *adb.Database, f File, mtime uint64) adb.Value {
	sum := sha256.Sum256(f.Data)
	name, hash, time := db.String(path.Base(f.Path)), db.Blob(sum[:]), db.Int(mtime)
	return db.Object(name, apkAccess(db, uint64(f.Mode.Perm())), db.Int(uint64(len(f.Data))), time, hash)
}

func apkAccess(db *adb.Database, mode uint64) adb.Value {
	root := db.String("root")
	return db.Object(db.Int(mode), root, root)
}
