// SPDX-License-Identifier: Apache-2.0

// Package target knows the package architectures of OpenWrt and builds the
// router's program for each of them.
package target

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// Target is one of OpenWrt's package architectures.
type Target struct {
	Arch   string // OpenWrt's name
	GOARCH string
	Option string // the variable that chooses the processor within GOARCH, "GOMIPS=softfloat"
	QEMU   string // the user-mode emulator that runs the program, as Debian names it; may be empty
	Budget int    // bytes that the .ipk file with the program may have
}

// All returns the architectures that packages are built for. Go's settings
// follow lang/golang/golang-values.mk of OpenWrt's packages feed: mips has no
// FPU; on arm a name without an FPU means GOARM=5, vfp 6, any newer FPU 7.
//
// The budget is that of mipsel_24kc, whose routers have the least flash; Go's
// code for the other processors is by these parts bigger.
func All() []Target {
	const (
		mips  = 1_400_000
		big   = mips * 102 / 100 // its code compresses a little worse
		other = mips * 110 / 100
		amd64 = mips * 115 / 100
	)
	return []Target{
		{"mips_24kc", "mips", "GOMIPS=softfloat", "qemu-mips-static", big},
		{"mipsel_24kc", "mipsle", "GOMIPS=softfloat", "qemu-mipsel-static", mips},
		{"mipsel_74kc", "mipsle", "GOMIPS=softfloat", "qemu-mipsel-static", mips},
		{"arm_cortex-a7_neon-vfpv4", "arm", "GOARM=7", "qemu-arm-static", other},
		{"arm_cortex-a9", "arm", "GOARM=5", "qemu-arm-static", other},
		{"arm_cortex-a15_neon-vfpv4", "arm", "GOARM=7", "qemu-arm-static", other},
		{"arm_arm1176jzf-s_vfp", "arm", "GOARM=6", "qemu-arm-static", other},
		{"aarch64_cortex-a53", "arm64", "GOARM64=v8.0", "qemu-aarch64-static", other},
		{"aarch64_cortex-a72", "arm64", "GOARM64=v8.0", "qemu-aarch64-static", other},
		{"aarch64_generic", "arm64", "GOARM64=v8.0", "qemu-aarch64-static", other},
		{"x86_64", "amd64", "GOAMD64=v1", "qemu-x86_64-static", amd64},
		{"i386_pentium4", "386", "GO386=sse2", "", other}, // qemu 7.2 crashes with any Go program,
		{"riscv64", "riscv64", "GORISCV64=rva20u64", "qemu-riscv64-static", other},
	}
}

// Select returns the targets of the given architectures, or all without any.
func Select(archs []string) ([]Target, error) {
	all := All()
	if len(archs) == 0 {
		return all, nil
	}
	var chosen []Target
	for _, arch := range archs {
		found := false
		for _, t := range all {
			if t.Arch == arch {
				chosen = append(chosen, t)
				found = true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown architecture %q: there are %s", arch, names(all))
		}
	}
	return chosen, nil
}

func names(targets []Target) string {
	var all []string
	for _, t := range targets {
		all = append(all, t.Arch)
	}
	return strings.Join(all, ", ")
}

// Builder builds the program, once for targets with the same settings of Go.
type Builder struct {
	Root     string // folder of go.mod
	Version  string // that the program reports
	Folder   string // for the programs
	Symbols  bool   // keep the symbol table, which the packages are without
	Progress io.Writer

	built map[string]string // setting to file; bounded by All
}

// Build returns the file name of the program for a target.
func (b *Builder) Build(ctx context.Context, t Target) (string, error) {
	setting := t.GOARCH + "-" + t.Option[strings.Index(t.Option, "=")+1:]
	if file, ok := b.built[setting]; ok {
		return file, nil
	}
	folder, err := filepath.Abs(b.Folder)
	if err != nil {
		return "", err
	}
	file := filepath.Join(folder, "latchkeyd-"+setting)
	fmt.Fprintf(b.Progress, "build latchkeyd for %s ... ", setting)
	begin := time.Now()
	cmd := b.command(ctx, t, file)
	if out, err := cmd.CombinedOutput(); err != nil {
		fmt.Fprintln(b.Progress, "failed")
		return "", fmt.Errorf("build for %s: %w\n%s", t.Arch, err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(b.Progress, "%.2f MB, %.1f s\n", float64(info.Size())/1e6, time.Since(begin).Seconds())
	if b.built == nil {
		b.built = make(map[string]string)
	}
	b.built[setting] = file
	return file, nil
}

// Host is the architecture of this machine; ok is false if OpenWrt has none of Go's name for it.
func Host() (t Target, ok bool) {
	for _, t := range All() {
		if t.GOARCH == runtime.GOARCH {
			return t, true
		}
	}
	return Target{}, false
}

// command builds the program.
func (b *Builder) command(ctx context.Context, t Target, out string) *exec.Cmd {
	ldflags := "-X main.version=" + b.Version
	if !b.Symbols {
		ldflags = "-s -w " + ldflags
	}
	cmd := t.Command(ctx, "build", "-ldflags", ldflags, "-o", out, "./cmd/latchkeyd")
	cmd.Dir = b.Root
	return cmd
}

// Command is the call of a verb of the go command that compiles: all that is
// shipped, and all that is measured of it, is compiled by this one. Nothing of
// the builder's surroundings gets into a program: not the paths, not the state
// of git, not the builder's own settings of Go.
func (t Target) Command(ctx context.Context, verb string, args ...string) *exec.Cmd {
	all := append([]string{verb, "-trimpath", "-buildvcs=false"}, gcflags()...)
	cmd := exec.CommandContext(ctx, "go", append(all, args...)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+t.GOARCH, t.Option,
		"GOFLAGS=-mod=readonly", "GOEXPERIMENT=", "GOWORK=off", "GOFIPS140=off")
	return cmd
}

// gcflags turns inlining off (-l), which saves an eighth of the compressed
// program, but not where every packet passes: decoding one took 63 ns instead
// of 27 without, and each HMAC of SHA-3 left its state on the heap. Of several
// patterns that match a package the last one counts.
func gcflags() []string {
	flags := []string{"-gcflags=all=-l"}
	for _, hot := range []string{"crypto/internal/fips140/sha3", "encoding/binary", "net/netip", "github.com/latchkey/latchkey/pkgs/wire"} {
		flags = append(flags, "-gcflags="+hot+"=")
	}
	return flags
}
