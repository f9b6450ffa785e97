// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
)

// microPackages have the benchmarks of the way of a packet, from the socket to the set.
var microPackages = []string{"capture", "wire", "knock", "seal", "daemon", "nft"}

const microPattern = "^Benchmark(Reader|Decode|Sequence|STUN|Slots|Fwknop|Ring_Open|Packets|Open)$"

// micro runs them.
func (b *bench) micro() error {
	var errs []error
	for _, p := range microPackages {
		if err := unbuilt(microProgram(p)); err != nil {
			errs = append(errs, err)
			continue
		}
		program, err := filepath.Abs(microProgram(p))
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
