// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRunPrintsTheVersionOfThePageItWrote(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "new", "site")
	var out bytes.Buffer
	if err := run(t.Context(), "../..", folder, &out); errors.Is(err, fs.ErrNotExist) {
		t.Skipf("SKIP: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(folder, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	if version := fmt.Sprintf("\n%x\n", sha256.Sum256(page)); !strings.HasSuffix(out.String(), version) {
		t.Errorf("it says %q, want at its end %q", &out, version)
	}
}
