// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// test is one test of a package that looks after a mutant.
type test struct {
	pkg    string
	name   string
	took   time.Duration
	blocks []block // all of the package that is changed
}

// block is a part of a file's code, as go tool cover has it.
type block struct {
	file                 string
	fromLine, fromColumn int
	line, column         int // where it is over
	reached              bool
}

func (b block) has(m mutant) bool {
	return b.file == m.file && !before(m.line, m.column, b.fromLine, b.fromColumn) && before(m.line, m.column, b.line, b.column)
}

func before(line, column, otherLine, otherColumn int) bool {
	return line < otherLine || line == otherLine && column < otherColumn
}

// tests runs every test that looks after the package in folder by itself, on the code as it stands, and
// returns them with what they reach, the quickest first.
func (t tree) tests(ctx context.Context, folder string, runs []run) ([]test, error) {
	bin, err := os.MkdirTemp("", "mutate-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(bin)
	var all []test
	for _, r := range runs {
		binary, profile := filepath.Join(bin, "test"), filepath.Join(bin, "profile")
		if _, err := t.goTool(ctx, "test", "-c", "-vet=off", "-cover", "-coverpkg=./"+folder, "-o", binary, r.pkg); err != nil {
			return nil, err
		}
		out, err := t.command(ctx, r.pkg, binary, "-test.list", cmp.Or(r.tests, ".")).Output()
		if err != nil {
			return nil, err
		}
		names := strings.Fields(string(out))
		names = slices.DeleteFunc(names, func(n string) bool { return strings.HasPrefix(n, "Benchmark") })
		if len(names) == 0 {
			return nil, fmt.Errorf("%s has no test %q", r.pkg, r.tests)
		}
		for _, name := range names {
			began := time.Now()
			out, err := t.command(ctx, r.pkg, binary, "-test.short", "-test.run", only(name), "-test.coverprofile", profile).CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("%s of %s fails without a mutation: %w\n%s", name, r.pkg, err, out)
			}
			blocks, err := read(profile, folder)
			if err != nil {
				return nil, err
			}
			all = append(all, test{pkg: r.pkg, name: name, took: time.Since(began), blocks: blocks})
		}
	}
	slices.SortStableFunc(all, func(a, b test) int { return cmp.Compare(a.slowness(), b.slowness()) })
	return all, nil
}

// slowness is 0 for all quick tests, which are run in one go.
func (t test) slowness() time.Duration {
	if t.took < quick {
		return 0
	}
	return t.took
}

// only is a pattern for -run that fits the tests of these names.
func only(names ...string) string { return "^(" + strings.Join(names, "|") + ")$" }

// read returns the blocks of a profile, whose files are in folder.
func read(profile, folder string) (blocks []block, err error) {
	f, err := os.Open(profile)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		file, rest, ok := strings.Cut(path.Base(lines.Text()), ":")
		var b block
		var statements, count int
		if _, err := fmt.Sscanf(rest, "%d.%d,%d.%d %d %d", &b.fromLine, &b.fromColumn, &b.line, &b.column, &statements, &count); !ok || err != nil {
			continue // the first line, which says the mode
		}
		b.file, b.reached = folder+"/"+file, count > 0
		blocks = append(blocks, b)
	}
	return blocks, lines.Err()
}

// those returns which tests could notice a mutant: those that reach it, then the others of its own package,
// which may run it in another process. What is tried by a case belongs to no block; every test may reach it.
func those(tests []test, m mutant) []test {
	var reach, own []test
	around := func(b block) bool { return b.has(m) }
	for _, t := range tests {
		switch {
		case !slices.ContainsFunc(t.blocks, around):
			return tests
		case slices.ContainsFunc(t.blocks, func(b block) bool { return b.reached && b.has(m) }):
			reach = append(reach, t)
		case path.Clean(t.pkg) == path.Dir(m.file):
			own = append(own, t)
		}
	}
	return append(reach, own...)
}

// quick is how long a test takes at most that is run together with others.
const quick = 100 * time.Millisecond

// patience is how long tests may take that take no time on the code as it stands.
const patience = 20 * time.Second

// memory is how much a test may take, in KiB: a mutant may run away.
const memory = 8 << 20

// command is a call of a test binary, within limits.
func (t tree) command(ctx context.Context, pkg, binary string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", fmt.Sprintf(`ulimit -v %d; exec "$@"`, memory), "sh", binary}, args...)...)
	cmd.Dir = t.path(pkg)
	return atOnce(cmd)
}

// outcome is what came of a mutant.
type outcome int

const (
	noticed outcome = iota
	survived
	hung // noticed, because a test did not end in time
)

// try runs the tests on one mutant of the binaries, which are by package.
func (t tree) try(ctx context.Context, number int, tests []test, binaries map[string]string) (outcome, error) {
	for len(tests) > 0 {
		n := 1
		for n < len(tests) && tests[n].pkg == tests[0].pkg && tests[n].took < quick {
			n++
		}
		var names []string
		limit := patience
		for _, one := range tests[:n] {
			names, limit = append(names, one.name), limit+4*one.took
		}
		limited, cancel := context.WithTimeout(ctx, limit)
		cmd := t.command(limited, tests[0].pkg, binaries[tests[0].pkg], "-test.short", "-test.failfast", "-test.run", only(names...))
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", chosen, number))
		err := cmd.Run()
		late := limited.Err() != nil
		cancel()
		switch {
		case ctx.Err() != nil:
			return noticed, ctx.Err()
		case late:
			return hung, nil
		case err != nil:
			return noticed, exited(err)
		}
		tests = tests[n:]
	}
	return survived, nil
}

// exited is nil if a test binary was started and failed.
func exited(err error) error {
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return nil
	}
	return err
}

// tryWhole runs the tests on a mutant that is compiled for itself. What does not compile is noticed, too.
func (t tree) tryWhole(ctx context.Context, m mutant) (result outcome, err error) {
	text, err := os.ReadFile(t.path(m.file))
	if err != nil {
		return noticed, err
	}
	result = survived
	err = t.with(map[string]string{m.file: m.in(string(text), 0, len(text))}, func() error {
		for _, r := range m.runs {
			limited, cancel := context.WithTimeout(ctx, 12*patience)
			defer cancel()
			out, err := t.goTool(limited, "test", "-short", "-failfast", "-vet=off", "-run", cmp.Or(r.tests, "."), r.pkg)
			switch {
			case ctx.Err() != nil:
				return ctx.Err()
			case limited.Err() != nil:
				result = hung
				return nil
			case err != nil:
				result = noticed
				return nil
			case strings.Contains(out, "no tests to run"):
				return fmt.Errorf("%s has no test %q", r.pkg, r.tests)
			}
		}
		return nil
	})
	return result, err
}
