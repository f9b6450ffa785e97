// SPDX-License-Identifier: Apache-2.0

// Command client builds latchkey, the program that knocks, for all systems
// that it is for, with the manual pages and the clients that are one file
// each, and their SHA-256 sums.
//
//	go run ./cross/client [-out FOLDER] [-man] [SYSTEM/PROCESSOR...]
//
// With -man it writes the manual pages only.
//
// Run it in the folder of go.mod. It needs nothing but Go, and the same
// sources and the same Go give the same bytes.
package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchkey/latchkey/cross/command"
	"github.com/latchkey/latchkey/cross/manual"
	"github.com/latchkey/latchkey/cross/release"
)

// target is a system and a processor.
type target struct {
	system, processor string // as Go names them
	option            string // the variable that chooses within the processor
}

func (t target) String() string { return t.system + "/" + t.processor }

// targets are all that latchkey is built for.
func targets() []target {
	return []target{
		{"linux", "amd64", "GOAMD64=v1"},
		{"linux", "arm64", "GOARM64=v8.0"},
		{"linux", "arm", "GOARM=6"}, // the first Raspberry Pi
		{"darwin", "amd64", "GOAMD64=v1"},
		{"darwin", "arm64", "GOARM64=v8.0"},
		{"windows", "amd64", "GOAMD64=v1"},
		{"windows", "arm64", "GOARM64=v8.0"},
		{"freebsd", "amd64", "GOAMD64=v1"},
		{"android", "arm64", "GOARM64=v8.0"},
	}
}

// scripts are the clients that need no building.
func scripts() []string { return []string{"cmd/knock/knock.py", "cmd/knock/knock.sh"} }

func main() {
	out := flag.String("out", "", "the folder that is written into (default: dist/VERSION/clients, for pages build)")
	onlyPages := flag.Bool("man", false, "write the manual pages only")
	flag.Parse()
	work := run
	if *onlyPages {
		work = writePages
	}
	command.Main("client", func(ctx context.Context) error { return work(ctx, ".", *out, flag.Args(), os.Stdout) })
}

func run(ctx context.Context, root, out string, wanted []string, w io.Writer) error {
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return err
	}
	chosen, err := choose(wanted)
	if err != nil {
		return err
	}
	if out, err = filepath.Abs(cmp.Or(out, filepath.Join(root, "dist", rel.Version, "clients"))); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	var names []string
	for _, t := range chosen {
		name := fmt.Sprintf("latchkey-%s-%s-%s", rel.Version, t.system, t.processor)
		if t.system == "windows" {
			name += ".exe"
		}
		if err := build(ctx, root, t, rel.Version, filepath.Join(out, name)); err != nil {
			return fmt.Errorf("latchkey for %s: %w", t, err)
		}
		names = append(names, name)
	}
	for _, script := range scripts() {
		text, err := os.ReadFile(filepath.Join(root, script))
		if err != nil {
			return err
		}
		name := filepath.Base(script)
		if err := os.WriteFile(filepath.Join(out, name), text, 0o755); err != nil {
			return err
		}
		names = append(names, name)
	}
	pages, err := pages(ctx, root, out, rel)
	if err != nil {
		return err
	}
	return sum(out, append(names, pages...), w)
}

// writePages writes the manual pages, and says where they are.
func writePages(ctx context.Context, root, out string, _ []string, w io.Writer) error {
	rel, err := release.Read(root, os.Getenv)
	if err != nil {
		return err
	}
	out = cmp.Or(out, filepath.Join(root, "build"))
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	names, err := pages(ctx, root, out, rel)
	for _, name := range names {
		fmt.Fprintln(w, filepath.Join(out, name))
	}
	return err
}

// pages writes the manual pages into a folder, and returns their names.
func pages(ctx context.Context, root, out string, rel release.Release) (names []string, err error) {
	all, err := manual.Pages(ctx, root, rel)
	if err != nil {
		return nil, err
	}
	for name, text := range all {
		if err := os.WriteFile(filepath.Join(out, name), text, 0o644); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}

// choose returns the targets of the given names, or all without any.
func choose(names []string) ([]target, error) {
	if len(names) == 0 {
		return targets(), nil
	}
	var chosen []target
	for _, name := range names {
		i := slices.IndexFunc(targets(), func(t target) bool { return t.String() == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown target %q: there are %v", name, targets())
		}
		chosen = append(chosen, targets()[i])
	}
	return chosen, nil
}

// build calls the compiler. Nothing of the builder's surroundings gets into
// the program: not the paths, not the state of git, not the builder's own
// settings of Go.
func build(ctx context.Context, root string, t target, version, file string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version="+version, "-o", file, "./cmd/latchkey")
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.system, "GOARCH="+t.processor, t.option,
		"GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOWORK=off", "GOFIPS140=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	return nil
}

// sum writes the files' sums, as sha256sum -c reads them.
func sum(folder string, names []string, w io.Writer) error {
	slices.Sort(names)
	var sums bytes.Buffer
	for _, name := range names {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return err
		}
		line := fmt.Sprintf("%x  %s\n", sha256.Sum256(data), name)
		sums.WriteString(line)
		fmt.Fprintf(w, "%9d  %s", len(data), line[:strings.IndexByte(line, ' ')][:16]+"...  "+name+"\n")
	}
	return os.WriteFile(filepath.Join(folder, "SHA256SUMS"), sums.Bytes(), 0o644)
}
