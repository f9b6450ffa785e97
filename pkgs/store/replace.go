// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// replaceFile puts data in the place of the file, so that after a power failure there is either
// the old text or the new one: the new text is on the disk before its name is (rename(2) alone
// does not promise that), and the name is before this returns.
func replaceFile(path string, data []byte) error {
	temp := path + ".new"
	if err := writeSynced(temp, path, data); err != nil {
		_ = os.Remove(temp)
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		_ = os.Remove(temp)
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// writeSynced writes a file that belongs to whom the old one belongs to: root may change what the
// daemon, which is not root, must read afterwards.
func writeSynced(path, old string, data []byte) error {
	// What a crash left here may be another user's. It may be a link, too, which the daemon's user
	// made and root must not follow (O_EXCL).
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if info, err := os.Stat(old); err == nil && os.Geteuid() == 0 {
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			if err := f.Chown(int(owner.Uid), int(owner.Gid)); err != nil {
				_ = f.Close()
				return err
			}
		}
	}
	if _, err := f.Write(data); err != nil {
		_ = f.Close()
		return err
	}
	if err := f.Sync(); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
