// SPDX-License-Identifier: Apache-2.0

package recipe_test

import (
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/release"
)

const routerMakefile = `include $(TOPDIR)/rules.mk

PKG_NAME:=latchkey
PKG_VERSION:=1.2.3
PKG_RELEASE:=2
PKG_SOURCE:=$(PKG_NAME)-$(PKG_VERSION).tar.gz

PKG_MAINTAINER:=A <a@example.net>
PKG_LICENSE:=Apache-2.0
PKG_LICENSE_FILES:=LICENSE

include $(INCLUDE_DIR)/package.mk

define Package/latchkey
  SECTION:=net
  CATEGORY:=Network
  TITLE:=Port knocking
  URL:=https://example.net
  DEPENDS:=$(GO_ARCH_DEPENDS) @!SMALL_FLASH +firewall4 \
    +ucode-mod-socket
  USERID:=latchkey=970:latchkey=970
endef

define Package/latchkey/description
  Doors that open
  for a knock.
endef

define Package/latchkey/conffiles
/etc/config/latchkey
/etc/latchkey/
endef

define Package/latchkey/postinst
#!/bin/sh
[ -n "$${IPKG_INSTROOT}" ] || echo installed
endef

define Package/latchkey/install
	$(call GoPackage/Package/Install/Bin,$(1))
	# the service
	$(INSTALL_DIR) $(1)/etc/init.d $(1)/etc/config
	$(INSTALL_BIN) ./files/latchkey.init $(1)/etc/init.d/latchkey
	$(INSTALL_CONF) ./files/latchkey.config $(1)/etc/config/latchkey
	$(INSTALL_DATA) ./files/page.html $(1)/www/
endef

$(eval $(call GoBinPackage,latchkey))
$(eval $(call BuildPackage,latchkey))
`

func rel() release.Release {
	return release.Release{Version: "1.2.3", Time: time.Unix(1_700_000_000, 0)}
}

// sources writes files into a folder that stands for the sources.
func sources(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		name = filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func router(t *testing.T, makefile string) (*pack.Package, error) {
	root := sources(t, map[string]string{
		"openwrt/latchkey/Makefile":              makefile,
		"openwrt/latchkey/files/latchkey.init":   "init",
		"openwrt/latchkey/files/latchkey.config": "config",
		"openwrt/latchkey/files/page.html":       "page",
		"program":                                "program",
	})
	return recipe.Router(root, rel(), "mips_24kc", filepath.Join(root, "program"))
}

func TestRouter(t *testing.T) {
	got, err := router(t, routerMakefile)
	if err != nil {
		t.Fatal(err)
	}
	want := &pack.Package{
		Name: "latchkey", Version: "1.2.3-r2", Arch: "mips_24kc",
		Depends: []string{"firewall4", "ucode-mod-socket"},
		Source:  "feeds/latchkey/latchkey", SourceName: "latchkey",
		License: "Apache-2.0", LicenseFile: "LICENSE", Section: "net",
		User: "latchkey=970:latchkey=970", URL: "https://example.net", Maintainer: "A <a@example.net>",
		Description: "  Doors that open\n  for a knock.\n",
		Keep:        []string{"/etc/config/latchkey", "/etc/latchkey/"},
		PostInst:    "#!/bin/sh\n[ -n \"${IPKG_INSTROOT}\" ] || echo installed\n",
		Files: []pack.File{
			{Path: "/usr/bin/latchkeyd", Mode: 0o755, Data: []byte("program")},
			{Path: "/etc/init.d/latchkey", Mode: 0o755, Data: []byte("init")},
			{Path: "/etc/config/latchkey", Mode: 0o600, Data: []byte("config")},
			{Path: "/www/page.html", Mode: 0o644, Data: []byte("page")},
		},
		Time: rel().Time,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("package (-want +got):\n%s", diff)
	}
}

func TestExtras_are_for_every_architecture(t *testing.T) {
	makefile := strings.Replace(routerMakefile, "$(eval $(call GoBin", `define Package/latchkey-tell
  SECTION:=utils
  DEPENDS:=+latchkey
  PKGARCH:=all
endef

define Package/latchkey-tell/install
	$(INSTALL_DATA) ./files/page.html $(1)/usr/share/tell
endef

$(eval $(call GoBin`, 1)
	extras := func(makefile string) ([]*pack.Package, error) {
		return recipe.Extras(sources(t, map[string]string{"openwrt/latchkey/Makefile": makefile, "openwrt/latchkey/files/page.html": "page"}), rel())
	}
	got, err := extras(makefile)
	if err != nil {
		t.Fatal(err)
	}
	want := []*pack.Package{{
		Name: "latchkey-tell", Version: "1.2.3-r2", Arch: "all", Depends: []string{"latchkey"}, Section: "utils",
		Source: "feeds/latchkey/latchkey-tell", SourceName: "latchkey", License: "Apache-2.0", LicenseFile: "LICENSE", Maintainer: "A <a@example.net>",
		Files: []pack.File{{Path: "/usr/share/tell", Mode: 0o644, Data: []byte("page")}}, Time: rel().Time,
	}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if _, err := extras(strings.Replace(makefile, "PKGARCH:=all", "PKGARCH:=mips", 1)); err == nil || !strings.Contains(err.Error(), `PKGARCH "mips"`) {
		t.Errorf("another architecture: %v", err)
	}
}

func TestRouter_refuses(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"another version":        {"PKG_VERSION:=1.2.3", "PKG_VERSION:=1.2.2", `PKG_VERSION is "1.2.2", but the newest version in CHANGELOG.md is "1.2.3"`},
		"a command of the shell": {"# the service", "cp -r files/* $(1)/", `cannot follow "cp -r files/* $(1)/"`},
		"a missing file":         {"files/page.html", "files/other.html", "files/other.html: no such file"},
		"a condition":            {"+ucode-mod-socket", "+IPV6:kmod-x", `cannot follow conditional dependency "+IPV6:kmod-x"`},
		"a function":             {"PKG_LICENSE:=Apache-2.0", "PKG_LICENSE:=$(call x,y)", "cannot follow $(call x,y)"},
		"a circle":               {"PKG_LICENSE:=Apache-2.0", "PKG_LICENSE:=$(PKG_LICENSE)", "circle"},
		"a field":                {"  USERID:=", "  CONFLICTS:=knockd\n  USERID:=", "cannot follow CONFLICTS"},
		"a script":               {"define Package/latchkey/postinst", "define Package/latchkey/prerm\nendef\ndefine Package/latchkey/postinst", `cannot follow "define Package/latchkey/prerm"`},
		"no package":             {"define Package/latchkey\n", "define Package/other\n", `no "define Package/latchkey"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := router(t, strings.Replace(routerMakefile, c.from, c.to, 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

const luciMakefile = `PKG_LICENSE:=Apache-2.0
LUCI_TITLE:=Port knocking
LUCI_DEPENDS:=+luci-base +latchkey
`

func TestLuCI(t *testing.T) {
	root := sources(t, map[string]string{
		"luci-app/Makefile":                            luciMakefile,
		"luci-app/htdocs/luci-static/x.js":             "js",
		"luci-app/htdocs/luci-static/.x.js.swp":        "editor's",
		"luci-app/root/usr/share/luci/menu.d/x.json":   "{}",
		"luci-app/tests/x.test.js":                     "not for routers",
		"luci-app/po/templates/latchkey.pot":           "msgid \"Door\"\nmsgstr \"\"\n",
		"luci-app/po/zh_Hans/latchkey.po":              "msgid \"Door\"\nmsgstr \"门\"\n",
		"luci-app/po/de/latchkey.po":                   "msgid \"Door\"\nmsgstr \"\"\n",
		"luci-app/root/etc/uci-defaults/40_executable": "x",
	})
	if err := os.Chmod(filepath.Join(root, "luci-app/root/etc/uci-defaults/40_executable"), 0o700); err != nil {
		t.Fatal(err)
	}
	packages, err := recipe.LuCI(root, rel())
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		Name, Version, Arch string
		Depends             []string
		Files               []string
	}
	var got []row
	for _, p := range packages {
		r := row{Name: p.Name, Version: p.Version, Arch: p.Arch, Depends: p.Depends}
		for _, f := range p.Files {
			r.Files = append(r.Files, f.Mode.String()+" "+f.Path)
		}
		got = append(got, r)
	}
	want := []row{
		{"luci-app-latchkey", "1.2.3-r1", "all", []string{"luci-base", "latchkey"}, []string{
			"-rw-r--r-- /www/luci-static/x.js",
			"-rwxr-xr-x /etc/uci-defaults/40_executable",
			"-rw-r--r-- /usr/share/luci/menu.d/x.json",
		}},
		{"luci-i18n-latchkey-zh-cn", "1.2.3-r1", "all", []string{"luci-app-latchkey"}, []string{
			"-rw-r--r-- /usr/lib/lua/luci/i18n/latchkey.zh-cn.lmo",
			"-rw-r--r-- /etc/uci-defaults/luci-i18n-latchkey-zh-cn",
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	if got, want := string(packages[1].Files[1].Data), "uci set luci.languages.zh_cn='简体中文 (Chinese Simplified)'; uci commit luci\n"; got != want {
		t.Errorf("uci-defaults is %q, want %q", got, want)
	}
}

func TestLuCI_refuses(t *testing.T) {
	for name, c := range map[string]struct{ file, text, want string }{
		"unknown language":   {"luci-app/po/xx/latchkey.po", "", `language "xx"`},
		"broken translation": {"luci-app/po/de/latchkey.po", "msgid \"x\n", "latchkey.po: line 1: "},
		"nothing to install": {"luci-app/tests/x", "", "nothing in htdocs"},
		"a script":           {"luci-app/Makefile", luciMakefile + "define Package/luci-app-latchkey/prerm\nendef\n", `cannot follow "define Package/luci-app-latchkey/prerm"`},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{"luci-app/Makefile": luciMakefile, c.file: c.text}
			if name != "nothing to install" {
				files["luci-app/htdocs/x.js"] = ""
			}
			_, err := recipe.LuCI(sources(t, files), rel())
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

// The folders that are only ours are gone after a removal, with opkg too.
func TestLuCI_removes_its_folders(t *testing.T) {
	rel := release.Release{Version: "0.0.0", Time: rel().Time}
	packages, err := recipe.LuCI("../..", rel)
	if err != nil {
		t.Fatal(err)
	}
	removed := strings.Fields(packages[0].PostRm)
	for _, f := range packages[0].Files {
		folder := path.Dir(f.Path)
		if path.Base(folder) == "latchkey" && !slices.Contains(removed, folder) {
			t.Errorf("%s is left behind by\n%s", folder, packages[0].PostRm)
		}
	}
	for _, p := range packages[1:] {
		if p.PostRm != "" {
			t.Errorf("%s, too, has the steps\n%s", p.Name, p.PostRm)
		}
	}
}
