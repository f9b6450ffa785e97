// SPDX-License-Identifier: Apache-2.0

// Command bench compares latchkeyd with its peers: knockd, fwknopd, and the kernel's firewall alone,
// which is the lower bound. All are run one after the other, on the router of testdata/lab.sh, with
// the same sender. It asserts nothing: figures of one machine say little, ratios of one run do.
//
//	go run ./testdata/bench -rows floods -candidates latchkeyd -knocks sequence -floods steps -rates 100k
//
// Run it in the folder of go.mod after make build. It needs no root, but the Debian packages knockd,
// fwknop-server, fwknop-client and iptables; a candidate that is missing is skipped and named.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const (
	latchkeyd = "build/latchkeyd"
	// folder has the candidates' files. It is on a real disk, because latchkeyd and fwknopd write
	// to it before they open a door.
	folder = "build/bench"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

type choice struct{ rows, candidates, knocks, floods, rates string }

// wants tells whether a comma-separated list has a name, or is empty.
func wants(list, name string) bool {
	return list == "" || slices.Contains(strings.Split(list, ","), name)
}

func run() error {
	var want choice
	flag.StringVar(&want.rows, "rows", "", "only these: latency,floods")
	flag.StringVar(&want.candidates, "candidates", "", "only these: 'kernel only,latchkeyd,knockd,fwknopd'")
	flag.StringVar(&want.knocks, "knocks", "", "only these: sequence,stun,ports,fwknop")
	flag.StringVar(&want.floods, "floods", "", "only these: steps,chance,stun-wrong,stun-hint,stun-random,ports,spa-random,spa-forged")
	flag.StringVar(&want.rates, "rates", "1k,10k,100k,250k", "packets per second of the floods")
	n := flag.Int("n", 50, "knocks of each measurement")
	flag.Parse()
	if _, err := os.Stat(latchkeyd); err != nil {
		return fmt.Errorf("%w (hint: run make build in the folder of go.mod)", err)
	}
	precede()
	if err := lab.Become(); err != nil {
		return err
	}
	r, err := newRig(divide())
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	fmt.Printf("SCHED_RR: %v\n", r.cpus.precedence)
	h := newHousehold(1)
	for i := range candidates {
		c := &candidates[i]
		if !wants(want.candidates, c.name) || !wants(want.knocks, c.kind) {
			continue
		}
		if err := installed(c); err != nil {
			fmt.Println("SKIP:", err)
			continue
		}
		if wants(want.rows, "latency") {
			if err := r.printLatency(c, h, *n); err != nil {
				return err
			}
		}
		for _, f := range c.floods {
			if !wants(want.rows, "floods") || !wants(want.floods, f.name) {
				continue
			}
			for _, rate := range strings.Split(want.rates, ",") {
				pps, err := parseRate(rate)
				if err != nil {
					return err
				}
				a, err := r.assail(c, h, f, pps, *n)
				if err != nil {
					return err
				}
				slices.Sort(a.cost)
				slices.Sort(a.core)
				slices.Sort(a.wakes)
				fmt.Printf("%s %s, %s at %s/s (offered %.0f): CPU %v per packet, %.1f %% of a core, %.3f wake-ups per packet; opened %d/%d; RSS %d > %d > %d kB\n",
					c.name, c.kind, f.name, rate, a.rate, a.cost[len(a.cost)/2], 100*a.core[len(a.core)/2], a.wakes[len(a.wakes)/2],
					a.honest, a.of, a.rest.Resident, a.peak.Resident, a.after.Resident)
			}
		}
	}
	return nil
}

func installed(c *candidate) error {
	for _, p := range strings.Fields(c.programs) {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not installed (hint: apt-get install --no-install-recommends %s)", p, c.packages)
		}
	}
	return nil
}

// parseRate reads a number of packets per second, "k" being thousands.
func parseRate(s string) (float64, error) {
	number, thousands := strings.CutSuffix(s, "k")
	f, err := strconv.ParseFloat(number, 64)
	if err != nil || f <= 0 {
		return 0, fmt.Errorf("rate %q is no number of packets per second, such as 10k", s)
	}
	if thousands {
		f *= 1000
	}
	return f, nil
}
