// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/cross/index"
	"github.com/latchkey/latchkey/cross/pack"
)

func example(t *testing.T, name, description string) index.IPK {
	t.Helper()
	p := &pack.Package{
		Name: name, Version: "1.2.3-r1", Arch: "mips_24kc", Depends: []string{"firewall4"},
		Source: "feeds/x", SourceName: "x", License: "Apache-2.0", LicenseFile: "LICENSE", Section: "net",
		User: "x=970:x=970", Maintainer: "A <a@example.net>", Description: description,
		Files: []pack.File{{Path: "/usr/bin/x", Mode: 0o755}},
		Time:  time.Unix(1_700_000_000, 0),
	}
	var b bytes.Buffer
	if err := p.WriteIPK(&b); err != nil {
		t.Fatal(err)
	}
	return index.IPK{Name: p.IPKName(), Data: b.Bytes()}
}

func TestText(t *testing.T) {
	b, a := example(t, "b", "One line"), example(t, "a", "Two\nlines: of text")
	got, err := index.Text([]index.IPK{b, a})
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf(`Package: a
Version: 1.2.3-r1
Depends: firewall4
License: Apache-2.0
Section: net
Architecture: mips_24kc
Installed-Size: 3072
Filename: a_1.2.3-r1_mips_24kc.ipk
Size: %d
SHA256sum: %x
Description:  Two
 lines: of text

Package: b
Version: 1.2.3-r1
Depends: firewall4
License: Apache-2.0
Section: net
Architecture: mips_24kc
Installed-Size: 3072
Filename: b_1.2.3-r1_mips_24kc.ipk
Size: %d
SHA256sum: %x
Description:  One line

`, len(a.Data), sha256.Sum256(a.Data), len(b.Data), sha256.Sum256(b.Data))
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("Packages (-want +got):\n%s", diff)
	}
}

// TestText_length checks that no list has a length that old usign gets wrong.
func TestText_length(t *testing.T) {
	padded := 0
	for n := 1; n <= 128; n++ {
		text, err := index.Text([]index.IPK{example(t, "a", strings.Repeat("x", n))})
		if err != nil {
			t.Fatal(err)
		}
		if tail := (64 + len(text)) % 128; tail == 110 || tail == 111 {
			t.Errorf("a list of %d bytes", len(text))
		}
		if bytes.HasSuffix(text, []byte("\n\n\n\n")) {
			padded++
		}
	}
	if padded != 2 {
		t.Errorf("%d of 128 lengths were changed, want 2", padded)
	}
}

func TestText_refuses(t *testing.T) {
	good := example(t, "a", "x")
	for name, data := range map[string][]byte{
		"no gzip":   []byte("!<arch>\n"),
		"truncated": good.Data[:len(good.Data)/2],
		"empty":     nil,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := index.Text([]index.IPK{{Name: "bad.ipk", Data: data}})
			if err == nil || !strings.HasPrefix(err.Error(), "bad.ipk: ") {
				t.Errorf("error %v does not name the file", err)
			}
		})
	}
}

// FuzzText lists packages of which each has any description of itself.
func FuzzText(f *testing.F) {
	f.Add("Package: a\nVersion: 1\nDescription: x\n")
	f.Add("Version: 1")
	f.Fuzz(func(t *testing.T, control string) {
		pack := func(name string, b []byte) []byte {
			var out bytes.Buffer
			z, err := gzip.NewWriterLevel(&out, gzip.NoCompression) // the others take their time to begin
			if err != nil {
				t.Fatal(err)
			}
			w := tar.NewWriter(z)
			header := tar.Header{Name: name, Mode: 0o644, Size: int64(len(b))}
			if err := errors.Join(w.WriteHeader(&header), func() error { _, err := w.Write(b); return err }(), w.Close(), z.Close()); err != nil {
				t.Fatal(err)
			}
			return out.Bytes()
		}
		p := index.IPK{Name: "a.ipk", Data: pack("./control.tar.gz", pack("./control", []byte(control)))}
		list, err := index.Text([]index.IPK{p})
		if err == nil && !strings.Contains(string(list), "\nFilename: a.ipk\n") {
			t.Errorf("%q is listed as %q", control, list)
		}
		if _, err := index.Text([]index.IPK{{Name: "a.ipk", Data: []byte(control)}}); err == nil {
			t.Errorf("%q is taken for a package", control)
		}
	})
}
