// SPDX-License-Identifier: Apache-2.0

package store

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("SKIP: strace is not installed")
	}
	path := filled(t)
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command(strace, "-f", "-o", trace, "-e", "trace=openat,write,fchown,fsync,fdatasync,rename,renameat,renameat2",
		os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), child+"="+path)
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "Exec format error") {
		t.Skip("SKIP: strace cannot start a program of another processor")
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
