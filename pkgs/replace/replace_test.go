// SPDX-License-Identifier: Apache-2.0

package replace_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/replace"
)

func put(text string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(text)
		return err
	}
}

func check(t *testing.T, path, want string) {
	t.Helper()
	if text, err := os.ReadFile(path); err != nil || string(text) != want {
		t.Errorf("%s has %q, %v, want %q", path, text, err, want)
	}
}

func TestFile_replaces(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	for _, text := range []string{"a longer text", "text"} {
		if err := replace.File(path, put(text)); err != nil {
			t.Fatal(err)
		}
		check(t, path, text)
	}
	if list, err := os.ReadDir(filepath.Dir(path)); err != nil || len(list) != 1 {
		t.Errorf("%v in the folder, %v", list, err)
	}
}

func TestFile_takes_nothing_that_is_in_its_way(t *testing.T) {
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(elsewhere, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]func(path string) error{
		"half_a_file":  func(path string) error { return os.WriteFile(path, []byte("a longer te"), 0o644) },
		"pipe":         func(path string) error { return unix.Mkfifo(path, 0o600) }, // to open it would wait for a reader
		"link":         func(path string) error { return os.Symlink(elsewhere, path) },
		"dead_link":    func(path string) error { return os.Symlink("/not/there", path) },
		"empty_folder": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := block(path + ".new"); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() { ended <- replace.File(path, put("text")) }()
			select {
			case err := <-ended:
				if err != nil {
					t.Fatal(err)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("it waits")
			}
			check(t, path, "text")
			if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
				t.Errorf("%v, %v", info, err)
			}
		})
	}
	check(t, elsewhere, "kept")
}

func TestFile_keeps_the_old_one_after_an_error(t *testing.T) {
	full := errors.New("no room")
	for name, test := range map[string]struct {
		block func(path string) error
		write func(*os.File) error
		want  error
	}{
		"of_writing":  {func(string) error { return nil }, func(f *os.File) error { return errors.Join(put("half")(f), full) }, full},
		"of_closing":  {func(string) error { return nil }, func(f *os.File) error { return f.Close() }, os.ErrClosed},
		"full_folder": {func(path string) error { return os.MkdirAll(path+".new/in the way", 0o700) }, put("text"), unix.ENOTEMPTY},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if err := errors.Join(os.WriteFile(path, []byte("old"), 0o600), test.block(path)); err != nil {
				t.Fatal(err)
			}
			if err := replace.File(path, test.write); !errors.Is(err, test.want) {
				t.Errorf("error %v, want %v", err, test.want)
			}
			check(t, path, "old")
			if info, err := os.Lstat(path + ".new"); err == nil && info.Mode().IsRegular() {
				t.Error("the new file takes room")
			}
		})
	}
}
