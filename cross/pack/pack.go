// SPDX-License-Identifier: Apache-2.0

// Package pack writes software packages for OpenWrt.
//
// It knows what OpenWrt expects to find in an .ipk and in an .apk file. It does
// not know what Latchkey consists of: that is read from the feed's Makefile by
// package recipe.
package pack

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// File is one regular file of a package. It belongs to root.
type File struct {
	Path string      // absolute, clean, as on the router
	Mode fs.FileMode // permission bits
	Data []byte
}

// Package is everything that is written into a package.
type Package struct {
	Name    string
	Version string // with the packaging revision: "1.2.3-r1"
	Arch    string // "all" for packages without machine code

	Depends     []string
	Source      string // path of the package in its feed
	SourceName  string // name of the source package
	License     string // SPDX identifier
	LicenseFile string
	Section     string
	User        string // "user=uid:group=gid" to be made at installation, or empty
	URL         string
	Maintainer  string
	Description string // one or more lines

	// Keep lists what sysupgrade and a later package version must leave as it
	// is: files, and folders that end with a slash.
	Keep []string

	Files    []File
	PostInst string // shell text of the package's own for an installation
	PostRm   string // the same for after a removal

	Time time.Time // of every file, in whole seconds
}

// Check returns an error that names everything for which a package manager, or
// a router with that package, would not work.
func (p *Package) Check() error {
	var problems []error
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("package %q: "+format, append([]any{p.Name}, args...)...))
	}
	for _, field := range []struct {
		name, value string
		valid       *regexp.Regexp
	}{
		{"name", p.Name, regexp.MustCompile(`^[a-z0-9][a-z0-9.+-]*$`)},
		{"version", p.Version, regexp.MustCompile(`^[0-9]+(\.[0-9]+)*-r[0-9]+$`)}, // what both opkg and apk can compare
		{"architecture", p.Arch, regexp.MustCompile(`^[a-z0-9][a-z0-9_+-]*$`)},
		{"description", p.Description, regexp.MustCompile(`\S`)},
		{"user", p.User, regexp.MustCompile(`^([a-z0-9_-]+=[0-9]+:[a-z0-9_-]+=[0-9]+)?$`)},
	} {
		if !field.valid.MatchString(field.value) {
			bad("%s %q does not match %s", field.name, field.value, field.valid)
		}
	}
	for _, field := range []string{p.Source, p.SourceName, p.License, p.LicenseFile, p.Section, p.URL, p.Maintainer} {
		if strings.ContainsAny(field, "\r\n") {
			bad("field value %q spans several lines", field)
		}
	}
	for _, name := range p.Depends {
		if !regexp.MustCompile(`^[a-z0-9][a-z0-9.+_-]*$`).MatchString(name) {
			bad("dependency %q is not the name of a package", name)
		}
	}
	seen := make(map[string]bool, len(p.Files))
	for _, f := range p.Files {
		switch {
		case !path.IsAbs(f.Path) || path.Clean(f.Path) != f.Path:
			bad("path %q is not absolute and clean", f.Path)
		case f.Mode&^fs.ModePerm != 0:
			bad("file %s: mode %v has more than permission bits", f.Path, f.Mode)
		case seen[f.Path]:
			bad("file %s comes twice", f.Path)
		}
		seen[f.Path] = true
	}
	if p.Time.Unix() <= 0 {
		bad("time %v is not after 1970", p.Time)
	}
	return errors.Join(problems...)
}

// conffiles returns those files of the package that Keep names, sorted.
func (p *Package) conffiles() []string {
	var found []string
	for _, f := range p.Files {
		if slices.ContainsFunc(p.Keep, func(keep string) bool { return covers(keep, f.Path) }) {
			found = append(found, f.Path)
		}
	}
	slices.Sort(found)
	return found
}

// covers reports whether an entry of Keep is about the file.
func covers(keep, file string) bool {
	return keep == file || strings.HasSuffix(keep, "/") && strings.HasPrefix(file, keep)
}

// contents returns the files of the package sorted by path, with the list for
// sysupgrade that OpenWrt's build adds for what Keep names but the package
// does not bring (package-pack.mk): sysupgrade learns of the rest from the
// package manager's own records.
func (p *Package) contents() []File {
	files := slices.Clone(p.Files)
	var missing bytes.Buffer
	for _, keep := range p.Keep {
		if !slices.ContainsFunc(p.Files, func(f File) bool { return f.Path == keep }) {
			fmt.Fprintln(&missing, keep)
		}
	}
	if missing.Len() > 0 {
		files = append(files, File{Path: "/lib/upgrade/keep.d/" + p.Name, Mode: 0o644, Data: missing.Bytes()})
	}
	return sorted(files)
}

// sorted sorts files by path.
func sorted(files []File) []File {
	slices.SortFunc(files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	return files
}

// fields returns the text that describes the package, in OpenWrt's order.
// Fields without a value are left out: opkg crashes on an empty Depends.
func (p *Package) fields(installedSize int) string {
	var b strings.Builder
	for _, f := range []struct{ name, value string }{
		{"Package", p.Name},
		{"Version", p.Version},
		{"Depends", strings.Join(p.Depends, ", ")},
		{"Source", p.Source},
		{"SourceName", p.SourceName},
		{"License", p.License},
		{"LicenseFiles", p.LicenseFile},
		{"Section", p.Section},
		{"Require-User", p.User},
		{"SourceDateEpoch", fmt.Sprint(p.Time.Unix())},
		{"URL", p.URL},
		{"Maintainer", p.Maintainer},
		{"Architecture", p.Arch},
		{"Installed-Size", fmt.Sprint(installedSize)},
	} {
		if f.value != "" {
			fmt.Fprintf(&b, "%s: %s\n", f.name, f.value)
		}
	}
	b.WriteString("Description: ")
	for line := range strings.Lines(p.Description) {
		fmt.Fprintf(&b, " %s\n", strings.TrimSpace(line))
	}
	return b.String()
}
