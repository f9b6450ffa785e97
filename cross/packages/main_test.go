// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/cross/apktest"
	"github.com/latchkey/latchkey/cross/index"
	"github.com/latchkey/latchkey/cross/ipktest"
	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

// root is the folder of go.mod.
const root = "../.."

// architectures returns what to build: all but in a short test.
func architectures() []string {
	if testing.Short() {
		return []string{"mips_24kc", "x86_64"}
	}
	var archs []string
	for _, t := range target.All() {
		archs = append(archs, t.Arch)
	}
	return archs
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bothKinds are the architectures that packages of both kinds are compared for: both ends of byte order and width.
var bothKinds = []string{"mips_24kc", "x86_64"}

// TestPackages builds the packages and looks at them with the tools of others, compares those of both kinds, and
// describes them again from a copy of the sources in another folder.
func TestPackages(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000") // the copy has no git to ask
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	targets, err := target.Select(architectures())
	if err != nil {
		t.Fatal(err)
	}
	for kind, archs := range map[string][]string{"ipk": architectures(), "apk": bothKinds} {
		var progress bytes.Buffer
		err := run(t.Context(), root, out, slices.Concat([]string{kind}, archs), &progress)
		t.Log(progress.String())
		if err != nil {
			t.Fatal(err)
		}
	}

	for _, tg := range targets {
		t.Run(tg.Arch, func(t *testing.T) {
			file := read(t, filepath.Join(out, "opkg", tg.Arch, "latchkey_"+rel.Version+"-r1_"+tg.Arch+".ipk"))
			data := ipktest.Member(t, file, "./data.tar.gz")
			program := filepath.Join(t.TempDir(), "latchkeyd")
			if err := os.WriteFile(program, ipktest.Member(t, data, "./usr/bin/latchkeyd"), 0o755); err != nil {
				t.Fatal(err)
			}
			t.Run("files", func(t *testing.T) { checkFiles(t, data) })
			t.Run("control", func(t *testing.T) { checkControl(t, file, tg.Arch, rel.Version) })
			t.Run("program", func(t *testing.T) { checkProgram(t, program, tg) })
			t.Run("size", func(t *testing.T) { checkSize(t, file, tg) })
			t.Run("version", func(t *testing.T) { checkVersion(t, program, tg, rel.Version) })
		})
	}
	for _, arch := range bothKinds {
		t.Run(arch+" of both kinds", func(t *testing.T) { compareKinds(t, out, arch) })
	}
	t.Run("the same from a copy", compareWithCopy)
	t.Run("pages", func(t *testing.T) {
		file := read(t, filepath.Join(out, "opkg", "mips_24kc", "luci-app-latchkey_"+rel.Version+"-r1_all.ipk"))
		list := ipktest.Tool(t, ipktest.Member(t, file, "./data.tar.gz"), "tar", "-tz", "-f", "-")
		for _, want := range []string{
			"./usr/share/luci/menu.d/luci-app-latchkey.json\n",
			"./usr/share/rpcd/acl.d/luci-app-latchkey-pickup.json\n",
			"./usr/share/rpcd/acl.d/luci-app-latchkey.json\n",
			"./www/luci-static/resources/view/latchkey/",
		} {
			if !strings.Contains(list, want) {
				t.Errorf("no %q among\n%s", want, list)
			}
		}
	})
}

// checkFiles checks what a router with this package would have.
func checkFiles(t *testing.T, data []byte) {
	got := make(map[string]string)
	for line := range strings.Lines(ipktest.Tool(t, data, "tar", "-tvz", "--numeric-owner", "-f", "-")) {
		f := strings.Fields(line)
		got[f[5]] = f[0]
		if f[1] != "0/0" {
			t.Errorf("%s belongs to %s", f[5], f[1])
		}
	}
	for name, mode := range map[string]string{
		"./usr/bin/latchkeyd":                  "-rwxr-xr-x",
		"./etc/init.d/latchkey":                "-rwxr-xr-x",
		"./etc/config/latchkey":                "-rw-------", // has keys in it
		"./etc/capabilities/latchkey.json":     "-rw-r--r--",
		"./usr/share/rpcd/ucode/latchkey":      "-rw-r--r--",
		"./lib/upgrade/keep.d/latchkey":        "-rw-r--r--",
		"./usr/share/ucode/latchkey/change.uc": "-rw-r--r--",
		"./etc/":                               "drwxr-xr-x",
	} {
		if got[name] != mode {
			t.Errorf("%s has mode %q, want %q", name, got[name], mode)
		}
	}
}

func checkControl(t *testing.T, file []byte, arch, version string) {
	control := ipktest.Member(t, file, "./control.tar.gz")
	if got := string(ipktest.Member(t, control, "./conffiles")); !slices.Contains(strings.Split(got, "\n"), "/etc/config/latchkey") {
		t.Errorf("/etc/config/latchkey is not among the conffiles %q", got)
	}
	text := string(ipktest.Member(t, control, "./control"))
	for _, want := range []string{
		"Package: latchkey\nVersion: " + version + "-r1\nDepends: ",
		"\nRequire-User: latchkey=", "\nArchitecture: " + arch + "\n", "\nLicense: Apache-2.0\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("control lacks %q:\n%s", want, text)
		}
	}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(line, ":"); ok && line[0] != ' ' && strings.TrimSpace(value) == "" {
			t.Errorf("field %s is empty", name)
		}
	}
	if _, err := index.Text([]index.IPK{{Name: "latchkey.ipk", Data: file}}); err != nil {
		t.Errorf("not fit for a feed: %v", err)
	}
}

// checkProgram has readelf tell whether the program runs on that processor
// without anything beside it.
func checkProgram(t *testing.T, program string, tg target.Target) {
	want := map[string][]string{
		"mips":    {"ELF32", "big endian", "MIPS R3000", "Soft float"},
		"mipsle":  {"ELF32", "little endian", "MIPS R3000", "Soft float"},
		"arm":     {"ELF32", "little endian", "Machine: *ARM"},
		"arm64":   {"ELF64", "little endian", "AArch64"},
		"amd64":   {"ELF64", "little endian", "X86-64"},
		"386":     {"ELF32", "little endian", "Intel 80386"},
		"riscv64": {"ELF64", "little endian", "RISC-V"},
	}[tg.GOARCH]
	if want == nil {
		t.Errorf("nobody has said what readelf says of a program for %s", tg.GOARCH)
	}
	got := strings.Join(strings.Fields(ipktest.Tool(t, nil, "readelf", "-hlA", program)), " ")
	for _, w := range want {
		if w = strings.ReplaceAll(w, " *", " "); !strings.Contains(got, w) {
			t.Errorf("readelf does not say %q", w)
		}
	}
	if strings.Contains(got, "INTERP") || strings.Contains(got, "DYNAMIC") {
		t.Error("the program is not static")
	}
	if sections := ipktest.Tool(t, nil, "readelf", "-SW", program); strings.Contains(sections, ".symtab") || strings.Contains(sections, ".debug") {
		t.Error("the program is not stripped")
	}
}

// checkSize compares the whole package with its budget.
func checkSize(t *testing.T, file []byte, tg target.Target) {
	if got := len(file); got > tg.Budget {
		t.Errorf("%d bytes, the budget is %d (hint: make size)", got, tg.Budget)
	}
}

// checkVersion starts the program, under an emulator if there is a good one.
func checkVersion(t *testing.T, program string, tg target.Target, version string) {
	command := []string{tg.QEMU, program}
	if tg.QEMU == "" {
		if runtime.GOARCH != "amd64" || tg.GOARCH != "386" {
			t.Skipf("SKIP: no emulator for %s, and this processor does not run it", tg.Arch)
		}
		command = command[1:]
	}
	for _, arg := range []string{"version", "--version"} {
		if got := ipktest.Tool(t, nil, command[0], slices.Concat(command[1:], []string{arg})...); !strings.Contains(got, version) {
			t.Errorf("%s prints %q, which is not version %s", arg, got, version)
		}
	}
}

// compareWithCopy describes the packages of the sources and of a copy of them: the same package gives the same bytes
// (package pack), so that they need not be compressed again.
func compareWithCopy(t *testing.T) {
	copied, sources := t.TempDir(), filepath.Join(t.TempDir(), "sources.tar")
	ipktest.Tool(t, nil, "tar", "-cf", sources, "--exclude=node_modules", "-C", root,
		"cmd", "pkgs", "openwrt", "luci-app", "go.mod", "go.sum", "CHANGELOG.md")
	ipktest.Tool(t, nil, "tar", "-xf", sources, "-C", copied)
	var described [2][]*pack.Package
	for i, root := range []string{root, copied} {
		work, err := recipe.Begin(root, bothKinds, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		defer work.End()
		if described[i], err = work.Packages(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(described[0]) < len(bothKinds)+3 || len(described[0]) != len(described[1]) { // with the pages and two languages
		t.Fatalf("there are %d packages, and %d of the copy", len(described[0]), len(described[1]))
	}
	for i, p := range described[0] {
		if !reflect.DeepEqual(p, described[1][i]) { // a difference can be a program, which nobody can read
			t.Errorf("%s for %s is another one of the copy", p.Name, p.Arch)
		}
	}
}

// compareKinds compares the packages for an architecture, and those for apk
// with what apk itself makes of them, where it is at hand.
func compareKinds(t *testing.T, out, arch string) {
	real := apktest.Real(t)
	ipks, err := filepath.Glob(filepath.Join(out, "opkg", arch, "*.ipk"))
	if err != nil || len(ipks) < 4 { // latchkey, its pages and two languages
		t.Fatalf("%v, %v", ipks, err)
	}
	apks, err := filepath.Glob(filepath.Join(out, "apk", arch, "*.apk"))
	if err != nil || len(apks) != len(ipks) {
		t.Errorf("%d .ipk files, but %d .apk files, %v", len(ipks), len(apks), err)
	}
	for _, ipk := range ipks {
		name, version := nameAndVersion(t, ipk)
		apk := filepath.Join(out, "apk", arch, name+"-"+version+".apk")
		t.Run(name, func(t *testing.T) {
			f, err := apktest.Read(read(t, apk))
			if err != nil {
				t.Fatal(err)
			}
			compareContents(t, read(t, ipk), f)
			if real == nil {
				return
			}
			if !bytes.Equal(apktest.Repack(t, real, f), f.Plain) {
				t.Error("apk mkpkg makes another package of the same files")
			}
			if out, err := real("--allow-untrusted", "verify", apk); err != nil {
				t.Errorf("apk verify: %v\n%s", err, out)
			}
		})
	}
}

func nameAndVersion(t *testing.T, ipk string) (name, version string) {
	parts := strings.Split(filepath.Base(ipk), "_")
	if len(parts) < 3 {
		t.Fatalf("%s is no name of a package", ipk)
	}
	return parts[0], parts[1]
}

// compareContents compares what two files of a package install, and how they
// describe it.
func compareContents(t *testing.T, ipk []byte, apk *apktest.File) {
	data := ipktest.Member(t, ipk, "./data.tar.gz")
	var names []string
	for name := range strings.Lines(ipktest.Tool(t, data, "tar", "-tz", "-f", "-")) {
		name = strings.TrimSpace(name)
		if strings.HasSuffix(name, "/") {
			continue
		}
		path := strings.TrimPrefix(name, ".")
		names = append(names, path)
		if got, ok := apk.Data[path]; !ok || !bytes.Equal(got, ipktest.Member(t, data, name)) {
			t.Errorf("%s is there: %v, and has other bytes", path, ok)
		}
	}
	pkg := apk.Root.Get("info").Get("name").Text
	for path := range apk.Data {
		if record := strings.HasPrefix(path, "/lib/apk/packages/"+pkg+"."); !record && !slices.Contains(names, path) {
			t.Errorf("%s is only in the .apk file", path)
		}
	}
	if got := strings.Fields(string(apk.Data["/lib/apk/packages/"+pkg+".list"])); !slices.Equal(got, names) {
		t.Errorf("the list is %q, want %q", got, names)
	}

	control := string(ipktest.Member(t, ipktest.Member(t, ipk, "./control.tar.gz"), "./control"))
	var depends []string
	for _, d := range apk.Root.Get("info").Get("depends").Members {
		depends = append(depends, d.Text)
	}
	for line := range strings.Lines(control) {
		if list, ok := strings.CutPrefix(line, "Depends: "); ok {
			want := slices.Sorted(strings.FieldsFuncSeq(list, func(r rune) bool { return r == ',' || r == ' ' || r == '\n' }))
			if !slices.Equal(depends, want) {
				t.Errorf("it depends on %q, want %q", depends, want)
			}
		}
		if arch, ok := strings.CutPrefix(line, "Architecture: "); ok {
			want := strings.Replace(strings.TrimSpace(arch), "all", "noarch", 1)
			if got := apk.Root.Get("info").Get("arch").Text; got != want {
				t.Errorf("it is for %q, want %q", got, want)
			}
		}
	}
}

// What another build left is gone: a feed would have two versions of a package.
func TestWrite_leaves_no_older_package(t *testing.T) {
	out := t.TempDir()
	for _, old := range []string{"apk/x86_64/latchkey-0.0.1-r1.apk", "apk/mips_24kc/latchkey-0.0.1-r1.apk"} {
		name := filepath.Join(out, filepath.FromSlash(old))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	k, err := kindOf("apk")
	if err != nil {
		t.Fatal(err)
	}
	targets, err := target.Select([]string{"x86_64"})
	if err != nil {
		t.Fatal(err)
	}
	p := &pack.Package{Name: "latchkey", Version: "0.0.2-r1", Arch: "x86_64", Description: "Test", Time: time.Unix(1, 0)}
	if err := write([]*pack.Package{p}, targets, k, out, io.Discard); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(out, "apk", "*", "latchkey-*.apk"))
	if err != nil || len(left) != 1 || strings.Contains(left[0], "0.0.1") {
		t.Errorf("there are %v, %v", left, err)
	}
}

func TestRun_refuses(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no kind":                 {nil, "which kind of package?"},
		"an unknown kind":         {[]string{"deb"}, `unknown kind of package "deb"`},
		"an unknown architecture": {[]string{"apk", "z80"}, `unknown architecture "z80"`},
	} {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), root, t.TempDir(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v does not contain %q", err, c.want)
			}
		})
	}
}
