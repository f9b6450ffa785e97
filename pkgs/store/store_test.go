// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// filled returns the path of a state with two floors and one used sequence.
func filled(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	must(t, f.SetFloor("phone", 1795348800000))
	must(t, f.SetFloor("laptop", 1<<48-1))
	must(t, f.Use("paper_list", "7001/tcp 7003/udp"))
	return path
}

func TestFile_survives_a_restart(t *testing.T) {
	path := filled(t)
	f := open(t, path)
	if f.Floor("phone") != 1795348800000 || f.Floor("laptop") != 1<<48-1 || f.Floor("other") != 0 {
		t.Errorf("floors %v", f.state.floors)
	}
	if !f.Used("paper_list", "7001/tcp 7003/udp") || f.Used("paper_list", "7001/tcp") || f.Used("other", "7001/tcp 7003/udp") {
		t.Errorf("used %v", f.state.used)
	}
	must(t, f.Forget("phone"))
	if again := open(t, path); again.Floor("phone") != 0 || again.Floor("laptop") == 0 {
		t.Errorf("after Forget: %v", again.state.floors)
	}
	info, err := os.Stat(path)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("mode %v, want 0600", info.Mode())
	}
	text, err := os.ReadFile(path)
	must(t, err)
	if strings.Contains(string(text), "7001") {
		t.Errorf("the file shows a one-time sequence:\n%s", text)
	}
}

func TestOpen_missing_file_is_empty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	f := open(t, path)
	must(t, f.Forget("nobody"))
	f.Keep(nil)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("nothing changed, but there is a file: %v", err)
	}
}

func TestFile_writes_only_changes(t *testing.T) {
	f := open(t, filled(t))
	writes := 0
	f.replace = func(string, []byte) error { writes++; return nil }
	must(t, f.SetFloor("phone", 1795348800000))
	must(t, f.Use("paper_list", "7001/tcp 7003/udp"))
	must(t, f.Forget("nobody"))
	if writes != 0 {
		t.Errorf("%d writes, but nothing changed", writes)
	}
	must(t, f.SetFloor("phone", 1795348800001))
	if writes != 1 {
		t.Errorf("%d writes for one change", writes)
	}
}

func TestFile_failed_write_changes_nothing(t *testing.T) {
	f := open(t, filled(t))
	full := errors.New("no space left on device")
	f.replace = func(string, []byte) error { return full }
	for _, err := range []error{f.SetFloor("phone", 1795348800001), f.SetFloor("new", 1), f.Use("paper_list", "x"), f.Forget("laptop")} {
		if !errors.Is(err, full) {
			t.Errorf("error %v, want %v", err, full)
		}
	}
	if f.Floor("phone") != 1795348800000 || f.Floor("new") != 0 || f.Used("paper_list", "x") || f.Floor("laptop") == 0 {
		t.Errorf("memory is ahead of the disk: %v", f.state)
	}
}

func TestFile_cannot_write(t *testing.T) {
	t.Run("no directory", func(t *testing.T) {
		f := open(t, filepath.Join(t.TempDir(), "missing", "state"))
		if err := f.SetFloor("phone", 1); err == nil || f.Floor("phone") != 0 {
			t.Errorf("error %v, floor %d", err, f.Floor("phone"))
		}
	})
	t.Run("no new file", func(t *testing.T) { // as in a read-only directory, but for root, too
		path := filled(t)
		must(t, os.MkdirAll(filepath.Join(path+".new", "in the way"), 0o700))
		f := open(t, path)
		if err := f.SetFloor("phone", 1795348800001); err == nil || f.Floor("phone") != 1795348800000 {
			t.Errorf("error %v, floor %d", err, f.Floor("phone"))
		}
		if got := open(t, path).Floor("phone"); got != 1795348800000 {
			t.Errorf("the file says %d", got)
		}
	})
	t.Run("rename fails", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "state")
		f := open(t, path)
		must(t, os.MkdirAll(filepath.Join(path, "in the way"), 0o700))
		if err := f.SetFloor("phone", 1); err == nil {
			t.Error("a directory was replaced")
		}
		if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a temporary file was left: %v", err)
		}
	})
	t.Run("bad name", func(t *testing.T) {
		f := open(t, filepath.Join(t.TempDir(), "state"))
		for _, name := range []string{"", "two words", "line\nbreak", "zwölf", strings.Repeat("x", 129)} {
			if f.SetFloor(name, 1) == nil || f.Use(name, "x") == nil {
				t.Errorf("name %q is accepted", name)
			}
		}
		must(t, f.SetFloor("good", 1))
	})
}

// A power failure leaves one of these; each must read as the old state, and the next write works.
func TestOpen_after_a_crash(t *testing.T) {
	for name, temp := range map[string]string{
		"before anything was written": "",
		"in the middle of a write":    "latchkey-state 1\nfloor pho",
		"before the rename":           "latchkey-state 1\nsum whatever\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			must(t, os.WriteFile(path+".new", []byte(temp), 0o600))
			f := open(t, path)
			if f.Floor("phone") != 1795348800000 {
				t.Errorf("floor %d", f.Floor("phone"))
			}
			must(t, f.SetFloor("phone", 1795348800001))
			if got := open(t, path).Floor("phone"); got != 1795348800001 {
				t.Errorf("floor %d after the next write", got)
			}
		})
	}
}

// Root may write the file in the directory of the daemon's user, who must not turn that on another.
func TestFile_follows_no_link(t *testing.T) {
	path := filled(t)
	other := filepath.Join(t.TempDir(), "other")
	must(t, os.WriteFile(other, []byte("precious"), 0o600))
	must(t, os.Symlink(other, path+".new"))
	must(t, open(t, path).SetFloor("phone", 1795348800001))
	if text, err := os.ReadFile(other); err != nil || string(text) != "precious" {
		t.Errorf("the other file has %q, %v", text, err)
	}
	if got := open(t, path).Floor("phone"); got != 1795348800001 {
		t.Errorf("floor %d", got)
	}
}

func TestOpen_refuses_damage(t *testing.T) {
	path := filled(t)
	text, err := os.ReadFile(path)
	must(t, err)
	refused := func(what string, damaged []byte) {
		t.Helper()
		must(t, os.WriteFile(path, damaged, 0o600))
		if _, err := Open(path); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v, want %v", what, err, ErrDamaged)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: the error does not name the file", what)
		}
	}
	for i := range text {
		for _, change := range []byte{0x01, 0x20, 0x80} {
			damaged := []byte(string(text))
			damaged[i] ^= change
			refused("a changed byte", damaged)
		}
		refused("a short file", text[:i])
		refused("a missing byte", append([]byte(string(text[:i])), text[i+1:]...))
	}
	refused("a line too much", append([]byte(string(text)), '\n'))
	for _, body := range []string{
		"latchkey-state 2\n",
		"latchkey-state 1\nfloor phone\n",
		"latchkey-state 1\nfloor phone -1\n",
		"latchkey-state 1\nceiling phone 1\n",
		"latchkey-state 1\n\n",
	} {
		refused("a wrong line with a right checksum", []byte(body+sumWord+checksum(body)+"\n"))
	}
	must(t, os.WriteFile(path, make([]byte, maxSize+1), 0o600))
	if _, err := Open(path); !errors.Is(err, ErrDamaged) {
		t.Errorf("a huge file: %v", err)
	}
}

func TestKeep(t *testing.T) {
	path := filled(t)
	f := open(t, path)
	f.Keep([]string{"other_list"})
	if f.Used("paper_list", "7001/tcp 7003/udp") || f.Floor("phone") == 0 {
		t.Errorf("kept %v", f.state)
	}
	if !open(t, path).Used("paper_list", "7001/tcp 7003/udp") {
		t.Error("Keep wrote the file")
	}
	must(t, f.SetFloor("phone", 1795348800001))
	if open(t, path).Used("paper_list", "7001/tcp 7003/udp") {
		t.Error("the next change left what nobody needs")
	}
}

func FuzzParse(f *testing.F) {
	empty, err := state{}.text()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(empty))
	body := "latchkey-state 1\nfloor phone 1\nused list 00\n"
	f.Add(body + sumWord + checksum(body) + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		// The fuzzer cannot guess a checksum, so it is put right first.
		for _, text := range []string{text, text + sumWord + checksum(text) + "\n"} {
			s, err := parse(text)
			if err != nil {
				continue
			}
			if _, err := s.text(); err != nil && !strings.Contains(err.Error(), "name") {
				t.Errorf("%q parses, but cannot be written: %v", text, err)
			}
		}
	})
}

func TestNew_replaces_a_damaged_file(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	must(t, os.WriteFile(path, []byte("damaged"), 0o600))
	must(t, New(path).SetFloor("phone", 5))
	if got := open(t, path).Floor("phone"); got != 5 {
		t.Errorf("floor %d, want 5", got)
	}
}
