// SPDX-License-Identifier: Apache-2.0

// Command mutate changes the code in small ways, one at a time, and looks whether a test notices. It prints the
// changes that no test noticed, and ends with 1 if there is one that known.go does not explain.
//
//	go run ./testdata/mutate [-list] [-more] [-only TEXT] [-jobs N]
//
// With -list it runs nothing: it prints the mutants, and fails where a table quotes code that there is not any
// more.
//
// It works on a copy of the tree, in a temporary folder. The mutants within functions are compiled once for
// each package; build.go tells how, tests.go which tests each of them meets.
package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// mutant is one change of one file.
type mutant struct {
	file        string // from the root of the tree, with slashes
	line        int    // where it is, from 1
	column      int    // in bytes, from 1
	what        string // for a person
	source      string // the line as it was, without spaces around it
	from, to    int    // what is replaced, in bytes of the file
	replacement string
	body, end   int    // the body of the function around it, with its braces; 0 = it is in none
	results     string // of that function, as they are declared
	runs        []run  // the tests that must notice
}

// run is one call of go test.
type run struct {
	pkg   string // such as ./pkgs/seal
	tests string // for -run; "" = all
}

// in returns the part [from, to) of the file's text as the mutant has it.
func (m mutant) in(text string, from, to int) string {
	return text[from:m.from] + m.replacement + text[m.to:to]
}

func (m mutant) String() string { return fmt.Sprintf("%s:%d: %s", m.file, m.line, m.what) }

// kind names a mutant as known.go does: lines move.
func (m mutant) kind() string { return m.file + ": " + m.what + " | " + m.source }

func main() {
	list := flag.Bool("list", false, "print the mutants, run nothing")
	more := flag.Bool("more", false, "also what recognises knocks, which takes twice the time")
	only := flag.String("only", "", "only mutants whose name contains this")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many at a time")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := checkKnown(".")
	var all []mutant
	if err == nil {
		all, err = mutants(".", *more)
	}
	all = slices.DeleteFunc(all, func(m mutant) bool { return !strings.Contains(m.String(), *only) })
	if *list && err == nil {
		for _, m := range all {
			fmt.Println(m)
		}
		return
	}
	r := report{wanted: len(all), began: time.Now(), files: map[string]*tally{}, explained: map[string]bool{}}
	if err == nil {
		err = mutate(ctx, all, *jobs, &r)
	}
	r.end()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutate: error:", err)
		os.Exit(2)
	}
	if r.all.survivors > 0 {
		os.Exit(1)
	}
}

// checkKnown returns an error that names the entries of known.go for which there is no mutant any more.
func checkKnown(root string) error {
	all, err := mutants(root, true)
	if err != nil {
		return err
	}
	stale := maps.Clone(known)
	for _, m := range all {
		delete(stale, m.kind())
	}
	if len(stale) == 0 {
		return nil
	}
	return fmt.Errorf("known.go explains what is no mutant any more, mend it:\n%s", strings.Join(slices.Sorted(maps.Keys(stale)), "\n"))
}

// mutate tries every mutant: those within the functions of a package by one build for all of them, the
// others by one for each.
func mutate(ctx context.Context, all []mutant, jobs int, r *report) error {
	t, err := copyTree(ctx)
	defer os.RemoveAll(t.dir)
	if err != nil {
		return err
	}
	packages := map[string][]mutant{}
	for _, m := range all {
		if m.body != 0 {
			packages[path.Dir(m.file)] = append(packages[path.Dir(m.file)], m)
			continue
		}
		began := time.Now()
		result, err := t.tryWhole(ctx, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m, err)
		}
		r.add(m, result, time.Since(began))
	}
	for _, folder := range slices.Sorted(maps.Keys(packages)) {
		if err := t.together(ctx, folder, packages[folder], jobs, r); err != nil {
			return err
		}
	}
	return nil
}

// together tries mutants of one package.
func (t tree) together(ctx context.Context, folder string, mutants []mutant, jobs int, r *report) error {
	bin, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(bin)
	binaries := map[string]string{}
	for _, run := range mutants[0].runs {
		binaries[run.pkg] = filepath.Join(bin, path.Base(run.pkg)+".test")
	}
	tests, err := t.tests(ctx, folder, mutants[0].runs)
	if err != nil {
		return err
	}
	broken, err := t.build(ctx, mutants, binaries)
	if err != nil {
		return err
	}
	if result, err := t.try(ctx, 0, tests, binaries); err != nil || result != survived {
		return cmp.Or(err, fmt.Errorf("the tests of %s fail with the mutants compiled in and none chosen", folder))
	}
	work := make(chan int)
	var workers sync.WaitGroup
	var mu sync.Mutex
	for range jobs {
		workers.Go(func() {
			for i := range work {
				began := time.Now()
				result, failed := noticed, error(nil)
				if !broken[i+1] {
					result, failed = t.try(ctx, i+1, those(tests, mutants[i]), binaries)
				}
				mu.Lock()
				if err = cmp.Or(err, failed); failed == nil {
					r.add(mutants[i], result, time.Since(began))
				}
				mu.Unlock()
			}
		})
	}
	for i := range mutants {
		work <- i
	}
	close(work)
	workers.Wait()
	return err
}

// report is what came of all mutants.
type report struct {
	wanted int
	began  time.Time
	files  map[string]*tally
	all    tally

	explained map[string]bool // the entries of known.go whose mutants were tried, and whether one of them needed it
}

// tally counts what came of mutants.
type tally struct {
	mutants, known, survivors int
	took                      time.Duration
}

func (t *tally) String() string {
	return fmt.Sprintf("%5d mutants %5d noticed %4d known %4d survivors %8s",
		t.mutants, t.mutants-t.known-t.survivors, t.known, t.survivors, t.took.Round(time.Second))
}

// add counts what came of a mutant, and prints it if no test noticed it.
func (r *report) add(m mutant, result outcome, took time.Duration) {
	file := r.files[m.file]
	if file == nil {
		file = new(tally)
		r.files[m.file] = file
	}
	for _, t := range []*tally{file, &r.all} {
		t.mutants++
		t.took += took
	}
	_, isKnown := known[m.kind()]
	if isKnown {
		r.explained[m.kind()] = r.explained[m.kind()] || result == survived
	}
	switch {
	case result == hung:
		fmt.Printf("hung      %s\n", m)
	case result == noticed:
	case isKnown:
		file.known++
		r.all.known++
	default:
		file.survivors++
		r.all.survivors++
		fmt.Printf("SURVIVOR  %s\n          %s\n", m, m.kind())
	}
	if r.all.mutants%100 == 0 {
		fmt.Printf("%d of %d after %s\n", r.all.mutants, r.wanted, time.Since(r.began).Round(time.Second))
	}
}

// end prints the sums, and the entries of known.go whose mutants a test noticed.
func (r *report) end() {
	for _, kind := range slices.Sorted(maps.Keys(r.explained)) {
		if !r.explained[kind] {
			fmt.Printf("NOTICED   %s (known.go says: %s)\n", kind, known[kind])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.files)) {
		fmt.Printf("%-62s %s\n", name, r.files[name])
	}
	fmt.Printf("%-62s %s\n", "all", &r.all)
}
