// SPDX-License-Identifier: Apache-2.0

// Package ipktest opens .ipk files with standard tools, for tests.
package ipktest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Tool runs a program on some input and returns its output. Without the program
// the test is skipped.
func Tool(t *testing.T, in []byte, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIP: no %s here", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		var said []byte
		if failed := (*exec.ExitError)(nil); errors.As(err, &failed) {
			said = failed.Stderr
		}
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, said)
	}
	return string(out)
}

// Member has GNU tar take a member out of a gzip'd archive.
func Member(t *testing.T, archive []byte, name string) []byte {
	t.Helper()
	return []byte(Tool(t, archive, "tar", "-xzO", "-f", "-", name))
}
