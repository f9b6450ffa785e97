// SPDX-License-Identifier: Apache-2.0

// Command guest runs the project's own tests in emulated machines of other architectures, with their
// kernels and, but for one, with Debian's programs.
//
//	go run ./testdata/guest [-quick] [-step REGEXP] [-run REGEXP] [NAME...]
//
// Without names it takes all of table.go but mips, whose kernel takes twenty minutes to build. -quick
// plays one knock of each kind instead of all tests, -step only the steps whose name matches,
// -run of whole packages only the tests whose name matches.
//
// The same program is the test on this machine and the first process in the guest. The guest's time is
// not ours: QEMU counts instructions (-icount), so a guest on a busy machine is as quick, by its own
// clock, as on a quiet one, and no limit of a test is broken by that.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func main() {
	if os.Getpid() == 1 {
		inGuest()
	}
	once := flag.Bool("quick", false, "one knock of each kind")
	only := regexp.MustCompile("")
	flag.Func("step", "only steps whose name matches this", func(text string) (err error) {
		only, err = regexp.Compile(text)
		return err
	})
	tests := flag.String("run", "", "of whole packages only tests whose name matches this")
	flag.Parse()
	chosen := slices.DeleteFunc(slices.Clone(guests), func(g guest) bool {
		return len(flag.Args()) == 0 && g.name == "mips" || len(flag.Args()) > 0 && !slices.Contains(flag.Args(), g.name)
	})
	if len(chosen) < len(flag.Args()) || len(chosen) == 0 {
		fmt.Fprintf(os.Stderr, "guest: error: %q: the guests are", flag.Args())
		for _, g := range guests {
			fmt.Fprint(os.Stderr, " ", g.name)
		}
		fmt.Fprintln(os.Stderr)
		os.Exit(2)
	}
	failed := false
	var results []string
	for _, g := range chosen {
		if *once {
			g.boots = []boot{quick}
		}
		g.keep(only, *tests)
		result, err := g.run()
		if err != nil {
			fmt.Fprintf(os.Stderr, "guest %s: error: %v\n", g.name, err)
			result = fmt.Sprintf("RESULT %s: %v", g.name, err)
		}
		failed = failed || err != nil
		results = append(results, result)
	}
	fmt.Println(strings.Join(results, "\n"))
	if failed {
		os.Exit(1)
	}
}

// keep leaves out of the plans the steps whose name does not match, and lives without any; of whole packages
// it leaves the tests whose name does, of which none must pass then.
func (g *guest) keep(only *regexp.Regexp, tests string) {
	boots := g.boots
	g.boots = nil
	for _, b := range boots {
		if !b.plan.Clock {
			b.plan.Steps = slices.DeleteFunc(slices.Clone(b.plan.Steps), func(s step) bool { return !only.MatchString(s.Name) })
			for i, s := range b.plan.Steps {
				if s.Package != "" && s.Run == "" && tests != "" {
					b.plan.Steps[i].Run, b.plan.Steps[i].Must = tests, nil
				}
			}
		}
		if b.plan.Clock || len(b.plan.Steps) > 0 {
			g.boots = append(g.boots, b)
		}
	}
}

// say tells what is going on.
func (g guest) say(format string, args ...any) {
	fmt.Printf("guest %s: %s\n", g.name, fmt.Sprintf(format, args...))
}

// run makes a guest, boots it as often as its table says, and returns its line of the results.
func (g guest) run() (result string, err error) {
	began := time.Now()
	if _, err := exec.LookPath(g.qemu[0]); err != nil {
		return "", fmt.Errorf("%w (hint: testdata/setup.sh guest)", err)
	}
	parts := exec.Command("testdata/guest/parts.sh", g.parts...)
	parts.Stdout, parts.Stderr = os.Stdout, os.Stderr
	if err := parts.Run(); err != nil {
		return "", fmt.Errorf("parts.sh: %w", err)
	}
	tree, err := os.Getwd()
	if err != nil {
		return "", err
	}
	image := filepath.Join(g.folder(), "disk")
	if g.disk != "" {
		all := plan{Tree: tree}
		for _, b := range g.boots {
			all.Steps = append(all.Steps, b.plan.Steps...)
		}
		root := filepath.Join(g.folder(), "root")
		if err := g.install(root, all); err != nil {
			return "", err
		}
		if err := g.makeDisk(root, image); err != nil {
			return "", err
		}
		defer os.Remove(image)
	}
	if err := os.RemoveAll(g.console()); err != nil {
		return "", err
	}
	total := newTally()
	for _, b := range g.boots {
		b.plan.Tree = tree
		for _, s := range b.plan.Steps {
			total.must = append(total.must, s.Must...)
		}
		if err := g.boot(b, image, total); err != nil {
			return "", fmt.Errorf("%w; until then %s", err, total)
		}
	}
	if len(total.must) > 0 {
		return "", fmt.Errorf("%q did not pass: %s", total.must, total)
	}
	result = fmt.Sprintf("RESULT %s: %s, in %s", g.name, total, time.Since(began).Round(time.Second))
	if total.failed > 0 || total.passed == 0 {
		return "", errors.New(strings.TrimPrefix(result, "RESULT "+g.name+": "))
	}
	return result, nil
}

// boot lets a guest live once.
func (g guest) boot(b boot, image string, total *tally) error {
	initrd := filepath.Join(g.folder(), "initrd")
	defer os.Remove(initrd)
	if err := g.makeInitrd(initrd, b.plan); err != nil {
		return err
	}
	args := append(slices.Clone(g.qemu[1:]), "-m", strconv.Itoa(b.memory), "-nodefaults", "-display", "none", "-no-reboot",
		"-kernel", filepath.Join(g.folder(), "kernel"), "-initrd", initrd, "-append", "console="+g.tty+" loglevel=1 oops=panic panic=-1", "-serial", "stdio")
	if g.disk != "" {
		// With a clock of this machine's time the kernel of malta would take its processor for another one.
		// What the guest writes is thrown away.
		args = append(args, "-icount", "shift="+strconv.Itoa(g.shift), "-rtc", "clock=vm", "-drive", "if=none,id=disk,format=raw,snapshot=on,file="+image, "-device", g.disk+",drive=disk")
	}
	g.say("booting with %d MB", b.memory)
	return g.watch(exec.Command(g.qemu[0], args...), total)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
