// SPDX-License-Identifier: Apache-2.0

// Package replace puts a new file in the place of another, at once.
//
// It is not meant for other programs.
package replace

import (
	"errors"
	"io/fs"
	"os"
)

// File makes a file with what write writes, and puts it in the place of the one at path: whoever reads sees the old
// text or the new one, whole. After an error the old one is there. Only the user whose file it is may read it.
//
// It waits for nobody, and follows no link, whatever stands where it makes the file.
func File(path string, write func(*os.File) error) error {
	temp := path + ".new"
	err := fill(temp, write)
	if err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		_ = os.Remove(temp) // it takes room, which is what may be missing
	}
	return err
}

func fill(path string, write func(*os.File) error) error {
	// A crash may have left something here. O_EXCL opens no pipe and no link that somebody made meanwhile.
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(write(f), f.Close())
}
