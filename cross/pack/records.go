// SPDX-License-Identifier: Apache-2.0

package pack

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/adb"
)

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
		{".conffiles", strings.Join(slices.Concat(p.Keep, []string{""}), "\n")},
		{".conffiles_static", hashes.String()},
		{".rusers", strings.Join([]string{p.User, ""}, "\n")},
	} {
		if strings.TrimSpace(record.text) != "" {
			name := "/lib/apk/packages/" + p.Name + record.suffix
			files = append(files, File{Path: name, Mode: 0o644, Data: []byte(record.text)})
		}
	}
	return sorted(files)
}

// apkScripts adds the scripts that apk runs, which are those of OpenWrt's
// build: functions of its base-files do the standard steps.
func (p *Package) apkScripts(db *adb.Database) adb.Value {
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

	script := func(text string) adb.Value {
		if text == "" {
			return adb.Null
		}
		return db.String("#!/bin/sh\n" + text)
	}
	var scripts [adb.ScriptFields]adb.Value
	scripts[adb.ScriptPostInstall] = script(install)
	scripts[adb.ScriptPreDeinstall] = script(remove)
	scripts[adb.ScriptPostDeinstall] = script(withoutShebang(p.PostRm))
	scripts[adb.ScriptPostUpgrade] = script(upgrade)
	return db.Object(scripts[1:]...)
}

// withoutShebang returns a script's text as part of another one.
func withoutShebang(text string) string {
	if strings.HasPrefix(text, "#!") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return text
}
