// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/latchkey/latchkey/cross/release"
	"github.com/latchkey/latchkey/cross/target"
)

// build builds latchkeyd as the packages have it, and what measures parts of it. Modules may have to be fetched
// for that, which cannot be done in the lab.
func build(want choice) error {
	// Old programs would measure what is no more.
	if err := os.RemoveAll(programs); err != nil {
		return err
	}
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return err
	}
	host, ok := target.Host()
	if !ok {
		return fmt.Errorf("OpenWrt has no packages for %s", runtime.GOARCH)
	}
	rel, err := release.Read(".", os.Getenv)
	if err != nil {
		return err
	}
	b := &target.Builder{Root: ".", Version: rel.Version, Folder: programs, Progress: os.Stderr}
	file, err := b.Build(context.Background(), host)
	if err != nil {
		return err
	}
	if err := os.Rename(file, latchkeyd); err != nil {
		return err
	}
	if want.rows.has(rowMicro) {
		for _, p := range microPackages {
			compile(microProgram(p), benchmarks(host, p, microProgram(p)))
		}
		buildEmulated()
	}
	return nil
}

// compile runs the compiler of a program that one row needs. What went wrong stands in a file beside it for unbuilt.
func compile(program string, compiler *exec.Cmd) {
	progress("building " + filepath.Base(program))
	if out, err := compiler.CombinedOutput(); err != nil {
		text := fmt.Sprintf("%s: %v: %s", filepath.Base(compiler.Path), err, strings.TrimSpace(string(out)))
		_ = os.WriteFile(program+".error", []byte(text), 0o644) // without it, the row says that there is no program
	}
}

// benchmarks is the call of the compiler for those of a package.
func benchmarks(t target.Target, pkg, program string) *exec.Cmd {
	return t.Command(context.Background(), "test", "-o", program, "-c", "./pkgs/"+pkg)
}

// unbuilt says why a program could not be compiled.
func unbuilt(program string) error {
	if text, err := os.ReadFile(program + ".error"); err == nil {
		return fmt.Errorf("%s", text)
	}
	_, err := os.Stat(program)
	return err
}

func microProgram(pkg string) string { return filepath.Join(programs, "micro-"+pkg) }
