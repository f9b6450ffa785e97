// SPDX-License-Identifier: Apache-2.0

// Mutate changes the code in small ways, one at a time, and looks whether a test notices. It prints the
// changes that no test noticed, and ends with 1 if there is one that known.go does not explain.
//
//	go run ./testdata/mutate [-list] [-more] [-only TEXT] [-jobs N]
//
// It works on copies of the tree, in a temporary folder.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
)

// mutant is one change of one file.
type mutant struct {
	file   string // from the root of the tree, with slashes
	line   int    // where it is, from 1; 0 = somewhere
	what   string // for a person
	source string // the line as it was, without spaces around it
	text   string // of the whole file, changed
	runs   []run  // the tests that must notice, in the order in which they are run
}

// run is one call of go test.
type run struct {
	pkg   string // such as ./pkgs/seal
	tests string // for -run; "" = all
}

func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what) }

// kind names a mutant as known.go does: lines move.
func (m mutant) kind() string { return m.file + ": " + m.what + " | " + m.source }

// patience is how long the tests of one mutant may take: one that hangs was noticed.
const patience = 4 * time.Minute

func main() {
	list := flag.Bool("list", false, "print the mutants, run nothing")
	more := flag.Bool("more", false, "also what recognises knocks, which takes twice the time")
	only := flag.String("only", "", "only mutants whose name contains this")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	survivors, err := mutate(ctx, *only, *jobs, *list, *more)
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate: error:", err)
		os.Exit(2)
	}
	if survivors > 0 {
		os.Exit(1)
	}
}

func mutate(ctx context.Context, only string, jobs int, list, more bool) (survivors int, err error) {
	all, err := mutants(".", more)
	if err != nil {
		return 0, err
	}
	var wanted []mutant
	for _, m := range all {
		if strings.Contains(m.String(), only) {
			wanted = append(wanted, m)
		}
	}
	if list {
		for _, m := range wanted {
			fmt.Println(m)
		}
		return 0, nil
	}
	began, done := time.Now(), 0
	var mu sync.Mutex
	var failed error
	work := make(chan mutant)
	var workers sync.WaitGroup
	for range jobs {
		tree, err := copyTree(ctx)
		if err != nil {
			return 0, err
		}
		defer os.RemoveAll(tree)
		workers.Go(func() {
			for m := range work {
				noticed, err := try(ctx, tree, m)
				mu.Lock()
				done++
				left := time.Duration(float64(time.Since(began)) / float64(done) * float64(len(wanted)-done))
				switch why := known[m.kind()]; {
				case err != nil:
					failed = errors.Join(failed, fmt.Errorf("%s: %w", m, err))
				case noticed && why != "":
					fmt.Printf("NOTICED   %s (known.go says: %s)\n", m, why)
				case noticed:
				case why != "":
					fmt.Printf("known     %s: %s\n", m, why)
				default:
					survivors++
					fmt.Printf("SURVIVOR  %s\n", m)
				}
				if done%20 == 0 {
					fmt.Printf("%d of %d, about %s left\n", done, len(wanted), left.Round(time.Minute))
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range wanted {
		if ctx.Err() != nil {
			break
		}
		work <- m
	}
	close(work)
	workers.Wait()
	fmt.Printf("%d mutants, %d survivors\n", done, survivors)
	return survivors, errors.Join(failed, ctx.Err())
}

// copyTree copies what git knows of the tree, as it stands.
func copyTree(ctx context.Context) (dir string, err error) {
	dir, err = os.MkdirTemp("", "mutate-")
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$1"`, "sh", dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("copy of the tree: %w\n%s", err, out)
	}
	return dir, nil
}

// try tells whether a test notices a mutant. What does not compile is noticed, too.
func try(ctx context.Context, tree string, m mutant) (noticed bool, err error) {
	path := filepath.Join(tree, filepath.FromSlash(m.file))
	original, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	if err := os.WriteFile(path, []byte(m.text), 0o644); err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, os.WriteFile(path, original, 0o644)) }()
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, r := range m.runs {
		args := []string{"test", "-short", "-failfast", "-vet=off"}
		if r.tests != "" {
			args = append(args, "-run", r.tests)
		}
		cmd := exec.CommandContext(limited, "go", append(args, r.pkg)...)
		cmd.Dir = tree
		out, err := cmd.CombinedOutput()
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if err != nil {
			return true, nil
		}
		if strings.Contains(string(out), "no tests to run") {
			return false, fmt.Errorf("%s has no test %q", r.pkg, r.tests)
		}
	}
	return false, nil
}
