// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// printResults writes one line for each candidate. A ratio "x ours" is to latchkeyd with the same
// kind of knock.
func printResults(w io.Writer, n int, results []result) {
	fmt.Fprintf(w, `
latency: from the last packet of a knock to the first SYN that is let in; %d knocks each, p50 and p90
CPU: of the daemon for each packet of a flood at 1 000 and 10 000 packets a second, from forged addresses;
  who loses packets seems cheap: see "knocks"
knocks: how many of %d honest ones open within %s during the second flood
  the floods are steps of the sequence; messages with wrong keys; random base64 as long as a fwknop packet
  (fwknop packets that look genuine up to the HMAC shut out honest ones sooner: pkgs/knock/fwknop.go)
memory: resident and, of it, the daemon's own (RssAnon), at rest > after the floods, in kB
x ours: ratio to latchkeyd with the same kind of knock

`, n, n, patience)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "candidate\tkind\topened\tp50\tp90\tx kernel\tx ours\tCPU 1k\tCPU 10k\tx ours\tknocks\tresident\town\t")
	for _, r := range results {
		fmt.Fprintf(t, "%s\t%s\t", r.name, r.kind)
		if r.latency == nil {
			fmt.Fprintln(t, strings.Repeat("-\t", 11))
			continue
		}
		kernel, ours := find(results, "kernel only", ""), find(results, "latchkeyd", r.kind)
		p50 := func(r result) time.Duration { return quantile(r.latency, 0.5) }
		fmt.Fprintf(t, "%d/%d\t%s\t%s\t%s\t%s\t", len(r.latency), n, show(p50(r)), show(quantile(r.latency, 0.9)),
			ratio(p50(r), p50(kernel)), ratio(p50(r), p50(ours)))
		if r.daemon {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d/%d\t%d > %d\t%d > %d\t\n", show(r.cpu[0]), show(r.cpu[1]), ratio(r.cpu[1], ours.cpu[1]),
				r.honest, n, r.idle.Resident, r.after.Resident, r.idle.Own, r.after.Own)
		} else {
			fmt.Fprintf(t, "-\t-\t-\t%d/%d\t-\t-\t\n", r.honest, n)
		}
	}
	t.Flush()
	for _, r := range results {
		if r.skipped != nil {
			fmt.Fprintf(w, "SKIP: %s, %s: %v\n", r.name, r.kind, r.skipped)
		}
	}
}

// printDisk tells how much of a latency is the disk's.
func printDisk(w io.Writer, disk []time.Duration) {
	if len(disk) == 0 {
		return
	}
	slices.Sort(disk)
	fmt.Fprintf(w, "\nBefore latchkeyd opens for a message or a fwknop packet, it makes its state durable. On this disk that\n"+
		"alone takes p50 %s, p90 %s. A sequence has no state; fwknopd does not wait for its disk.\n",
		show(quantile(disk, 0.5)), show(quantile(disk, 0.9)))
}

// find returns the result of a candidate; its kind does not count if it is empty.
func find(results []result, name, kind string) result {
	for _, r := range results {
		if r.name == name && (kind == "" || r.kind == kind) {
			return r
		}
	}
	return result{}
}

// ratio of two times; none if there is nothing to compare with.
func ratio(a, b time.Duration) string {
	switch {
	case b == 0:
		return "-"
	case a < 10*b:
		return fmt.Sprintf("%.1f", float64(a)/float64(b))
	}
	return fmt.Sprintf("%.0f", float64(a)/float64(b))
}

// show writes a time with three digits: "29.0 ms".
func show(d time.Duration) string {
	value, unit := float64(d), "ns"
	switch {
	case d >= time.Millisecond:
		value, unit = value/1e6, "ms"
	case d >= time.Microsecond:
		value, unit = value/1e3, "us"
	default:
		return fmt.Sprintf("%d ns", d)
	}
	if value < 100 {
		return fmt.Sprintf("%.1f %s", value, unit)
	}
	return fmt.Sprintf("%.0f %s", value, unit)
}

// microBenchmarks runs those of the way of a packet, from the socket to the set, and returns what
// go test printed.
func microBenchmarks() (string, error) {
	out, err := exec.Command("go", "test", "-run", "^$", "-benchtime", "50ms", "-count", "3", "-benchmem",
		"-bench", "^Benchmark(Reader|Decode|Sequence|STUN|Slots|Fwknop|Ring_Open|Packets|Open)$",
		"./pkgs/capture", "./pkgs/wire", "./pkgs/knock", "./pkgs/seal", "./pkgs/daemon", "./pkgs/nft").CombinedOutput()
	return string(out), err
}

// micro is one benchmark, which was run a few times.
type micro struct {
	where, name       string
	times             []time.Duration
	size, allocations int // bytes, and how many
}

// parseMicro reads what go test prints. Runs of a benchmark follow one another.
func parseMicro(text string) (list []micro) {
	where := ""
	for line := range strings.Lines(text) {
		if _, path, ok := strings.Cut(line, "/latchkey/pkgs/"); ok && strings.HasPrefix(line, "pkg: ") {
			where = "pkgs/" + strings.TrimSpace(path)
		}
		m := micro{where: where}
		var rounds int
		var ns float64
		if _, err := fmt.Sscanf(line, "Benchmark%s %d %f ns/op %d B/op %d allocs/op", &m.name, &rounds, &ns, &m.size, &m.allocations); err != nil {
			continue
		}
		if len(list) == 0 || list[len(list)-1].name != m.name || list[len(list)-1].where != where {
			list = append(list, m)
		}
		last := &list[len(list)-1]
		last.times = append(last.times, time.Duration(ns))
	}
	return list
}

// printMicro writes one line for each benchmark, with the median of its times.
func printMicro(w io.Writer, text string, failed error) {
	fmt.Fprint(w, "\nThe way of a packet: Reader waits for one packet and reads it, Packets gets a batch of 64, Open is one grant.\n\n")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "package\tbenchmark\ttime\tbytes\tallocations\t")
	for _, m := range parseMicro(text) {
		slices.Sort(m.times)
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%d\t\n", m.where, m.name, show(quantile(m.times, 0.5)), m.size, m.allocations)
	}
	t.Flush()
	if failed != nil {
		fmt.Fprintf(w, "SKIP: some micro-benchmarks: %v (hint: go vet ./pkgs/... tells why)\n", failed)
	}
}
