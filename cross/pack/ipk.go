// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"github.com/latchkey/latchkey/cross/dense"
)

// The first and last steps of opkg are the same for all packages of OpenWrt:
// functions of its base-files make the user, run /etc/uci-defaults, then
// "postinst-pkg", and enable and start what is in /etc/init.d, or stop and
// disable it.
const (
	opkgPostInst = `#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_postinst $0 $@
`
	opkgPreRm = `#!/bin/sh
[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
default_prerm $0 $@
`
)

// IPKName is the file name of the package for opkg.
func (p *Package) IPKName() string {
	return fmt.Sprintf("%s_%s_%s.ipk", p.Name, p.Version, p.Arch)
}

// Archives are the compressed contents of packages. Packages for several
// architectures can have the same program, and to compress it takes most of the
// time. The zero value holds none. Limit: one for each package of a release.
type Archives struct {
	made map[[sha256.Size]byte][]byte // by the sum of what is compressed
}

// gzip compresses an archive that was not compressed before.
func (a *Archives) gzip(tar []byte) []byte {
	sum := sha256.Sum256(tar)
	if _, ok := a.made[sum]; !ok {
		if a.made == nil {
			a.made = make(map[[sha256.Size]byte][]byte)
		}
		a.made[sum] = dense.Gzip(tar)
	}
	return a.made[sum]
}

// WriteIPK writes the package for opkg: a gzip'd tar archive of three members,
// two of which are such archives again. The same package gives the same bytes.
func (p *Package) WriteIPK(w io.Writer) error { return new(Archives).WriteIPK(p, w) }

// WriteIPK writes the package for opkg as Package.WriteIPK does, and compresses
// only what it has not compressed for a package before.
func (a *Archives) WriteIPK(p *Package, w io.Writer) error {
	if err := p.Check(); err != nil {
		return err
	}
	data, err := archive(p.contents(), p.Time)
	if err != nil {
		return fmt.Errorf("package %q: data: %w", p.Name, err)
	}
	control, err := archive(p.control(len(data)), p.Time)
	if err != nil {
		return fmt.Errorf("package %q: control: %w", p.Name, err)
	}

	var members bytes.Buffer
	t := tar.NewWriter(&members)
	for _, f := range []File{
		{Path: "/debian-binary", Mode: 0o644, Data: []byte("2.0\n")},
		{Path: "/data.tar.gz", Mode: 0o644, Data: a.gzip(data)},
		{Path: "/control.tar.gz", Mode: 0o644, Data: dense.Gzip(control)},
	} {
		if err := writeFile(t, f, p.Time); err != nil {
			return fmt.Errorf("package %q: %s: %w", p.Name, f.Path, err)
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	_, err = w.Write(dense.Gzip(members.Bytes()))
	return err
}

// control returns the members of control.tar.gz, sorted.
func (p *Package) control(installedSize int) []File {
	var files []File
	add := func(name string, executable bool, text string) {
		f := File{Path: "/" + name, Mode: 0o644, Data: []byte(text)}
		if executable {
			f.Mode = 0o755
		}
		files = append(files, f)
	}
	if keep := p.conffiles(); len(keep) > 0 {
		add("conffiles", false, strings.Join(keep, "\n")+"\n")
	}
	add("control", false, p.fields(installedSize))
	add("postinst", true, opkgPostInst)
	if p.PostInst != "" {
		add("postinst-pkg", true, p.PostInst)
	}
	if p.PostRm != "" {
		add("postrm", true, p.PostRm)
	}
	add("prerm", true, opkgPreRm)
	return files
}

// archive returns a tar archive of the files, which must be sorted by path, and
// of the folders they are in.
func archive(files []File, mtime time.Time) ([]byte, error) {
	var out bytes.Buffer
	t := tar.NewWriter(&out)
	written := make(map[string]bool) // bounded by the folders of one package
	for _, f := range files {
		if err := writeFolders(t, path.Dir(f.Path), mtime, written); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
		if err := writeFile(t, f, mtime); err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	if err := t.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// writeFolders writes the folder and those above it that are not written yet.
func writeFolders(t *tar.Writer, folder string, mtime time.Time, written map[string]bool) error {
	if written[folder] {
		return nil
	}
	written[folder] = true
	if folder != "/" {
		if err := writeFolders(t, path.Dir(folder), mtime, written); err != nil {
			return err
		}
	}
	h := header(tar.TypeDir, strings.TrimSuffix("."+folder, "/")+"/", 0o755, mtime)
	return t.WriteHeader(h)
}

func writeFile(t *tar.Writer, f File, mtime time.Time) error {
	h := header(tar.TypeReg, "."+f.Path, int64(f.Mode.Perm()), mtime)
	h.Size = int64(len(f.Data))
	if err := t.WriteHeader(h); err != nil {
		return err
	}
	_, err := t.Write(f.Data)
	return err
}

// header describes a member that belongs to root, whose name is left out as
// routers need only the numbers. The format is GNU's because opkg refuses the
// extended headers of PAX, and names begin with "./" because OpenWrt's index
// script looks for them so.
func header(kind byte, name string, mode int64, mtime time.Time) *tar.Header {
	return &tar.Header{Typeflag: kind, Name: name, Mode: mode, ModTime: mtime, Format: tar.FormatGNU}
}
