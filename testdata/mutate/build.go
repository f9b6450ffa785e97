// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tree is a copy of the project, in which files may be changed.
type tree struct{ dir string }

// copyTree copies what git knows of the tree, as it stands.
func copyTree(ctx context.Context) (t tree, err error) {
	t.dir, err = os.MkdirTemp("", "mutate-")
	if err != nil {
		return t, err
	}
	cmd := exec.CommandContext(ctx, "sh", "-c", `git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$1"`, "sh", t.dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return t, fmt.Errorf("copy of the tree: %w\n%s", err, out)
	}
	return t, nil
}

func (t tree) path(name string) string { return filepath.Join(t.dir, filepath.FromSlash(name)) }

// with calls f while files have other text. A file that was not there is removed again.
func (t tree) with(files map[string]string, f func() error) (err error) {
	for name, text := range files {
		original, missing := os.ReadFile(t.path(name))
		if err := os.WriteFile(t.path(name), []byte(text), 0o644); err != nil {
			return err
		}
		defer func() {
			if missing != nil {
				err = errors.Join(err, os.Remove(t.path(name)))
				return
			}
			err = errors.Join(err, os.WriteFile(t.path(name), original, 0o644))
		}()
	}
	return f()
}

// goTool runs go in the tree.
func (t tree) goTool(ctx context.Context, args ...string) (out string, err error) {
	cmd := atOnce(exec.CommandContext(ctx, "go", args...))
	cmd.Dir = t.dir
	b, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, b)
	}
	return string(b), err
}

// atOnce makes a command end with all that it started.
func atOnce(cmd *exec.Cmd) *exec.Cmd {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// chosen is the environment variable by which a test binary that holds many mutants is told which of
// them to be, from 1. Without it, it is the program as it stands.
const chosen = "MUTATION"

// program is a file that each changed package gets.
const program = `package %s

import (
	"os"
	"strconv"
)

var mutation, _ = strconv.Atoi(os.Getenv("` + chosen + `"))
`

// build compiles all mutants of a package into each of the test binaries, whose paths are by package.
// The mutants, all within functions, are numbered from 1; failed are those that do not compile.
func (t tree) build(ctx context.Context, mutants []mutant, binaries map[string]string) (failed map[int]bool, err error) {
	folder := path.Dir(mutants[0].file)
	failed = map[int]bool{}
	for {
		files, err := t.choices(mutants, failed)
		if err != nil {
			return nil, err
		}
		files[folder+"/mutation_chosen.go"] = fmt.Sprintf(program, path.Base(folder))
		before := len(failed)
		err = t.with(files, func() error {
			// -e: all errors, not the first ten.
			if out, err := t.goTool(ctx, "build", "-gcflags=-e", "./"+folder); err != nil {
				for _, found := range errorOf.FindAllStringSubmatch(out, -1) {
					n, _ := strconv.Atoi(found[1])
					failed[n] = true
				}
				if len(failed) == before {
					return err
				}
				return nil
			}
			for pkg, binary := range binaries {
				if _, err := t.goTool(ctx, "test", "-c", "-vet=off", "-o", binary, pkg); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(failed) == before {
			return failed, err
		}
	}
}

// errorOf finds the number of a mutant in an error of the compiler, which has it by a line directive.
var errorOf = regexp.MustCompile(`\bmutant-(\d+):`)

// choices returns the files of mutants, in which each function begins with a choice between its mutants:
//
//	func (s *Set) Has(n int) bool {
//		switch mutation {
//		case 17:
//			return func() bool { its body, changed }()
//		}
//		its body
//	}
func (t tree) choices(mutants []mutant, without map[int]bool) (files map[string]string, err error) {
	cases := map[string]map[int]*strings.Builder{} // by file, and where a body begins
	texts := map[string]string{}
	for i, m := range mutants {
		if without[i+1] {
			continue
		}
		if texts[m.file] == "" {
			b, err := os.ReadFile(t.path(m.file))
			if err != nil {
				return nil, err
			}
			texts[m.file], cases[m.file] = string(b), map[int]*strings.Builder{}
		}
		b := cases[m.file][m.body]
		if b == nil {
			b = new(strings.Builder)
			cases[m.file][m.body] = b
		}
		changed := fmt.Sprintf("func() %s %s()", m.results, m.in(texts[m.file], m.body, m.end))
		if m.results == "" {
			changed += "\nreturn"
		} else {
			changed = "return " + changed
		}
		fmt.Fprintf(b, "case %d:\n//line mutant-%d:1\n%s\n", i+1, i+1, changed)
	}
	files = map[string]string{}
	for name, text := range texts {
		bodies := cases[name]
		starts := slices.Sorted(maps.Keys(bodies))
		for _, start := range slices.Backward(starts) {
			text = text[:start+1] + "\nswitch mutation {\n" + bodies[start].String() + "}\n//line " + path.Base(name) + ":1\n" + text[start+1:]
		}
		files[name] = text
	}
	return files, nil
}
