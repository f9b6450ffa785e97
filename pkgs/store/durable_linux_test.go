// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// TestFile_is_on_the_disk_before_its_name_and_its_name_before_it_returns looks at the system calls of a
// change, because only a power failure could show the difference otherwise.
func TestFile_is_on_the_disk_before_its_name_and_its_name_before_it_returns(t *testing.T) {
	const child = "LATCHKEY_TEST_STATE"
	if path := os.Getenv(child); path != "" {
		must(t, floor(open(t, path), "phone", 1795348800001))
		return
	}
	path := filled(t)
	trace := filepath.Join(t.TempDir(), "trace")
	lab.Strace(t, child+"="+path, "-o", trace, "-e", "trace=openat,write,fchown,fsync,fdatasync,rename,renameat,renameat2")
	text, err := os.ReadFile(trace)
	must(t, err)

	dir := regexp.QuoteMeta(filepath.Dir(path))
	var file, folder string
	const large = `(?:O_LARGEFILE\|)?` // where words have 32 bits
	steps := []struct {
		what string
		want func() string
		fd   *string
	}{
		{"the new file is made, and no link followed", func() string {
			return `openat\(AT_FDCWD, "` + dir + `/state\.new", O_WRONLY\|O_CREAT\|O_EXCL\|` + large + `O_CLOEXEC, 0600\) = (\d+)`
		}, &file},
		{"its text is written", func() string { return `write\(` + file + `, "latchkey-state 1` }, nil},
		{"it is on the disk", func() string { return `fsync\(` + file + `\) += 0` }, nil},
		{"it takes its name", func() string { return `rename.*"` + dir + `/state\.new".*"` + dir + `/state"` }, nil},
		{"the folder is opened", func() string { return `openat\(AT_FDCWD, "` + dir + `", O_RDONLY\|` + large + `O_CLOEXEC\) = (\d+)` }, &folder},
		{"the name is on the disk", func() string { return `fsync\(` + folder + `\) += 0` }, nil},
	}
	rest := strings.Split(string(text), "\n")
	for _, step := range steps {
		pattern := regexp.MustCompile(step.want())
		found := false
		for len(rest) > 0 && !found {
			match := pattern.FindStringSubmatch(rest[0])
			if found = match != nil; found && step.fd != nil {
				*step.fd = match[1]
			}
			rest = rest[1:]
		}
		if !found {
			t.Fatalf("%s: no such call, or not in this order:\n%s", step.what, text)
		}
	}
	lab.Withstood(t, "power and disk", "power lost right after a door opened",
		"the knock is used up: it was on the disk, with its name, before the door opened")
}

// TestFile_that_the_disk_does_not_take lets a system call of a change fail.
func TestFile_that_the_disk_does_not_take(t *testing.T) {
	const child = "LATCHKEY_TEST_FULL"
	if path := os.Getenv(child); path != "" {
		runtime.LockOSThread() // strace counts the calls of each thread by itself
		f := open(t, path)
		before := descriptors(t)
		if err := floor(f, "phone", 1795348800001); err == nil || f.Past("phone").Floor != 1795348800000 {
			t.Errorf("error %v, floor %d", err, f.Past("phone").Floor)
		}
		if after := descriptors(t); after != before {
			t.Errorf("%d files are open, want %d as before", after, before)
		}
		return
	}
	for name, tt := range map[string]struct {
		inject string
		floor  uint64 // what the file says then
	}{
		"no room":                         {"write:error=ENOSPC", 1795348800000},
		"the text is not on the disk":     {"fsync:error=EIO:when=1", 1795348800000},
		"it does not take its name":       {"/rename.*:error=EIO", 1795348800000},
		"the folder cannot be opened":     {"openat:error=EMFILE:when=2+", 1795348800001},
		"the name may not be on the disk": {"fsync:error=EIO:when=2", 1795348800001},
	} {
		t.Run(name, func(t *testing.T) {
			path := filled(t)
			folder := filepath.Dir(path)
			lab.Strace(t, child+"="+path, "-P", path+".new", "-P", folder, "-e", "inject="+tt.inject)
			if got := open(t, path).Past("phone").Floor; got != tt.floor {
				t.Errorf("the file says %d, want %d", got, tt.floor)
			}
			if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a temporary file was left: %v", err)
			}
		})
	}
	lab.Withstood(t, "power and disk", "error of the disk at any step of writing the state file",
		"an error, nothing is half written or left over, and the file says the old or the new")
}

// TestOpen_of_what_the_disk_does_not_give lets a system call of reading fail.
func TestOpen_of_what_the_disk_does_not_give(t *testing.T) {
	const child = "LATCHKEY_TEST_READ"
	if path := os.Getenv(child); path != "" {
		f, err := Open(path)
		if f != nil || !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), path) || errors.Is(err, ErrDamaged) {
			t.Errorf("error %v, want EIO and the file's name: the file may be right", err)
		}
		return
	}
	for _, call := range []string{"/.*stat.*", "openat", "read"} {
		path := filled(t)
		lab.Strace(t, child+"="+path, "-P", path, "-e", "inject="+call+":error=EIO")
	}
	lab.Withstood(t, "power and disk", "state file that the disk does not give back",
		"latchkeyd does not start and names the file; it is never taken as empty")
}

// A link may lead to a disk that is not there yet.
func TestOpen_takes_nothing_but_a_file_of_its_own(t *testing.T) {
	dir := t.TempDir()
	for what, make := range map[string]func(path string) error{
		"a link to nothing": func(path string) error { return os.Symlink(filepath.Join(dir, "nothing"), path) },
		"a link to a state": func(path string) error { return os.Symlink(filled(t), path) },
		"a folder":          func(path string) error { return os.Mkdir(path, 0o700) },
		"a pipe":            func(path string) error { return syscall.Mkfifo(path, 0o600) },
	} {
		path := filepath.Join(t.TempDir(), "state")
		must(t, make(path))
		if _, err := Open(path); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, want %v and its name", what, err, ErrDamaged)
		}
	}
	lab.Withstood(t, "power and disk", "link, folder or pipe in the place of the state file",
		"latchkeyd does not start and names the file; a link to a disk that is missing is no empty state")
}

// descriptors returns how many files this process has open.
func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(list)
}

// A router runs for years.
func TestFile_leaves_nothing_open(t *testing.T) {
	f := open(t, filled(t))
	must(t, floor(f, "phone", 1795348800001))
	before := descriptors(t)
	for stamp := range uint64(10) {
		must(t, floor(f, "phone", 1795348800002+stamp))
	}
	if after := descriptors(t); after > before {
		t.Errorf("%d files are open after ten changes, %d were before", after, before)
	}
}
