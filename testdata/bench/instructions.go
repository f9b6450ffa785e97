// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/cross/target"
)

// emulatedArch is the slowest kind of router: 580 MHz, without FPU, numbers of 64 bits and instructions for AES.
const emulatedArch = "mipsel_24kc"

// counter is the plugin that has QEMU count.
var counter = filepath.Join(programs, "instructions.so")

func emulatedProgram(pkg string) string { return filepath.Join(programs, "emulated-"+pkg) }

// emulated reports whether a package's benchmarks run under emulation: those of the others need a kernel.
func emulated(pkg string) bool { return pkg != "capture" && pkg != "nft" }

// buildEmulated builds benchmarks as the packages for that router have the code, and the plugin.
func buildEmulated() {
	chosen, err := target.Select([]string{emulatedArch})
	if err != nil {
		panic(err) // it stands in the table of all
	}
	for _, p := range microPackages {
		if emulated(p) {
			compile(emulatedProgram(p), benchmarks(chosen[0], p, emulatedProgram(p)))
		}
	}
	compile(counter, exec.Command("cc", "-shared", "-fPIC", "-O2", "-o", counter, "testdata/bench/qemu/instructions.c"))
}

// instructions counts those of each benchmark that was run, for each round.
func (b *bench) instructions() error {
	if err := unbuilt(counter); err != nil {
		return err
	}
	for _, f := range slices.Clone(b.out.Figures) {
		pkg, name, _ := strings.Cut(strings.TrimPrefix(f.Knock, "pkgs/"), " ")
		if f.What != whatMicro || !emulated(pkg) {
			continue
		}
		// So many rounds, about 100 million instructions, that they weigh more than what differs from start to start.
		rounds := min(max(int(0.012/f.Value), 10), 200_000)
		n, err := b.count(pkg, name, rounds)
		if err != nil {
			return fmt.Errorf("%s: %w", f.Knock, err) // of which the next ones would say the same
		}
		b.out.add(figure{Row: rowMicro, Candidate: ours, Knock: f.Knock}, whatInstructions, "for each", samples{n})
	}
	return nil
}

// count returns the instructions of one round of a benchmark: of three times as many rounds less those of the
// rounds, each the less of two, since Go's threads may wait for each other.
func (b *bench) count(pkg, name string, rounds int) (each float64, err error) {
	var least [2]float64
	for i, n := range []int{rounds, 3 * rounds} {
		for range 2 {
			total, err := b.execute(pkg, name, n)
			if err != nil {
				return 0, err
			}
			if least[i] == 0 || total < least[i] {
				least[i] = total
			}
		}
	}
	if least[1] <= least[0] {
		return 0, fmt.Errorf("%.0f instructions with %d rounds, and %.0f with three times as many", least[0], rounds, least[1])
	}
	return (least[1] - least[0]) / float64(2*rounds), nil
}

// execute returns the instructions of a whole program that does so many rounds.
func (b *bench) execute(pkg, name string, rounds int) (total float64, err error) {
	program, err := filepath.Abs(emulatedProgram(pkg))
	if err != nil {
		return 0, err
	}
	if err := unbuilt(program); err != nil {
		return 0, err
	}
	plugin, err := filepath.Abs(counter)
	if err != nil {
		return 0, err
	}
	file := plugin + ".count"
	if err := os.RemoveAll(file); err != nil {
		return 0, err
	}
	cmd := b.anywhere("qemu-mipsel", "-plugin", plugin, program, "-test.run", "^$", "-test.cpu", "1",
		"-test.benchtime", strconv.Itoa(rounds)+"x", "-test.bench", "^Benchmark"+strings.ReplaceAll(name, "/", "$/^")+"$")
	cmd.Dir = filepath.Join("pkgs", pkg)
	cmd.Env = append(os.Environ(), "INSTRUCTIONS="+file, "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("qemu-mipsel: %w: %s", err, lastLine(string(out)))
	}
	if !strings.Contains(string(out), "\nBenchmark"+name) {
		return 0, fmt.Errorf("it did not run: %s", lastLine(string(out)))
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseFloat(strings.TrimSpace(string(text)), 64)
}
