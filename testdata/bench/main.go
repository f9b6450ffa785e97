// SPDX-License-Identifier: Apache-2.0

// Command bench compares latchkeyd with its peers: knockd, fwknopd, and the kernel's firewall alone,
// which is the lower bound. All are run one after the other, on the router of testdata/lab.sh, with
// the same sender. It asserts nothing: figures of one machine say little, ratios of one run do.
//
//	make bench             (or, after make build: go run ./testdata/bench)
//	make bench BENCH_N=50  more knocks of each kind, default 20
//	go run ./testdata/bench latchkeyd  this candidate only, without micro-benchmarks
//
// Run it in the folder of go.mod. It needs no root, but the Debian packages knockd, fwknop-server,
// fwknop-client and iptables; a candidate that is missing is skipped and named.
package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const (
	latchkeyd = "build/latchkeyd"
	// folder has the candidates' files. It is on a real disk, because latchkeyd and fwknopd write
	// to it before they open a door.
	folder = "build/bench"
	// busy is the load average per CPU from which on figures are not to be believed.
	busy = 0.5
)

func main() {
	err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

func run() error {
	n, err := strconv.Atoi(cmp.Or(os.Getenv("BENCH_N"), "20"))
	if err != nil || n < 5 || n > 60 {
		return fmt.Errorf("BENCH_N is %q, but must be a number from 5 to 60: fwknop packets made beforehand get too old", os.Getenv("BENCH_N"))
	}
	if _, err := os.Stat(latchkeyd); err != nil {
		return fmt.Errorf("%w (hint: run make bench in the folder of go.mod)", err)
	}
	if err := lab.Become(); err != nil {
		return err
	}
	begin := time.Now()
	r, err := newRig(n)
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	machine := machineLine()
	progress(machine)
	var results []result
	for _, c := range candidates {
		if len(os.Args) > 1 && !slices.Contains(os.Args[1:], c.name) {
			continue
		}
		progress(fmt.Sprintf("%s, %s", c.name, c.kind))
		results = append(results, r.measure(c))
	}
	fmt.Printf("\n%s\n", machine)
	printResults(os.Stdout, n, results)
	printDisk(os.Stdout, r.disk)
	if len(os.Args) == 1 {
		progress("micro-benchmarks of the way of a packet")
		micro, err := microBenchmarks()
		printMicro(os.Stdout, micro, err)
	}
	fmt.Printf("\nload average at the end %s; took %s\n", loadAverage(), time.Since(begin).Round(time.Second))
	return nil
}

func progress(line string) { fmt.Fprintln(os.Stderr, "bench:", line) }

// newRig makes the hosts and the folder.
func newRig(n int) (*rig, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(abs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, err
	}
	r := &rig{n: n, dir: abs, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	// latchkeyd takes 40 knocks of one client at once and then one a second.
	for range 1 + n/20 {
		r.clients = append(r.clients, newClient())
	}
	return r, r.network()
}

// machineLine says what the figures were measured on.
func machineLine() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err.Error()
	}
	line := fmt.Sprintf("Linux %s %s, %d CPUs, load average %s", unix.ByteSliceToString(u.Release[:]),
		unix.ByteSliceToString(u.Machine[:]), len(cpus()), loadAverage())
	for _, version := range [][]string{{latchkeyd, "version"}, {"knockd", "-V"}, {"fwknopd", "-V"}} {
		if out, err := exec.Command(version[0], version[1:]...).Output(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			line += "\n" + first
		}
	}
	load, _ := strconv.ParseFloat(strings.Fields(loadAverage())[0], 64)
	if load > busy*float64(len(cpus())) {
		line += "\nWARNING: the machine is busy with something else: differences below 2 x are noise, and more may be"
	}
	if len(cpus()) == 1 {
		line += "\nWARNING: one CPU: sender and daemon take turns, so every latency is too long"
	}
	return line
}

// loadAverage returns the three figures of proc_loadavg(5).
func loadAverage() string {
	b, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(b))
	if err != nil || len(fields) < 3 {
		return "? ? ?"
	}
	return strings.Join(fields[:3], " ")
}
