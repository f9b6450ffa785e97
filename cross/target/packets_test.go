// SPDX-License-Identifier: Apache-2.0

package target_test

import (
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/target"
)

// TestPacketsCostNoMemoryInTheProgramAsPackagesHaveIt runs the tests that say so once more, compiled with the
// flags of packages: what inlining keeps off the heap is on it there.
func TestPacketsCostNoMemoryInTheProgramAsPackagesHaveIt(t *testing.T) {
	host, ok := target.Host()
	if !ok {
		t.Skipf("SKIP: there are no packages for this architecture")
	}
	cmd := host.Command(t.Context(), "test", "-count=1", "-v", "-run", "[Aa]llocates_?[Nn]othing$", "./pkgs/capture", "./pkgs/daemon", "./pkgs/knock", "./pkgs/nft", "./pkgs/radar", "./pkgs/seal", "./pkgs/wire")
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if n := strings.Count(string(out), "--- PASS: Test"); n < 10 {
		t.Errorf("only %d tests ran:\n%s", n, out)
	}
}
