// SPDX-License-Identifier: Apache-2.0

package apktest

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Variable names the program apk of apk-tools 3. Debian has none, so that who
// changes the packages sets it: see CONTRIBUTING.md.
const Variable = "LATCHKEY_APK"

// Real returns a function that runs apk where Variable names one, and nil
// where not. It runs as root, or as who seems to be root.
func Real(t *testing.T) func(args ...string) (output string, err error) {
	t.Helper()
	apk := os.Getenv(Variable)
	if apk == "" {
		t.Logf("nothing was tried with apk itself: %s names none", Variable)
		return nil
	}
	return func(args ...string) (string, error) {
		command := append([]string{apk}, args...)
		if os.Geteuid() != 0 {
			command = append([]string{"unshare", "-r", "--"}, command...)
		}
		cmd := exec.Command(command[0], command[1:]...)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
}

// Repack has apk make a package of what is in one of ours, and returns it
// without compression: it should be f.Plain.
func Repack(t *testing.T, apk func(args ...string) (string, error), f *File) []byte {
	t.Helper()
	folder := t.TempDir()
	root, out := filepath.Join(folder, "root"), filepath.Join(folder, "out.apk")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--compression", "none", "mkpkg", "--files", root, "--output", out}
	for _, info := range f.Root.Get("info").Members {
		value := info.Text
		for _, m := range info.Members {
			value += " " + m.Text
		}
		if info.Name != "hashes" && info.Name != "installed-size" { // apk has its own
			args = append(args, "--info", info.Name+":"+strings.TrimSpace(value))
		}
	}
	for _, script := range f.Root.Get("scripts").Members {
		name := filepath.Join(folder, script.Name)
		write(t, name, script.Text, 0o755, time.Unix(1, 0))
		args = append(args, "--script", script.Name+":"+name)
	}
	for _, in := range f.Root.Get("paths").Members {
		for _, file := range in.Get("files").Members {
			name := path.Join("/", in.Get("name").Text, file.Get("name").Text)
			mode, err := strconv.ParseUint(file.Get("acl").Get("mode").Text, 8, 32)
			if err != nil {
				t.Fatal(err)
			}
			mtime, err := strconv.ParseInt(file.Get("mtime").Text, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(root, filepath.FromSlash(name)), string(f.Data[name]), fs.FileMode(mode), time.Unix(mtime, 0))
		}
	}
	if text, err := apk(args...); err != nil {
		t.Fatalf("apk mkpkg: %v\n%s", err, text)
	}
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// write writes a file whose mode and time, and those of the folders above it,
// do not depend on who runs the test.
func write(t *testing.T, name, text string, mode fs.FileMode, mtime time.Time) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, mode); err != nil { // not subject to the umask
		t.Fatal(err)
	}
	if err := os.Chtimes(name, mtime, mtime); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", name, err))
	}
}
