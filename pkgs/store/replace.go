// SPDX-License-Identifier: Apache-2.0

package store

import (
	"os"
	"path/filepath"

	"github.com/latchkey/latchkey/pkgs/replace"
)

// replaceFile puts data in the place of the file, so that after a power failure there is either
// the old text or the new one: the new text is on the disk before its name is (rename(2) alone
// does not promise that), and the name is before this returns.
func replaceFile(path string, data []byte) error {
	err := replace.File(path, func(f *os.File) error {
		if _, err := f.Write(data); err != nil {
			return err
		}
		return f.Sync()
	})
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
