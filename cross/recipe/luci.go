// SPDX-License-Identifier: Apache-2.0

package recipe

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/latchkey/latchkey/cross/lmo"
	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/release"
)

// luciName is the package with the pages for LuCI.
const luciName = "luci-app-latchkey"

// reloadLuCI makes a running router notice new pages, as luci.mk does.
const reloadLuCI = `#!/bin/sh
[ -n "${IPKG_INSTROOT}" ] || {
	rm -f /tmp/luci-indexcache*
	rm -rf /tmp/luci-modulecache/
	killall -HUP rpcd 2>/dev/null
	exit 0
}
`

// LuCI returns the package with the pages for LuCI, and one for each language
// that they are translated into. Luci.mk makes the same from the same folders.
func LuCI(root string, rel release.Release) ([]*pack.Package, error) {
	folder := filepath.Join(root, luciFolder)
	m, err := readMakefile(filepath.Join(folder, "Makefile"))
	if err != nil {
		return nil, err
	}
	if err := m.hasOnly(luciName, "postrm"); err != nil {
		return nil, err
	}
	app, err := m.common(luciName, rel)
	if err != nil {
		return nil, err
	}
	app.Arch = "all"
	app.Section = "luci"
	app.PostInst = reloadLuCI
	if app.PostRm, err = m.text("Package/" + luciName + "/postrm"); err != nil {
		return nil, err
	}
	for _, field := range []struct {
		variable string
		to       *string
	}{
		{"LUCI_TITLE", &app.Description}, // unless there is a longer one
		{"LUCI_DESCRIPTION", &app.Description},
		{"LUCI_URL", &app.URL},
	} {
		value, err := m.value(field.variable)
		if err != nil {
			return nil, err
		}
		if value != "" {
			*field.to = value
		}
	}
	if app.Depends, err = m.depends(m.values["LUCI_DEPENDS"]); err != nil {
		return nil, err
	}
	for _, part := range []struct{ folder, target string }{
		{"htdocs", "/www"},
		{"root", "/"},
		{"ucode", "/usr/share/ucode/luci"},
	} {
		files, err := tree(filepath.Join(folder, part.folder), part.target)
		if err != nil {
			return nil, err
		}
		app.Files = append(app.Files, files...)
	}
	if len(app.Files) == 0 {
		return nil, fmt.Errorf("%s: nothing in htdocs, root and ucode", folder)
	}
	translations, err := translations(filepath.Join(folder, "po"), app)
	if err != nil {
		return nil, err
	}
	return append([]*pack.Package{app}, translations...), nil
}

// tree returns all files of a folder; none if there is no such folder. Modes
// are one of two, as those of a checkout depend on the umask.
func tree(folder, target string) ([]pack.File, error) {
	if _, err := os.Stat(folder); os.IsNotExist(err) {
		return nil, nil
	}
	var files []pack.File
	err := fs.WalkDir(os.DirFS(folder), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s: neither a file nor a folder", filepath.Join(folder, name))
		}
		if strings.HasPrefix(entry.Name(), ".") || strings.HasSuffix(entry.Name(), "~") {
			return nil // an editor's
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o100 != 0 {
			mode = 0o755
		}
		f, err := read(filepath.Join(folder, name), path.Join(target, name), mode)
		files = append(files, f)
		return err
	})
	return files, err
}

// language is a language as luci.mk knows it.
type language struct {
	folder string // of the .po files
	tag    string // in the names of the package and of LuCI's file
	title  string // in LuCI's list of languages
}

func languages() []language {
	return []language{
		{"de", "de", "Deutsch (German)"},
		{"es", "es", "Español (Spanish)"},
		{"fr", "fr", "Français (French)"},
		{"ru", "ru", "Русский (Russian)"},
		{"zh_Hans", "zh-cn", "简体中文 (Chinese Simplified)"},
		{"zh_Hant", "zh-tw", "繁體中文 (Chinese Traditional)"},
	}
}

// translations returns a package for each language with a translated text.
func translations(po string, app *pack.Package) ([]*pack.Package, error) {
	entries, err := os.ReadDir(po)
	if err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	var packages []*pack.Package
	for _, entry := range entries {
		if !entry.IsDir() || entry.Name() == "templates" {
			continue
		}
		lang, err := languageOf(entry.Name())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", po, err)
		}
		p, err := translation(filepath.Join(po, lang.folder), lang, app)
		if err != nil {
			return nil, err
		}
		if p != nil {
			packages = append(packages, p)
		}
	}
	return packages, nil
}

func languageOf(folder string) (language, error) {
	for _, l := range languages() {
		if l.folder == folder {
			return l, nil
		}
	}
	return language{}, fmt.Errorf("language %q is not in the list of cross/recipe/luci.go", folder)
}

// translation returns the package of one language; nil if nothing is
// translated.
func translation(folder string, lang language, app *pack.Package) (*pack.Package, error) {
	const base = "luci-i18n-latchkey-"
	sources, err := filepath.Glob(filepath.Join(folder, "*.po"))
	if err != nil {
		return nil, err
	}
	p := *app
	p.Name = base + lang.tag
	p.Depends = []string{app.Name}
	p.Description = "Translation for " + app.Name + " - " + lang.title
	p.PostInst, p.PostRm = "", "" // the standard steps run what is in uci-defaults
	p.Files = nil
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		data, err := lmo.Compile(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", source, err)
		}
		if data == nil {
			continue
		}
		name := strings.TrimSuffix(filepath.Base(source), ".po") + "." + lang.tag + ".lmo"
		p.Files = append(p.Files, pack.File{Path: "/usr/lib/lua/luci/i18n/" + name, Mode: 0o644, Data: data})
	}
	if len(p.Files) == 0 {
		return nil, nil
	}
	option := "luci.languages." + strings.ReplaceAll(lang.tag, "-", "_")
	p.Files = append(p.Files, pack.File{
		Path: "/etc/uci-defaults/" + p.Name,
		Mode: 0o644,
		Data: []byte("uci set " + option + "='" + lang.title + "'; uci commit luci\n"),
	})
	return &p, nil
}
