// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/target"
)

func TestAll(t *testing.T) {
	seen := make(map[string]bool)
	for _, tg := range target.All() {
		if seen[tg.Arch] {
			t.Errorf("%s comes twice", tg.Arch)
		}
		seen[tg.Arch] = true
		if name, value, ok := strings.Cut(tg.Option, "="); !ok || !strings.HasPrefix(name, "GO") || value == "" {
			t.Errorf("%s: option %q is not an assignment", tg.Arch, tg.Option)
		}
	}
}

// TestRoutersWithLeastFlashGetAtMost1400000Bytes keeps a budget from growing
// along with the program.
func TestRoutersWithLeastFlashGetAtMost1400000Bytes(t *testing.T) {
	for _, tg := range target.All() {
		if tg.GOARCH == "mipsle" && tg.Budget > 1_400_000 {
			t.Errorf("%s: the budget is %d bytes, more than 1.4 MB", tg.Arch, tg.Budget)
		}
	}
}

func TestSelect(t *testing.T) {
	got, err := target.Select([]string{"x86_64", "mips_24kc"})
	if err != nil || len(got) != 2 || got[0].GOARCH != "amd64" || got[1].GOARCH != "mips" {
		t.Errorf("Select() = %v, %v", got, err)
	}
	if got, err := target.Select(nil); err != nil || len(got) != len(target.All()) {
		t.Errorf("Select(nil) = %v, %v; want all", got, err)
	}
	if _, err := target.Select([]string{"mips"}); err == nil || !strings.Contains(err.Error(), "mips_24kc") {
		t.Errorf("error %v does not tell what there is", err)
	}
}

// TestEverythingIsCompiledAsPackagesAre holds the program, and what is measured of it, to the same flags.
func TestEverythingIsCompiledAsPackagesAre(t *testing.T) {
	host, ok := target.Host()
	if !ok || host.GOARCH != runtime.GOARCH {
		t.Fatalf("Host() = %v, %v on %s", host, ok, runtime.GOARCH)
	}
	cmd := host.Command(t.Context(), "test", "-c", "-o", "x", "./pkgs/y")
	line, env := strings.Join(cmd.Args, " "), strings.Join(cmd.Env, "\n")
	if !strings.HasPrefix(line, "go test -trimpath ") || !strings.Contains(line, " -gcflags=all=-l ") || !strings.HasSuffix(line, " -c -o x ./pkgs/y") {
		t.Errorf("the command is %q", line)
	}
	for _, want := range []string{"CGO_ENABLED=0", "GOARCH=" + host.GOARCH, host.Option, "GOFLAGS=-mod=readonly"} {
		if !strings.Contains(env, "\n"+want+"\n") {
			t.Errorf("%q is not in its environment", want)
		}
	}
}
