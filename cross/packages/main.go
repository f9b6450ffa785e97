// SPDX-License-Identifier: Apache-2.0

// Command packages builds Latchkey's packages for OpenWrt: .ipk files for opkg,
// the package manager up to 24.10, or .apk files for apk, from 25.12 on.
//
//	go run ./cross/packages [-out FOLDER] ipk|apk [ARCH...]
//
// Run it in the folder of go.mod. Without architectures it builds for all that
// package target lists. FOLDER, by default dist/VERSION, gets a folder opkg or
// apk, made again, and in it one for each architecture with all packages that a
// router of that architecture can use. It needs nothing but Go, and the same
// sources and the same Go give the same bytes.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"

	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/target"
)

func main() {
	out := flag.String("out", "", "folder for the packages (default dist/VERSION)")
	flag.Parse()
	command.Main("packages", func(ctx context.Context) error { return run(ctx, ".", *out, flag.Args(), os.Stdout) })
}

// kind is a kind of package file.
type kind struct {
	folder string // named as the package manager
	name   func(*pack.Package) string
	write  func(*pack.Package, io.Writer) error
}

func kindOf(name string) (kind, error) {
	switch name {
	case "ipk":
		return kind{"opkg", (*pack.Package).IPKName, new(pack.Archives).WriteIPK}, nil
	case "apk":
		return kind{"apk", (*pack.Package).APKName, (*pack.Package).WriteAPK}, nil
	default:
		return kind{}, fmt.Errorf("unknown kind of package %q: there are ipk and apk", name)
	}
}

func run(ctx context.Context, root, out string, args []string, w io.Writer) error {
	if len(args) == 0 {
		return errors.New("which kind of package? (hint: packages ipk, or packages apk)")
	}
	k, err := kindOf(args[0])
	if err != nil {
		return err
	}
	work, err := recipe.Begin(root, args[1:], w)
	if err != nil {
		return err
	}
	defer work.End()
	packages, err := work.Packages(ctx)
	if err != nil {
		return err
	}
	if out == "" {
		out = filepath.Join("dist", work.Release.Version)
	}
	return write(packages, work.Targets, k, out, w)
}

// write writes each package into the folders of the architectures that can use
// it, and prints a table of their sizes. What was there is gone: it may be of
// another revision.
func write(packages []*pack.Package, targets []target.Target, k kind, out string, w io.Writer) error {
	folder := filepath.Join(out, k.folder)
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\npackage\tarchitecture\tbytes\tfile\n")
	for _, p := range packages {
		var file bytes.Buffer
		if err := k.write(p, &file); err != nil {
			return err
		}
		var name string
		for _, t := range targets {
			if p.Arch != t.Arch && p.Arch != "all" {
				continue
			}
			name = filepath.Join(folder, t.Arch, k.name(p))
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				return err
			}
			if err := os.WriteFile(name, file.Bytes(), 0o644); err != nil {
				return err
			}
		}
		if p.Arch == "all" {
			name = filepath.Join(folder, "*", k.name(p))
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", p.Name, p.Arch, file.Len(), name)
	}
	return table.Flush()
}
