// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/signify"
	"github.com/latchkey/latchkey/cross/target"
)

const changelog = "# Changelog\n\n## 1.2.3 - 2026-01-31\n\n- A door opens.\n\n## 1.2.2 - 2025-01-31\n\n- Older.\n"

// repository returns a folder whose CHANGELOG.md is committed.
func repository(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	put(t, changelog, root, "CHANGELOG.md")
	put(t, "/dist/\n", root, ".gitignore")
	for _, args := range [][]string{
		{"init", "-q"}, {"add", "."},
		{"-c", "user.name=x", "-c", "user.email=x@example.net", "commit", "-q", "-m", "x"},
	} {
		if out, err := exec.Command("git", append([]string{"-C", root}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	return root
}

func put(t *testing.T, text string, parts ...string) {
	t.Helper()
	if err := write(filepath.Join(parts...), []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func TestBegin_empties_the_folder_of_the_version_only(t *testing.T) {
	root := repository(t)
	put(t, "old", root, "dist", "1.2.3", "x")
	put(t, "older", root, "dist", "1.2.2", "x")
	if err := run(context.Background(), root, []string{"begin", "1.2.3"}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(root, "dist", "*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "1.2.2" {
		t.Errorf("there are %v, %v", left, err)
	}
}

func TestRun_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(root string)
		args   []string
		want   string
	}{
		"a changed file":           {func(root string) { put(t, changelog+"more\n", root, "CHANGELOG.md") }, []string{"begin", "1.2.3"}, "not those of a commit (hint: commit or stash):\n M CHANGELOG.md"},
		"a new file":               {func(root string) { put(t, "x", root, "new.go") }, []string{"begin", "1.2.3"}, "?? new.go"},
		"a file changed meanwhile": {func(root string) { put(t, "x", root, "new.go") }, []string{"end", "1.2.3", "--key", "k"}, "?? new.go"},
		"another version":          {func(string) {}, []string{"begin", "1.2.4"}, `version "1.2.4": the newest one in CHANGELOG.md is 1.2.3`},
		"no key":                   {func(string) {}, []string{"end", "1.2.3", "--key", "/no/such/key"}, "keygen /no/such/key"},
		"no command":               {func(string) {}, nil, string(usage)},
	} {
		t.Run(name, func(t *testing.T) {
			root := repository(t)
			put(t, "old", root, "dist", "1.2.3", "x")
			c.change(root)
			err := run(context.Background(), root, c.args)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
			if _, err := os.Stat(filepath.Join(root, "dist", "1.2.3", "x")); err != nil {
				t.Errorf("the folder is emptied all the same: %v", err)
			}
		})
	}
}

func TestNotes(t *testing.T) {
	want := "# Latchkey 1.2.3 - 2026-01-31\n\n- A door opens.\n"
	if got := string(notes([]byte(changelog))); got != want {
		t.Errorf("notes are %q, want %q", got, want)
	}
}

func TestSizes_are_those_of_each_architecture_in_both_kinds(t *testing.T) {
	folder := t.TempDir()
	if _, err := sizes(folder); err == nil || !strings.Contains(err.Error(), "make ipk") {
		t.Errorf("without packages the error is %v", err)
	}
	for i, one := range target.All() {
		put(t, strings.Repeat("x", 100+i), folder, "opkg", one.Arch, "latchkey_1.2.3-r1_"+one.Arch+".ipk")
		put(t, strings.Repeat("x", 200+i), folder, "apk", one.Arch, "latchkey-1.2.3-r1.apk")
		put(t, "another", folder, "apk", one.Arch, "latchkey-i18n-de-1.2.3-r1.apk")
	}
	table, err := sizes(folder)
	if err != nil {
		t.Fatal(err)
	}
	for i, one := range target.All() {
		if want := fmt.Sprintf("| %s | %d | %d |\n", one.Arch, 100+i, 200+i); !strings.Contains(string(table), want) {
			t.Errorf("%q is not in the table:\n%s", want, table)
		}
	}
}

// The project's own Makefile has what a release fills in.
func TestFilledIn(t *testing.T) {
	makefile, err := os.ReadFile("../../openwrt/latchkey/Makefile")
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(nil)
	got, err := filledIn(makefile, hash)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"\nPKG_HASH:=e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\n",
		"\nPKG_SOURCE_URL:=https://github.com/latchkey/latchkey/releases/download/v$(PKG_VERSION)\n",
	} {
		if !strings.Contains(string(got), want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if bytes.Count(got, []byte("\n")) != bytes.Count(makefile, []byte("\n")) {
		t.Error("the Makefile has more or fewer lines")
	}
	if _, err := filledIn([]byte("PKG_NAME:=x\n"), hash); err == nil {
		t.Error("a Makefile without the lines is filled in")
	}
}

func TestClients_are_the_programs_of_this_version(t *testing.T) {
	folder, rel := t.TempDir(), release.Release{Version: "1.2.3"}
	if _, err := clients(folder, rel); err == nil || !strings.Contains(err.Error(), "make clients") {
		t.Errorf("without clients the error is %v", err)
	}
	for _, name := range []string{"latchkey-1.2.3-linux-arm64", "latchkey-1.2.3-windows-amd64.exe", "latchkey.1", "knock.py", "SHA256SUMS"} {
		put(t, "x", folder, "clients", name)
	}
	got, err := clients(folder, rel)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"latchkey-1.2.3-linux-arm64":   filepath.Join(folder, "clients", "latchkey-1.2.3-linux-arm64"),
		"latchkey-1.2.3-windows-amd64": filepath.Join(folder, "clients", "latchkey-1.2.3-windows-amd64.exe"),
	}
	if !maps.Equal(got, want) {
		t.Errorf("clients are %v, want %v", got, want)
	}
}

// The sums are checked by coreutils, and the signature by OpenBSD's signify.
func TestSign(t *testing.T) {
	key, err := signify.Generate(bytes.NewReader(bytes.Repeat([]byte{1}, 40)))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	put(t, "a", folder, "a")
	put(t, "b", folder, "opkg", "x86_64", "b")
	for range 2 { // the second time the sums of the first one are there
		if err := sign(folder, key); err != nil {
			t.Fatal(err)
		}
	}
	public := filepath.Join(t.TempDir(), "key.pub")
	put(t, string(key.MarshalPublic()), public)
	for _, args := range [][]string{
		{"sha256sum", "--strict", "-c", sumsFile},
		{"signify-openbsd", "-V", "-p", public, "-m", sumsFile},
	} {
		if _, err := exec.LookPath(args[0]); err != nil {
			t.Skipf("SKIP: no %s here", args[0])
		}
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = folder
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", args, err, out)
		}
	}
	sums, err := os.ReadFile(filepath.Join(folder, sumsFile))
	if err != nil || bytes.Count(sums, []byte("\n")) != 2 || !bytes.Contains(sums, []byte("  opkg/x86_64/b\n")) {
		t.Errorf("sums are %q, %v", sums, err)
	}
}
