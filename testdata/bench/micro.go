// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// microPackages have the benchmarks of the way of a packet, from the socket to the set.
var microPackages = []string{"capture", "wire", "knock", "seal", "daemon", "nft"}

const (
	microFolder  = "build/bench-micro"
	microPattern = "^Benchmark(Reader|Decode|Sequence|STUN|Slots|Fwknop|Ring_Open|Packets|Open)$"
)

// buildMicro builds the benchmarks. The modules that only tests need may have to be fetched, which cannot be
// done in the lab. What went wrong stands in a file for micro.
func buildMicro() {
	_ = os.RemoveAll(microFolder) // old programs would measure what is no more; MkdirAll tells
	if err := os.MkdirAll(microFolder, 0o755); err != nil {
		progress(err.Error())
		return
	}
	for _, p := range microPackages {
		progress("building the micro-benchmarks of pkgs/" + p)
		out, err := exec.Command("go", "test", "-c", "-o", filepath.Join(microFolder, p), "./pkgs/"+p).CombinedOutput()
		if err != nil {
			text := fmt.Sprintf("go test -c ./pkgs/%s: %v: %s", p, err, strings.TrimSpace(string(out)))
			_ = os.WriteFile(filepath.Join(microFolder, p+".error"), []byte(text), 0o644)
		}
	}
}

// micro runs them.
func (b *bench) micro() error {
	var errs []error
	for _, p := range microPackages {
		if text, err := os.ReadFile(filepath.Join(microFolder, p+".error")); err == nil {
			errs = append(errs, errors.New(string(text)))
			continue
		}
		program, err := filepath.Abs(filepath.Join(microFolder, p))
		if err != nil {
			return err
		}
		cmd := b.anywhere(program, "-test.run", "^$", "-test.benchtime", "50ms", "-test.count", "3", "-test.benchmem", "-test.bench", microPattern)
		cmd.Dir = filepath.Join("pkgs", p)
		out, err := cmd.CombinedOutput()
		b.addMicro(p, string(out))
		if err != nil {
			errs = append(errs, fmt.Errorf("pkgs/%s: %w: %s", p, err, lastLine(string(out))))
		}
	}
	return errors.Join(errs...)
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// addMicro reads what a benchmark prints. Runs of one follow each other.
func (b *bench) addMicro(pkg, text string) {
	var names []string
	times, allocations := map[string]samples{}, map[string]samples{}
	for line := range strings.Lines(text) {
		var name string
		var rounds, size, count int
		var ns float64
		if _, err := fmt.Sscanf(line, "Benchmark%s %d %f ns/op %d B/op %d allocs/op", &name, &rounds, &ns, &size, &count); err != nil {
			continue
		}
		name, _, _ = strings.Cut(name, "-") // the number of CPUs
		if times[name] == nil {
			names = append(names, name)
		}
		times[name] = append(times[name], ns/1e9)
		allocations[name] = append(allocations[name], float64(count))
	}
	for _, name := range names {
		at := figure{Row: rowMicro, Candidate: ours, Knock: "pkgs/" + pkg + " " + name}
		b.out.add(at, whatMicro, "s", newSamples(times[name]))
		b.out.add(at, whatAllocs, "per packet", newSamples(allocations[name]))
	}
}
