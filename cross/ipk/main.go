// SPDX-License-Identifier: Apache-2.0

// Command ipk builds Latchkey's packages for opkg, OpenWrt's package manager
// up to 24.10.
//
//	go run ./cross/ipk [-out FOLDER] [ARCH...]
//
// Run it in the folder of go.mod. Without architectures it builds for all that
// package target lists. It needs nothing but Go, and the same sources and the
// same Go give the same bytes.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"text/tabwriter"

	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

func main() {
	out := flag.String("out", "dist", "folder for the packages")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, ".", *out, flag.Args(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "ipk: error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root, out string, archs []string, w io.Writer) error {
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return err
	}
	targets, err := target.Select(archs)
	if err != nil {
		return err
	}
	programs, err := os.MkdirTemp("", "latchkey-ipk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(programs)
	b := &target.Builder{Root: root, Version: rel.Version, Folder: programs, Progress: w}
	packages, err := recipe.All(ctx, rel, b, targets)
	if err != nil {
		return err
	}

	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "\npackage\tarchitecture\tbytes\tfile\n")
	for _, p := range packages {
		name := filepath.Join(out, p.IPKName())
		size, err := write(name, p)
		if err != nil {
			return err
		}
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", p.Name, p.Arch, size, name)
	}
	return table.Flush()
}

// write writes a package and returns its size.
func write(name string, p *pack.Package) (int64, error) {
	f, err := os.Create(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	if err := p.WriteIPK(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), f.Close()
}
