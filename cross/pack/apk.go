// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// APKName is the file name of the package for apk.
func (p *Package) APKName() string {
	return p.Name + "-" + p.Version + ".apk"
}

// StageAPK lays the package out in an empty folder and returns the arguments
// for "apk mkpkg" (apk-tools 3) that make the file out of it:
//
//	folder/root      what the package installs, with the records that OpenWrt's
//	                 base-files read from /lib/apk/packages
//	folder/scripts   what apk runs
func (p *Package) StageAPK(folder, out string) (args []string, err error) {
	if err := p.Check(); err != nil {
		return nil, err
	}
	root, scripts := filepath.Join(folder, "root"), filepath.Join(folder, "scripts")
	for _, f := range p.apkContents() {
		if err := p.stage(filepath.Join(root, filepath.FromSlash(f.Path)), f); err != nil {
			return nil, err
		}
	}
	if err := openFolders(root); err != nil {
		return nil, err
	}

	args = []string{"mkpkg", "--files", root, "--output", out}
	for _, info := range []struct{ key, value string }{
		{"name", p.Name},
		{"version", p.Version},
		{"description", strings.Join(strings.Fields(p.Description), " ")},
		{"arch", apkArch(p.Arch)},
		{"license", p.License},
		{"origin", p.Source},
		{"url", p.URL},
		{"maintainer", p.Maintainer},
		{"tags", strings.TrimSuffix("openwrt:section="+p.Section, "openwrt:section=")},
		{"depends", strings.Join(p.Depends, " ")},
	} {
		if info.value != "" {
			args = append(args, "--info", info.key+":"+info.value)
		}
	}
	for _, s := range p.apkScripts() {
		file := filepath.Join(scripts, s.Path)
		if err := p.stage(file, s); err != nil {
			return nil, err
		}
		args = append(args, "--script", s.Path+":"+file)
	}
	return args, nil
}

// apkArch translates OpenWrt's name for packages without machine code.
func apkArch(arch string) string {
	if arch == "all" {
		return "noarch"
	}
	return arch
}

// apkContents returns what the package installs, with its records: apk itself
// knows neither conffiles nor users, so OpenWrt keeps them in files.
func (p *Package) apkContents() []File {
	files := p.contents()
	var list, hashes strings.Builder
	conffiles := p.conffiles()
	for _, f := range files {
		fmt.Fprintln(&list, f.Path)
		for _, keep := range conffiles {
			if keep == f.Path {
				fmt.Fprintf(&hashes, "%s %x\n", f.Path, sha256.Sum256(f.Data))
			}
		}
	}
	for _, record := range []struct{ suffix, text string }{
		{".list", list.String()},
		{".conffiles", strings.Join(append(p.Keep, ""), "\n")},
		{".conffiles_static", hashes.String()},
		{".rusers", strings.Join([]string{p.User, ""}, "\n")},
	} {
		if strings.TrimSpace(record.text) != "" {
			name := "/lib/apk/packages/" + p.Name + record.suffix
			files = append(files, File{Path: name, Mode: 0o644, Data: []byte(record.text)})
		}
	}
	return files
}

// apkScripts returns the scripts under the names that apk knows.
func (p *Package) apkScripts() []File {
	prologue := `[ -s "${IPKG_INSTROOT}/lib/functions.sh" ] || exit 0
. "${IPKG_INSTROOT}/lib/functions.sh"
export root="${IPKG_INSTROOT}"
export pkgname="` + p.Name + `"
`
	install := `[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
` + prologue + `add_group_and_user
default_postinst
` + withoutShebang(p.PostInst)
	// An upgrade runs post-upgrade and nothing before it, so the old program
	// is still there. It is for PostInst to restart it: OpenWrt's build adds
	// nothing here either.
	upgrade := "export PKG_UPGRADE=1\n" + install
	remove := prologue + "default_prerm\n"

	var scripts []File
	for _, s := range []struct{ name, text string }{
		{"post-install", install},
		{"post-upgrade", upgrade},
		{"pre-deinstall", remove},
		{"post-deinstall", withoutShebang(p.PostRm)},
	} {
		if s.text == "" {
			continue
		}
		scripts = append(scripts, File{Path: s.name, Mode: 0o755, Data: []byte("#!/bin/sh\n" + s.text)})
	}
	return scripts
}

// withoutShebang returns a script's text as part of another one.
func withoutShebang(text string) string {
	if strings.HasPrefix(text, "#!") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}

// openFolders gives all folders the mode that they have on a router, whatever
// the builder's umask.
func openFolders(root string) error {
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		return os.Chmod(name, 0o755)
	})
}

// stage writes a file whose mode and time do not depend on who builds.
func (p *Package) stage(name string, f File) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(name, f.Data, 0o600); err != nil {
		return err
	}
	if err := os.Chmod(name, f.Mode); err != nil { // not subject to the umask
		return err
	}
	return os.Chtimes(name, p.Time, p.Time)
}
