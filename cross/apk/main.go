// SPDX-License-Identifier: Apache-2.0

// Command apk builds Latchkey's packages for apk, OpenWrt's package manager
// from 25.12 on.
//
//	go run ./cross/apk [-out FOLDER] [ARCH...]
//
// Run it in the folder of go.mod. It needs the program apk of apk-tools 3 (the
// one with "apk mkpkg"), which OpenWrt's SDK has in staging_dir/host/bin; no
// other program writes that format. The files are not signed: OpenWrt signs
// the list of a repository ("apk mkndx"), not the packages.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

func main() {
	out := flag.String("out", "dist/apk", "folder for the packages, one folder for each architecture in it")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", *out, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "apk: error:", err)
		os.Exit(1)
	}
}

var errNoMkpkg = errors.New(`no apk with "apk mkpkg" (apk-tools 3) in PATH, so no .apk files can be built here
hint: OpenWrt's SDK for 25.12 or later has one: PATH="$SDK/staging_dir/host/bin:$PATH" make apk`)

func run(ctx context.Context, root, out string, archs []string, w io.Writer) error {
	tool, err := newMkpkg(ctx)
	if err != nil {
		return err
	}
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return err
	}
	targets, err := target.Select(archs)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "latchkey-apk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	b := &target.Builder{Root: root, Version: rel.Version, Folder: work, Progress: w}
	packages, err := recipe.All(ctx, rel, b, targets)
	if err != nil {
		return err
	}
	for _, p := range packages {
		name := filepath.Join(out, p.Arch, p.APKName())
		size, err := tool.make(ctx, p, filepath.Join(work, "stage-"+p.Name+"-"+p.Arch), name)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%8d  %s\n", size, name)
	}
	return nil
}

// mkpkg is the command that "apk mkpkg" is called by.
type mkpkg struct{ command []string }

// newMkpkg looks for apk-tools 3. Apk takes the owners of the files from the
// file system, so whoever is not root runs it where he seems to be.
func newMkpkg(ctx context.Context) (*mkpkg, error) {
	apk, err := exec.LookPath("apk")
	if err != nil {
		return nil, errNoMkpkg
	}
	probe := filepath.Join(os.TempDir(), "latchkey-no-such-folder", "x.apk")
	out, _ := exec.CommandContext(ctx, apk, "mkpkg", "--output", probe).CombinedOutput()
	if want := "required info field"; !strings.Contains(string(out), want) {
		return nil, fmt.Errorf("%w\n(%s answered %q)", errNoMkpkg, apk, out)
	}
	if os.Geteuid() == 0 {
		return &mkpkg{[]string{apk}}, nil
	}
	for _, asRoot := range [][]string{{"fakeroot", "--"}, {"unshare", "-r", "--"}} {
		if name, err := exec.LookPath(asRoot[0]); err == nil {
			return &mkpkg{slices.Concat([]string{name}, asRoot[1:], []string{apk})}, nil
		}
	}
	return nil, errors.New("the files in an .apk must belong to root (hint: be root, or install fakeroot)")
}

// make lays the package out in folder and writes it to the file out.
func (m *mkpkg) make(ctx context.Context, p *pack.Package, folder, out string) (size int64, err error) {
	if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
		return 0, err
	}
	args, err := p.StageAPK(folder, out)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, m.command[0], slices.Concat(m.command[1:], args)...)
	cmd.Env = append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", p.Time.Unix()))
	if text, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("apk mkpkg for %s, %s: %w\n%s", p.Name, p.Arch, err, text)
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}
