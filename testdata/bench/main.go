// SPDX-License-Identifier: Apache-2.0

// Command bench compares latchkeyd with its peers: knockd, fwknopd, and the kernel's firewall alone,
// which is the lower bound. All are run one after the other, on the router of testdata/lab.sh, with
// the same sender. It asserts nothing: figures of one machine say little, ratios of one run do.
//
//	make bench              all of it, in less than 15 minutes; BENCH=short: in less than 2
//	make bench-publish      put table and plots of the last run into README.md
//
// It writes build/bench.md, build/bench.json (type report says what is in it) and plots in build/bench-*.svg.
// Single figures, in the folder of go.mod:
//
//	go run ./testdata/bench -rows latency -candidates latchkeyd -knocks sequence -n 20
//	go run ./testdata/bench -rows floods -candidates latchkeyd -knocks stun -floods stun-hint -rates 10k,100k
//	go run ./testdata/bench -rows growth -candidates latchkeyd
//
// It needs no root, but the Debian packages knockd, fwknop-server, fwknop-client and iptables; what is
// missing is named. With root, sender and daemon come before all other programs of the machine.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/lab"
)

const (
	// programs has what is built for a run, as it is built for routers: see cross/target.
	programs  = "build/bench-programs"
	latchkeyd = programs + "/latchkeyd"
	// folder has the candidates' files. It is on a real disk, because latchkeyd and fwknopd write
	// to it before they open a door.
	folder   = "build/bench"
	jsonFile = "build/bench.json"
	markdown = "build/bench.md"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: error:", err)
		os.Exit(1)
	}
}

// bench is one run.
type bench struct {
	*rig
	want    choice
	out     *report
	house   *household // of the rows that are not about its size
	windows int        // of each price
	starts  int        // of each daemon whose start is measured
	whole   time.Duration
	short   bool // floods that are aimed, growth and what has to be compiled are left out
}

// newBench is one of everything, or of what matters most.
func newBench(short bool) *bench {
	if short {
		rows := []string{rowLatency, rowFloods, rowUnrelated, rowRadar, rowStart, rowSize}
		return &bench{want: choice{rates: rates{10_000, 100_000}, n: 10, rows: rows},
			house: newHousehold(1), windows: 2, starts: 2, whole: shortTime, short: true}
	}
	return &bench{want: choice{rates: rates{1000, 10_000, 100_000, 250_000}, n: 50},
		house: newHousehold(1), windows: 4, starts: 5, whole: wholeTime}
}

func run() error {
	short := os.Getenv("BENCH") == "short"
	b := newBench(short)
	want := &b.want
	publishing := flag.Bool("publish", false, "put the last run into README.md, and measure nothing")
	flag.Var(&want.rows, "rows", "only these rows: "+strings.Join(rows, ","))
	flag.Var(&want.candidates, "candidates", "only these: 'kernel only,latchkeyd,knockd,fwknopd'")
	flag.Var(&want.knocks, "knocks", "only these knocks: sequence,stun,ports,fwknop")
	flag.Var(&want.floods, "floods", "only these floods: "+strings.Join(floodNames(), ","))
	flag.Var(&want.rates, "rates", "packets per second of the floods")
	flag.IntVar(&want.n, "n", want.n, "knocks of each measurement, 5 to 60")
	flag.Parse()
	if *publishing {
		return publish()
	}
	if err := want.check(); err != nil {
		return err
	}
	begin, err := enter(*want)
	if err != nil {
		return err
	}
	c := divide()
	r, err := newRig(c)
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	b.rig = r
	b.out = &report{Format: 1, Date: begin.UTC().Truncate(time.Second), Short: short, Partial: want.partial() && !short, Machine: newMachine(c), Versions: versions()}
	if short {
		b.out.miss("floods that are aimed, growth, benchmarks", errors.New("BENCH=short leaves them out"))
	}
	newBudget(b.whole-time.Since(begin)).perform(b.tasks(), b.out)
	b.out.Machine.After, b.out.Took = load(), time.Since(begin).Round(time.Second).Seconds()
	b.out.Goals = goals(b.out)
	return b.out.write(os.Stdout)
}

func progress(line string) { fmt.Fprintln(os.Stderr, "bench:", line) }

// beganVariable has the time when this program was started first.
const beganVariable = "BENCH_BEGAN"

// enter has this program run once more in the lab, before everything else. What needs the Internet or the
// machine's own rights comes before that.
func enter(want choice) (began time.Time, err error) {
	if lab.Inside() {
		return time.Parse(time.RFC3339Nano, os.Getenv(beganVariable))
	}
	os.Setenv(beganVariable, time.Now().Format(time.RFC3339Nano))
	if err := build(want); err != nil {
		return time.Time{}, fmt.Errorf("%w (hint: run it in the folder of go.mod)", err)
	}
	precede()
	return time.Time{}, lab.Become()
}

// installed says which program a candidate lacks.
func (c *candidate) installed() error {
	for _, p := range strings.Fields(c.programs) {
		if _, err := exec.LookPath(p); err != nil {
			return fmt.Errorf("%s is not installed (hint: apt-get install --no-install-recommends %s)", p, c.packages)
		}
	}
	return nil
}

// write saves a report with its table and plots, and prints the table.
func (r *report) write(out *os.File) error {
	if err := r.save(jsonFile); err != nil {
		return err
	}
	for name, text := range plots(r) {
		if err := os.WriteFile(filepath.Join("build", "bench-"+name+".svg"), []byte(text), 0o644); err != nil {
			return err
		}
	}
	text := r.markdown()
	if err := os.WriteFile(markdown, []byte(text), 0o644); err != nil {
		return err
	}
	_, err := out.WriteString(text)
	return err
}
