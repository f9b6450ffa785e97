// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/cross/pack"
)

// install puts a script called apk into PATH, alone.
func install(t *testing.T, script string) {
	t.Helper()
	folder := t.TempDir()
	if script != "" {
		if err := os.WriteFile(filepath.Join(folder, "apk"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", folder)
}

func TestRun_without_apk(t *testing.T) {
	for name, script := range map[string]string{
		"none":   "",
		"an old": "#!/bin/sh\necho \"apk: 'mkpkg' is not an apk command\"; exit 1\n",
	} {
		t.Run(name, func(t *testing.T) {
			install(t, script)
			err := run(context.Background(), ".", t.TempDir(), nil, io.Discard)
			if !errors.Is(err, errNoMkpkg) {
				t.Errorf("error %v, want %v", err, errNoMkpkg)
			}
		})
	}
}

// TestMake uses the real apk where there is one; Debian has none, so
// elsewhere a script stands in that packs what it is given with tar.
func TestMake(t *testing.T) {
	ctx := context.Background()
	tool, err := newMkpkg(ctx)
	if errors.Is(err, errNoMkpkg) {
		folder := t.TempDir()
		script := `#!/bin/sh
[ "$2" = --files ] || { echo "ERROR: required info field 'name' not provided"; exit 1; }
tar -cf "$5" -C "$3" . && echo "$@" >>"$5"
`
		if err := os.WriteFile(filepath.Join(folder, "apk"), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", folder+":"+os.Getenv("PATH"))
		tool, err = newMkpkg(ctx)
	}
	if err != nil {
		t.Fatal(err)
	}

	p := &pack.Package{
		Name: "latchkey", Version: "1.2.3-r1", Arch: "mips_24kc", Description: "Test",
		Files: []pack.File{{Path: "/etc/config/latchkey", Mode: 0o600, Data: []byte("config\n")}},
		Time:  time.Unix(1_700_000_000, 0),
	}
	out := filepath.Join(t.TempDir(), "mips_24kc", p.APKName())
	size, err := tool.make(ctx, p, t.TempDir(), out)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(out); err != nil || info.Size() != size || size == 0 {
		t.Errorf("%s: %v, %d bytes", out, err, size)
	}
	if real, err := exec.LookPath("apk"); err == nil {
		dump, err := exec.Command(real, "adbdump", out).CombinedOutput()
		if err == nil && !strings.Contains(string(dump), "name: latchkey\n") {
			t.Errorf("apk adbdump shows\n%s", dump)
		}
	}
}
