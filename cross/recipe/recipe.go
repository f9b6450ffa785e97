// SPDX-License-Identifier: Apache-2.0

// Package recipe says what Latchkey's packages consist of.
//
// It reads that from the Makefiles by which OpenWrt's own build makes the
// packages, so that both builds install the same files and there is one place
// to change.
package recipe

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/release"
)

// Folders of the sources with a Makefile each.
const (
	routerFolder = "openwrt/latchkey"
	luciFolder   = "luci-app"
)

// routerName is the package with the router's program.
const routerName = "latchkey"

// Router returns the package with the router's program, which is in the file
// binary, for one of OpenWrt's architectures. Root is the folder of go.mod.
func Router(root string, rel release.Release, arch, binary string) (*pack.Package, error) {
	m, err := readMakefile(filepath.Join(root, routerFolder, "Makefile"))
	if err != nil {
		return nil, err
	}
	return m.described(routerName, rel, arch, binary)
}

// Extras returns the packages of the router's Makefile that have no program in
// them, in the order of their names: they are for every architecture.
func Extras(root string, rel release.Release) ([]*pack.Package, error) {
	m, err := readMakefile(filepath.Join(root, routerFolder, "Makefile"))
	if err != nil {
		return nil, err
	}
	var extras []*pack.Package
	for _, define := range slices.Sorted(maps.Keys(m.defines)) {
		name, isPackage := strings.CutPrefix(define, "Package/")
		if !isPackage || name == routerName || strings.Contains(name, "/") {
			continue
		}
		p, err := m.described(name, rel, "all", "")
		if err != nil {
			return nil, err
		}
		extras = append(extras, p)
	}
	return extras, nil
}

// described returns the package that a Makefile describes under a name.
func (m *makefile) described(name string, rel release.Release, arch, binary string) (*pack.Package, error) {
	fields, err := m.fields("Package/" + name)
	if err != nil {
		return nil, err
	}
	for field := range fields {
		if !slices.Contains([]string{"SECTION", "CATEGORY", "SUBMENU", "TITLE", "URL", "DEPENDS", "USERID", "PKGARCH"}, field) {
			return nil, fmt.Errorf("%s: %s: cannot follow %s", m.name, name, field)
		}
	}
	if err := m.hasOnly(name, "description", "conffiles", "postinst", "postrm", "install"); err != nil {
		return nil, err
	}
	if is := cmp.Or(fields["PKGARCH"], arch); is != arch {
		return nil, fmt.Errorf("%s: %s has PKGARCH %q, not %q", m.name, name, is, arch)
	}
	p, err := m.common(name, rel)
	if err != nil {
		return nil, err
	}
	p.Arch = arch
	p.Section = fields["SECTION"]
	p.URL = fields["URL"]
	p.User = fields["USERID"]
	if p.Depends, err = m.depends(fields["DEPENDS"]); err != nil {
		return nil, err
	}
	for _, part := range []struct {
		define string
		text   *string
	}{
		{"description", &p.Description},
		{"postinst", &p.PostInst},
		{"postrm", &p.PostRm},
	} {
		if *part.text, err = m.text("Package/" + name + "/" + part.define); err != nil {
			return nil, err
		}
	}
	keep, err := m.text("Package/" + name + "/conffiles")
	if err != nil {
		return nil, err
	}
	p.Keep = strings.Fields(keep)
	p.Files, err = m.install("Package/"+name+"/install", filepath.Dir(m.name), binary)
	return p, err
}

// common returns the fields that all packages of a Makefile share.
func (m *makefile) common(name string, rel release.Release) (*pack.Package, error) {
	p := &pack.Package{Name: name, Source: "feeds/latchkey/" + name, Time: rel.Time}
	var version, revision string
	for _, field := range []struct {
		variable string
		to       *string
	}{
		{"PKG_VERSION", &version},
		{"PKG_RELEASE", &revision},
		{"PKG_NAME", &p.SourceName},
		{"PKG_LICENSE", &p.License},
		{"PKG_LICENSE_FILES", &p.LicenseFile},
		{"PKG_MAINTAINER", &p.Maintainer},
	} {
		value, err := m.value(field.variable)
		if err != nil {
			return nil, err
		}
		*field.to = value
	}
	if version != "" && version != rel.Version {
		return nil, fmt.Errorf("%s: PKG_VERSION is %q, but the newest version in CHANGELOG.md is %q", m.name, version, rel.Version)
	}
	if revision == "" {
		revision = "1"
	}
	p.Version = rel.Version + "-r" + revision
	return p, nil
}

// install follows an install section. Its commands are those of OpenWrt's
// rules.mk, each with its mode.
func (m *makefile) install(define, folder, binary string) ([]pack.File, error) {
	modes := map[string]fs.FileMode{"INSTALL_BIN": 0o755, "INSTALL_CONF": 0o600, "INSTALL_DATA": 0o644}
	command := regexp.MustCompile(`^\$\((INSTALL_\w+)\) (\S+) \$\(1\)(/\S*)$`)
	var files []pack.File
	for _, line := range m.defines[define] {
		line = strings.TrimSpace(line)
		switch {
		case line == "", line[0] == '#', strings.HasPrefix(line, "$(INSTALL_DIR) "):
			continue // folders come with the files in them
		case line == "$(call GoPackage/Package/Install/Bin,$(1))":
			f, err := read(binary, "/usr/bin/latchkeyd", 0o755)
			if err != nil {
				return nil, err
			}
			files = append(files, f)
			continue
		}
		words := command.FindStringSubmatch(line)
		if words == nil || modes[words[1]] == 0 {
			return nil, fmt.Errorf("%s: %s: cannot follow %q", m.name, define, line)
		}
		source, target := filepath.Join(folder, words[2]), words[3]
		if strings.HasSuffix(target, "/") {
			target += path.Base(words[2])
		}
		f, err := read(source, target, modes[words[1]])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		files = append(files, f)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: %q installs nothing", m.name, "define "+define)
	}
	return files, nil
}

func read(source, target string, mode fs.FileMode) (pack.File, error) {
	data, err := os.ReadFile(source)
	return pack.File{Path: target, Mode: mode, Data: data}, err
}
