// SPDX-License-Identifier: Apache-2.0

package recipe_test

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/release"
)

// openwrt stands for what the feed's Makefile includes of OpenWrt's build. Of each package that is to be built it writes
// what it says, field by field, and has make install the files.
var openwrt = map[string]string{
	"rules.mk": `INCLUDE_DIR := $(TOPDIR)/include
INSTALL_DIR := install -d -m0755
INSTALL_BIN := install -m0755
INSTALL_DATA := install -m0644
INSTALL_CONF := install -m0600
`,
	"include/package.mk": `FIELDS := SECTION DEPENDS URL USERID PKGARCH
SOURCE := PKG_NAME PKG_VERSION PKG_RELEASE PKG_LICENSE PKG_LICENSE_FILES PKG_MAINTAINER
PARTS := description conffiles postinst postrm
all:
define BuildPackage
$(foreach v,$(FIELDS),$(eval $(v):=))
$(eval $(Package/$(1)))
$(shell mkdir -p $(OUT)/$(1)/root)
$(foreach v,$(FIELDS) $(SOURCE),$(file >$(OUT)/$(1)/$(v),$($(v))))
$(foreach v,$(PARTS),$(file >$(OUT)/$(1)/$(v),$(Package/$(1)/$(v))))
all: $(1)
$(1):
	$(call Package/$(1)/install,$(OUT)/$(1)/root)
endef
`,
	"feeds/packages/lang/golang/golang-package.mk": `GO_ARCH_DEPENDS := @(aarch64||mipsel)
define GoBinPackage
endef
define GoPackage/Package/Install/Bin
install -d -m0755 $(1)/usr/bin
	install -m0755 $(PROGRAM) $(1)/usr/bin/latchkeyd
endef
`,
}

// The packages of command packages are those that the feed's Makefile makes where make itself reads it: the same ones,
// with the same files, modes, dependencies and scripts.
func TestPackages_are_what_make_makes_of_the_Makefile(t *testing.T) {
	program := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(program, []byte("program"), 0o600); err != nil {
		t.Fatal(err)
	}
	rel, err := release.Read("../..", os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	router, err := recipe.Router("../..", rel, "mips_24kc", program)
	if err != nil {
		t.Fatal(err)
	}
	extras, err := recipe.Extras("../..", rel)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*pack.Package{}
	for _, p := range append(extras, router) {
		p.Source, p.Time = "", rel.Time // not the Makefile's
		slices.SortFunc(p.Files, func(a, b pack.File) int { return strings.Compare(a.Path, b.Path) })
		got[p.Name] = p
	}
	want := made(t, "../../openwrt/latchkey", program)
	for _, p := range want {
		p.Time = rel.Time
		if p.Arch == "" {
			p.Arch = "mips_24kc"
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-make +recipe):\n%s", diff)
	}
	if len(want) < 4 {
		t.Errorf("make makes %d packages", len(want))
	}
}

// made returns the packages that make makes of a folder's Makefile, by their names.
func made(t *testing.T, folder, program string) map[string]*pack.Package {
	t.Helper()
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("SKIP: no make")
	}
	out := t.TempDir()
	cmd := exec.Command("make", "-s", "-C", folder, "TOPDIR="+sources(t, openwrt), "OUT="+out, "PROGRAM="+program)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make: %v\n%s", err, text)
	}
	folders, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	packages := map[string]*pack.Package{}
	for _, f := range folders {
		at := filepath.Join(out, f.Name())
		text := func(name string) string { // make has no line break at its end, or too many
			b, err := os.ReadFile(filepath.Join(at, name))
			if err != nil {
				t.Fatal(err)
			}
			return strings.Trim(string(b), "\n")
		}
		lines := func(name string) string {
			if s := text(name); s != "" {
				return s + "\n"
			}
			return ""
		}
		p := &pack.Package{
			Name: f.Name(), Version: text("PKG_VERSION") + "-r" + text("PKG_RELEASE"), Arch: text("PKGARCH"),
			SourceName: text("PKG_NAME"), License: text("PKG_LICENSE"), LicenseFile: text("PKG_LICENSE_FILES"), Maintainer: text("PKG_MAINTAINER"),
			Section: text("SECTION"), URL: text("URL"), User: text("USERID"),
			Description: lines("description"), PostInst: lines("postinst"), PostRm: lines("postrm"), Keep: strings.Fields(text("conffiles")),
			Files: installed(t, filepath.Join(at, "root")),
		}
		for _, word := range strings.Fields(text("DEPENDS")) {
			if !strings.HasPrefix(word, "@") {
				p.Depends = append(p.Depends, strings.TrimPrefix(word, "+"))
			}
		}
		packages[p.Name] = p
	}
	return packages
}

// installed returns the files below a folder. A folder without any would be in no package.
func installed(t *testing.T, root string) (files []pack.File) {
	t.Helper()
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			entries, err := os.ReadDir(name)
			if err == nil && len(entries) == 0 {
				t.Errorf("%s is a folder with nothing in it", name)
			}
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(name)
		files = append(files, pack.File{Path: path.Join("/", strings.TrimPrefix(name, root)), Mode: info.Mode(), Data: bytes.Clone(data)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(files, func(a, b pack.File) int { return strings.Compare(a.Path, b.Path) })
	return files
}
