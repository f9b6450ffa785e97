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

	"github.com/latchkey/latchkey/cross/apktest"
	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/signify"
)

// packages are some that resemble ours, without what those depend on.
func packages(version string) []*pack.Package {
	config := pack.File{Path: "/etc/config/latchkey", Mode: 0o600, Data: []byte("config of " + version + "\n")}
	list := []*pack.Package{
		{Name: "latchkey", Arch: "mips_24kc", Keep: []string{config.Path}, Files: []pack.File{config}, PostInst: "#!/bin/sh\necho postinst\n", PostRm: "echo postrm\n"},
		{Name: "latchkey", Arch: "x86_64", Keep: []string{config.Path}, Files: []pack.File{config}, PostInst: "#!/bin/sh\necho postinst\n", PostRm: "echo postrm\n"},
		{Name: "luci-app-latchkey", Arch: "all", Depends: []string{"latchkey"}, Files: []pack.File{
			{Path: "/www/latchkey/index.html", Mode: 0o644, Data: []byte("page of " + version + "\n")},
		}},
		{Name: "luci-i18n-latchkey-de", Arch: "all", Depends: []string{"luci-app-latchkey"}},
	}
	for _, p := range list {
		p.Version, p.Description, p.Time = version, "Test", time.Unix(1_700_000_000, 0)
	}
	return list
}

// add writes packages into a folder as command packages does.
func add(t *testing.T, folder string, list []*pack.Package) {
	t.Helper()
	for _, p := range list {
		var ipk, apk bytes.Buffer
		if err := errors.Join(p.WriteIPK(&ipk), p.WriteAPK(&apk)); err != nil {
			t.Fatal(err)
		}
		for _, arch := range []string{"mips_24kc", "x86_64"} {
			if p.Arch == arch || p.Arch == "all" {
				write(t, ipk.Bytes(), folder, "opkg", arch, p.IPKName())
				write(t, apk.Bytes(), folder, "apk", arch, p.APKName())
			}
		}
	}
}

func write(t *testing.T, data []byte, parts ...string) {
	t.Helper()
	name := filepath.Join(parts...)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, parts ...string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// newKeys returns the name of new keys.
func newKeys(t *testing.T) string {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key")
	if err := run([]string{"keygen", key}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return key
}

// newFeed returns a folder with signed feeds of version 1.2.3-r1, and the keys.
func newFeed(t *testing.T, url string) (folder, key string) {
	t.Helper()
	folder, key = t.TempDir(), newKeys(t)
	add(t, folder, packages("1.2.3-r1"))
	if err := run([]string{folder, "--key", key, "--url", url}, io.Discard); err != nil {
		t.Fatal(err)
	}
	return folder, key
}

func TestRun_makes_feeds_for_opkg(t *testing.T) {
	folder, key := newFeed(t, "")
	for _, arch := range []string{"mips_24kc", "x86_64"} {
		list := read(t, folder, "opkg", arch, "Packages")
		if err := signify.Verify(list, read(t, folder, "opkg", arch, "Packages.sig"), read(t, key+".pub")); err != nil {
			t.Error(err)
		}
		z, err := gzip.NewReader(bytes.NewReader(read(t, folder, "opkg", arch, "Packages.gz")))
		if err != nil {
			t.Fatal(err)
		}
		if unpacked, err := io.ReadAll(z); err != nil || !bytes.Equal(unpacked, list) {
			t.Errorf("Packages.gz is not Packages: %v", err)
		}
		var files []string
		for line := range strings.Lines(string(list)) {
			if name, ok := strings.CutPrefix(line, "Filename: "); ok {
				files = append(files, strings.TrimSpace(name))
			}
		}
		want := "latchkey_1.2.3-r1_" + arch + ".ipk luci-app-latchkey_1.2.3-r1_all.ipk luci-i18n-latchkey-de_1.2.3-r1_all.ipk"
		if got := strings.Join(files, " "); got != want {
			t.Errorf("the feed has %s, want %s", got, want)
		}
	}
}

func TestRun_makes_feeds_for_apk(t *testing.T) {
	folder, key := newFeed(t, "")
	for _, arch := range []string{"mips_24kc", "x86_64"} {
		f, err := apktest.Read(read(t, folder, "apk", arch, "packages.adb"))
		if err != nil {
			t.Fatal(err)
		}
		if err := f.VerifiedBy(read(t, key+".pub.pem")); err != nil {
			t.Error(err)
		}
		var found []string
		for _, p := range f.Root.Get("packages").Members {
			found = append(found, p.Get("name").Text+" "+p.Get("arch").Text)
		}
		if got, want := strings.Join(found, ", "), "latchkey "+arch+", luci-app-latchkey noarch, luci-i18n-latchkey-de noarch"; got != want {
			t.Errorf("the feed has %s, want %s", got, want)
		}
	}
}

func TestRun_same_bytes_again(t *testing.T) {
	folder, key := newFeed(t, "")
	files := []string{"opkg/x86_64/Packages", "opkg/x86_64/Packages.gz", "opkg/x86_64/Packages.sig", "apk/x86_64/packages.adb", "feed.sh"}
	var before [][]byte
	for _, name := range files {
		before = append(before, read(t, folder, name))
	}
	if err := run([]string{folder, "--key", key}, io.Discard); err != nil {
		t.Fatal(err)
	}
	for i, name := range files {
		if !bytes.Equal(before[i], read(t, folder, name)) {
			t.Errorf("%s has other bytes the second time", name)
		}
	}
}

func TestKeygen(t *testing.T) {
	key := newKeys(t)
	for _, suffix := range []string{"", ".pem"} {
		info, err := os.Stat(key + suffix)
		if err != nil || info.Mode() != 0o600 {
			t.Errorf("the secret key %q has mode %v, %v; want 0600", suffix, info.Mode(), err)
		}
	}
	for _, suffix := range []string{"", ".pub", ".pem", ".pub.pem"} {
		others := newKeys(t)
		for _, s := range []string{"", ".pub", ".pem", ".pub.pem"} {
			if s != suffix {
				if err := os.Remove(others + s); err != nil {
					t.Fatal(err)
				}
			}
		}
		old := read(t, others+suffix)
		if err := run([]string{"keygen", others}, io.Discard); !errors.Is(err, os.ErrExist) {
			t.Errorf("with an old key%s: error %v, want %v", suffix, err, os.ErrExist)
		}
		if left, err := filepath.Glob(others + "*"); err != nil || len(left) != 1 || !bytes.Equal(read(t, left[0]), old) {
			t.Errorf("with an old key%s there are %v afterwards, %v", suffix, left, err)
		}
	}
}

func TestRun_refuses(t *testing.T) {
	key := newKeys(t)
	for name, c := range map[string]struct {
		change func(t *testing.T, folder string)
		want   string
	}{
		"no packages":           {func(t *testing.T, folder string) { remove(t, folder, "opkg"); remove(t, folder, "apk") }, "make ipk"},
		"none for opkg":         {func(t *testing.T, folder string) { remove(t, folder, "opkg") }, "make ipk"},
		"none for apk":          {func(t *testing.T, folder string) { remove(t, folder, "apk") }, "make apk"},
		"other architectures":   {func(t *testing.T, folder string) { remove(t, folder, "apk", "x86_64") }, "opkg of mips_24kc, x86_64, but for apk of mips_24kc"},
		"two versions":          {func(t *testing.T, folder string) { add(t, folder, packages("1.2.4-r1")) }, "latchkey comes as version 1.2.3-r1 and as 1.2.4-r1"},
		"another one's ipk":     {func(t *testing.T, folder string) { move(t, folder, "opkg", "latchkey_1.2.3-r1_x86_64.ipk") }, "it is for x86_64, not for mips_24kc"},
		"a package cut off":     {func(t *testing.T, folder string) { write(t, []byte("ADBd"), folder, "apk", "x86_64", "x.apk") }, "x.apk: unexpected EOF"},
		"an address with quote": {func(*testing.T, string) {}, "cannot be an address"},
	} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			add(t, folder, packages("1.2.3-r1"))
			c.change(t, folder)
			url := "https://example.net"
			if strings.Contains(c.want, "address") {
				url = "https://it's"
			}
			err := run([]string{folder, "--key", key, "--url", url}, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}

func remove(t *testing.T, parts ...string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(parts...)); err != nil {
		t.Fatal(err)
	}
}

// move puts a package for x86_64 where those for mips_24kc are.
func move(t *testing.T, folder, manager, name string) {
	t.Helper()
	write(t, read(t, folder, manager, "x86_64", name), folder, manager, "mips_24kc", name)
}

func TestRun_without_a_key_for_apk_keeps_the_one_for_opkg(t *testing.T) {
	key := newKeys(t)
	remove(t, key+".pem")
	err := run([]string{t.TempDir(), "--key", key}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "openssl ecparam") {
		t.Errorf("error %v has no hint", err)
	}
}

func TestRun_usage(t *testing.T) {
	for _, args := range [][]string{
		nil, {"x"}, {"x", "--key"}, {"--key", "k"}, {"x", "y", "--key", "k"}, {"x", "--key", "k", "--other", "o"}, {"keygen"},
	} {
		if err := run(args, io.Discard); !errors.Is(err, usage) {
			t.Errorf("run(%q) = %v, want the usage", args, err)
		}
	}
}
