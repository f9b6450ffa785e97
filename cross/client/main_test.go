// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/release"
)

// A user checks the sums, and runs what fits his machine.
func TestClientsAreReproducibleAndTellTheirVersion(t *testing.T) {
	const root = "../.."
	here := runtime.GOOS + "/" + runtime.GOARCH
	first, second := t.TempDir(), t.TempDir()
	if err := run(t.Context(), root, first, []string{here}, io.Discard); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOFLAGS", "-tags=surroundings") // must not count
	t.Setenv("GOAMD64", "v3")
	if err := run(t.Context(), root, second, []string{here}, io.Discard); err != nil {
		t.Fatal(err)
	}
	var sums [2]string
	for i, folder := range []string{first, second} {
		text, err := os.ReadFile(filepath.Join(folder, "SHA256SUMS"))
		if err != nil {
			t.Fatal(err)
		}
		sums[i] = string(text)
	}
	if sums[0] != sums[1] || strings.Count(sums[0], "\n") != 6 {
		t.Errorf("sums of two builds:\n%s\n%s", sums[0], sums[1])
	}
	check := exec.Command("sha256sum", "--check", "--strict", "SHA256SUMS")
	check.Dir = first
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("sha256sum: %v\n%s", err, out)
	}
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(first, "latchkey-"+rel.Version+"-"+runtime.GOOS+"-"+runtime.GOARCH)
	if out, err := exec.Command(program, "version").CombinedOutput(); err != nil || string(out) != "latchkey "+rel.Version+"\n" {
		t.Errorf("it says %q, %v", out, err)
	}
}

func TestChooseRefusesWhatThereIsNot(t *testing.T) {
	if _, err := choose([]string{"linux/amd64", "plan9/amd64"}); err == nil || !strings.Contains(err.Error(), "plan9/amd64") {
		t.Errorf("got %v", err)
	}
}
