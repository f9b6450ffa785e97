// SPDX-License-Identifier: Apache-2.0

// Package index writes the lists of packages that opkg and apk download from a
// feed.
package index

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// IPK is a package file in a feed for opkg.
type IPK struct {
	Name string // of the file, relative to the feed's folder
	Data []byte
}

// Text returns opkg's list (the file "Packages") of the given packages, of
// which no two may be versions of the same one. It fails if one is not an .ipk
// file as OpenWrt makes them.
func Text(packages []IPK) ([]byte, error) {
	packages = slices.Clone(packages)
	slices.SortFunc(packages, func(a, b IPK) int { return cmp.Compare(a.Name, b.Name) })
	var out bytes.Buffer
	versions := make(map[string]string) // bounded by the packages
	for _, p := range packages {
		control, err := p.Control()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		name, version := field(control, "Package"), field(control, "Version")
		if other, ok := versions[name]; ok {
			return nil, fmt.Errorf("%s comes as version %s and as %s", name, other, version)
		}
		versions[name] = version
		text, err := p.entry(control)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		out.WriteString(text)
	}
	// usign before 2019-08 computes a wrong hash for some lengths of what it
	// signs (64 bytes of its own come first); OpenWrt avoids them so.
	if tail := (64 + out.Len()) % 128; tail == 110 || tail == 111 {
		out.WriteString("\n\n")
	}
	return out.Bytes(), nil
}

// entry returns the package's part of the list, with the empty line after it.
func (p IPK) entry(control string) (string, error) {
	before, description, ok := strings.Cut(control, "\nDescription:")
	if !ok {
		return "", errors.New("control has no Description")
	}
	var b strings.Builder
	for line := range strings.Lines(before + "\n") {
		switch name, _, _ := strings.Cut(line, ":"); name {
		case "Maintainer", "LicenseFiles", "Source", "SourceName", "Require-User", "SourceDateEpoch":
			// of no use before the installation; OpenWrt leaves them out too
		default:
			b.WriteString(line)
		}
	}
	fmt.Fprintf(&b, "Filename: %s\nSize: %d\nSHA256sum: %x\nDescription:%s\n\n",
		p.Name, len(p.Data), sha256.Sum256(p.Data), strings.TrimRight(description, "\n"))
	return b.String(), nil
}

// Architecture returns for which architecture the package is.
func (p IPK) Architecture() (string, error) {
	control, err := p.Control()
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.Name, err)
	}
	if arch := field(control, "Architecture"); arch != "" {
		return arch, nil
	}
	return "", fmt.Errorf("%s: control has no Architecture", p.Name)
}

// field returns a field of one line; "" if there is none.
func field(control, name string) string {
	for line := range strings.Lines(control) {
		if value, ok := strings.CutPrefix(line, name+": "); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// Control returns the package's description of itself.
func (p IPK) Control() (string, error) {
	inner, err := member(p.Data, "./control.tar.gz")
	if err != nil {
		return "", err
	}
	control, err := member(inner, "./control")
	return string(control), err
}

// member returns a file in a gzip'd tar archive.
func member(archive []byte, name string) ([]byte, error) {
	z, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		return nil, err
	}
	for t := tar.NewReader(z); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("no %s in the package", name)
		}
		if err != nil {
			return nil, err
		}
		if h.Name == name {
			return io.ReadAll(t)
		}
	}
}
