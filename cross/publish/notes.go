// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/cross/target"
)

// notes returns the newest version's part of CHANGELOG.md.
func notes(changelog []byte) []byte {
	_, newest, _ := bytes.Cut(changelog, []byte("\n## "))
	newest, _, _ = bytes.Cut(newest, []byte("\n## "))
	return append([]byte("# Latchkey "), append(bytes.TrimSpace(newest), '\n')...)
}

// sizes returns what the router's package weighs for each architecture, in both
// kinds, as a table for the notes.
func sizes(folder string) ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("\n### Sizes\n\nOf the package `latchkey`, in bytes.\n\n| architecture | .ipk | .apk |\n|---|---|---|\n")
	for _, t := range target.All() {
		ipk, err := sizeOf(filepath.Join(folder, "opkg", t.Arch, "latchkey_*.ipk"), "make ipk")
		if err != nil {
			return nil, err
		}
		apk, err := sizeOf(filepath.Join(folder, "apk", t.Arch, "latchkey-[0-9]*.apk"), "make apk")
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "| %s | %d | %d |\n", t.Arch, ipk, apk)
	}
	return b.Bytes(), nil
}

// sizeOf returns the bytes of the one file that a pattern names.
func sizeOf(pattern, hint string) (int64, error) {
	files, err := filepath.Glob(pattern)
	if err != nil {
		return 0, err
	}
	if len(files) != 1 {
		return 0, fmt.Errorf("%s: there are %d such files, one is wanted (hint: %s)", pattern, len(files), hint)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
