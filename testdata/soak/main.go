// SPDX-License-Identifier: Apache-2.0

// Command soak stresses latchkeyd for a given time, and checks that all that must be true stays true. It runs
// the built programs on the hosts of testdata/lab.sh:
//
//	make soak                     10 minutes
//	make soak SOAK=8h             longer
//	make soak SOAK=once           each fault, flood and rude caller once: a minute
//	make soak SEED=123456         the plan of a former run
//
// People knock in every way (knocks.go), strangers flood (floods.go), the router has faults (faults.go),
// and callers of the control socket misbehave (callers.go). What they do is drawn from the seed, which is
// printed: it repeats what each of them does and in which order (plan.go); when exactly is the machine's. In
// the last two thirds of a run the faults that end the daemon are left out (life.go).
//
// The model (model.go) knows what must be true, and invariants.go looks at whether it is. The first
// violation ends the run with an error, and what led to it is printed. build/soak holds the daemon's log
// and all that was done; build/soak.json has the figures.
package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "soak: error:", err)
		os.Exit(1)
	}
}

func run() error {
	o, err := readOptions()
	if err != nil {
		return err
	}
	if err := lab.Become(); err != nil {
		return err
	}
	if err := lab.Output(lab.Verb("up")); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	return soakFor(ctx, o)
}

// options are what a run is told.
type options struct {
	long     time.Duration // with each, about
	seed     uint64
	programs string // folder of latchkeyd and latchkey
	folder   string // of what is kept
	report   string // file of figures
	out      io.Writer
	each     bool // do each entry of the tables once, instead of as many as the time takes
}

// once is in the place of a time.
const once = "once"

// shortest is enough for each kind of knock and one checkpoint.
const shortest = 5 * time.Second

// readOptions reads SOAK and SEED. The seed is drawn here and put into the environment, because the
// program starts once more in the lab.
func readOptions() (options, error) {
	o := options{out: os.Stdout, programs: "build", folder: cmp.Or(os.Getenv("SOAK_FOLDER"), "build/soak")}
	o.report = o.folder + ".json"
	var err error
	if os.Getenv("SOAK") == once {
		o.each, o.long = true, time.Minute
	} else if o.long, err = time.ParseDuration(cmp.Or(os.Getenv("SOAK"), "10m")); err != nil || o.long < shortest {
		return o, fmt.Errorf("SOAK is %q, but must be a time of %s or more, such as 10m or 8h, or %q", os.Getenv("SOAK"), shortest, once)
	}
	if os.Getenv("SEED") == "" {
		os.Setenv("SEED", strconv.Itoa(100_000+rand.IntN(900_000)))
	}
	if o.seed, err = strconv.ParseUint(os.Getenv("SEED"), 10, 64); err != nil {
		return o, fmt.Errorf("SEED is %q, but must be a number", os.Getenv("SEED"))
	}
	for _, program := range []string{"latchkeyd", "latchkey"} {
		if _, err := os.Stat(filepath.Join(o.programs, program)); err != nil {
			return o, fmt.Errorf("%w (hint: run make soak in the folder of go.mod)", err)
		}
	}
	return o, nil
}
