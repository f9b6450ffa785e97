// SPDX-License-Identifier: Apache-2.0

// Command size shows how big the router's program and package are for each
// architecture of OpenWrt, and fails if a package is above its budget.
//
//	go run ./cross/size [ARCH...]
//
// Run it in the folder of go.mod.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/pack"
	"github.com/latchkey/latchkey/cross/recipe"
	"github.com/latchkey/latchkey/cross/target"
)

func main() {
	flag.Parse()
	command.Main("size", func(ctx context.Context) error { return run(ctx, ".", flag.Args(), os.Stdout) })
}

func run(ctx context.Context, root string, archs []string, w io.Writer) error {
	work, err := recipe.Begin(root, archs, w)
	if err != nil {
		return err
	}
	defer work.End()
	tooBig, err := sizes(ctx, work, w)
	if err != nil {
		return err
	}
	b := &target.Builder{Root: root, Version: work.Release.Version, Folder: work.Builder.Folder, Symbols: true, Progress: w}
	if err := imports(ctx, b, work.Targets[0], w); err != nil {
		return err
	}
	return tooBig
}

// sizes prints a table of sizes. TooBig are those above their budget.
func sizes(ctx context.Context, work *recipe.Work, w io.Writer) (tooBig, err error) {
	var over []error
	var archives pack.Archives
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(table, "\narchitecture\tprogram\t.ipk file\tbudget\tused\t\n")
	for _, t := range work.Targets {
		name, err := work.Builder.Build(ctx, t)
		if err != nil {
			return nil, err
		}
		program, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		p, err := recipe.Router(work.Builder.Root, work.Release, t.Arch, name)
		if err != nil {
			return nil, err
		}
		var file bytes.Buffer
		if err := archives.WriteIPK(p, &file); err != nil {
			return nil, err
		}
		size := file.Len()
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%d %%\t\n", t.Arch, program.Size(), size, t.Budget, 100*size/t.Budget)
		if size > t.Budget {
			over = append(over, fmt.Errorf("%s: the .ipk file has %d bytes, the budget is %d", t.Arch, size, t.Budget))
		}
	}
	return errors.Join(over...), table.Flush()
}

// imports prints what the program for a target is made of.
func imports(ctx context.Context, b *target.Builder, t target.Target, w io.Writer) error {
	name, err := b.Build(ctx, t)
	if err != nil {
		return err
	}
	parts, err := partsOf(name)
	if err != nil {
		return err
	}
	fmt.Fprintf(w, "\nWhat the program for %s consists of: bytes of code and data by the linker's symbols,\n", t.Arch)
	fmt.Fprintf(w, "before compression (which leaves about a third).\n\n")
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	total, rest := 0, 0
	for _, p := range parts {
		total += p.bytes
	}
	for _, p := range parts {
		if p.bytes < total/200 {
			rest += p.bytes
			continue
		}
		fmt.Fprintf(table, "%d\t%d.%d %%\t %s\n", p.bytes, 100*p.bytes/total, 1000*p.bytes/total%10, p.name)
	}
	fmt.Fprintf(table, "%d\t%d.%d %%\t %s\n", rest, 100*rest/total, 1000*rest/total%10, "(parts below half a per cent)")
	return table.Flush()
}
