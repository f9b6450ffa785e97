// SPDX-License-Identifier: Apache-2.0

package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
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
	straced(t, child+"="+path, "-o", trace, "-e", "trace=openat,write,fchown,fsync,fdatasync,rename,renameat,renameat2")
	text, err := os.ReadFile(trace)
	must(t, err)

	dir := regexp.QuoteMeta(filepath.Dir(path))
	var file, folder string
	steps := []struct {
		what string
		want func() string
		fd   *string
	}{
		{"the new file is made, and no link followed", func() string {
			return `openat\(AT_FDCWD, "` + dir + `/state\.new", O_WRONLY\|O_CREAT\|O_EXCL\|O_CLOEXEC, 0600\) = (\d+)`
		}, &file},
		{"its text is written", func() string { return `write\(` + file + `, "latchkey-state 1` }, nil},
		{"it is on the disk", func() string { return `fsync\(` + file + `\) += 0` }, nil},
		{"it takes its name", func() string { return `rename.*"` + dir + `/state\.new".*"` + dir + `/state"` }, nil},
		{"the folder is opened", func() string { return `openat\(AT_FDCWD, "` + dir + `", O_RDONLY\|O_CLOEXEC\) = (\d+)` }, &folder},
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
}

// straced runs this test once more, in a child under strace with these arguments, and with a variable
// set that tells it so.
func straced(t *testing.T, variable string, args ...string) {
	t.Helper()
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIP: strace is not installed")
	}
	cmd := exec.Command(strace, slices.Concat([]string{"-f"}, args, []string{os.Args[0], "-test.run=^" + strings.SplitN(t.Name(), "/", 2)[0] + "$"})...)
	cmd.Env = append(os.Environ(), variable)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Exec format error") {
		t.Skip("SKIP: strace cannot start a program of another processor")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
			straced(t, child+"="+path, "-P", path+".new", "-P", folder, "-e", "inject="+tt.inject)
			if got := open(t, path).Past("phone").Floor; got != tt.floor {
				t.Errorf("the file says %d, want %d", got, tt.floor)
			}
			if _, err := os.Stat(path + ".new"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a temporary file was left: %v", err)
			}
		})
	}
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
