// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/signify"
)

// dist returns a folder with packages for two architectures and one for all.
func dist(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	for _, p := range []pack.Package{
		{Name: "latchkey", Arch: "mips_24kc"},
		{Name: "latchkey", Arch: "x86_64"},
		{Name: "luci-app-latchkey", Arch: "all"},
	} {
		p.Version, p.Description, p.Time = "1.2.3-r1", "Test", time.Unix(1_700_000_000, 0)
		var b bytes.Buffer
		if err := p.WriteIPK(&b); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, p.IPKName()), b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRun(t *testing.T) {
	folder := dist(t)
	key := filepath.Join(t.TempDir(), "key")
	if err := run([]string{"keygen", key}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{folder, "--key", key}, io.Discard); err != nil {
		t.Fatal(err)
	}

	for _, arch := range []string{"mips_24kc", "x86_64"} {
		t.Run(arch, func(t *testing.T) {
			list := read(t, folder, arch, "Packages")
			if err := signify.Verify(list, read(t, folder, arch, "Packages.sig"), read(t, key+".pub")); err != nil {
				t.Error(err)
			}
			z, err := gzip.NewReader(bytes.NewReader(read(t, folder, arch, "Packages.gz")))
			if err != nil {
				t.Fatal(err)
			}
			if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, list) {
				t.Errorf("Packages.gz is not Packages: %v", err)
			}
			var files []string
			for line := range strings.Lines(string(list)) {
				if name, ok := strings.CutPrefix(line, "Filename: "); ok {
					name = strings.TrimSpace(name)
					files = append(files, name)
					if !bytes.Equal(read(t, folder, arch, name), read(t, folder, name)) {
						t.Errorf("%s is not the package", name)
					}
				}
			}
			want := "latchkey_1.2.3-r1_" + arch + ".ipk luci-app-latchkey_1.2.3-r1_all.ipk"
			if got := strings.Join(files, " "); got != want {
				t.Errorf("the feed has %s, want %s", got, want)
			}
		})
	}

	t.Run("the secret key is private", func(t *testing.T) {
		info, err := os.Stat(key)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
		}
	})
	t.Run("keygen keeps an old key", func(t *testing.T) {
		if err := run([]string{"keygen", key}, io.Discard); !errors.Is(err, os.ErrExist) {
			t.Errorf("error %v, want %v", err, os.ErrExist)
		}
	})
	t.Run("no packages", func(t *testing.T) {
		err := run([]string{t.TempDir(), "--key", key}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "make ipk") {
			t.Errorf("error %v has no hint", err)
		}
	})
	t.Run("usage", func(t *testing.T) {
		if err := run([]string{folder}, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("error %v, want the usage", err)
		}
	})
}
