// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// mutation is a change that only an old kernel notices: it does not move the end of an element that is
// there already, so that extending a grant must delete it first.
var mutation = struct{ what, pkg, file, old, changed, tests string }{
	what: "extending a grant without deleting it first", pkg: "pkgs/nft",
	file: "pkgs/nft/message.go", old: "\t\t\tadd(unix.NFT_MSG_DELSETELEM, elements)\n",
	changed: "if len(elements) > 0 && len(c.gone) > 0 && &elements[0] == &c.gone[0] {\n\t\t\tadd(unix.NFT_MSG_DELSETELEM, elements)\n}\n",
	tests:   "^TestFirewall$/^open$",
}

// folder is where everything of a guest is made.
func (g guest) folder() string { return filepath.Join("build", "guest", g.name) }

// program names what runs a step's tests.
func (s step) program() string {
	name := path.Base(s.Package)
	if s.Mutant {
		name += "-mutant"
	}
	return name + ".test"
}

// compile builds for the guest.
func (g guest) compile(args ...string) error {
	cmd := exec.Command("go", args...)
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux"), g.env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// install puts the project into the guest's file system: what tests read where it lies on this machine,
// and the programs, those of the plan's tests among them.
func (g guest) install(root string, plan plan) error {
	tree, bin := filepath.Join(root, plan.Tree), filepath.Join(root, programs)+"/"
	if err := errors.Join(os.RemoveAll(tree), os.RemoveAll(bin), copyTree(tree), os.MkdirAll(bin, 0o755)); err != nil {
		return err
	}
	g.say("building latchkeyd and latchkey")
	if err := g.compile("build", "-ldflags", "-s -w", "-o", bin, "./cmd/latchkeyd", "./cmd/latchkey"); err != nil {
		return err
	}
	build := []string{"test", "-c", "-ldflags", "-s -w"}
	var tests []string
	for _, s := range plan.Steps {
		switch {
		case s.Package == "":
		case s.Mutant:
			overlay, err := g.mutate()
			if err != nil {
				return err
			}
			g.say("building the tests of %s for a change that they must notice", s.Package)
			if err := g.compile(append(build, "-overlay", overlay, "-o", bin+s.program(), "./"+s.Package)...); err != nil {
				return err
			}
		case !slices.Contains(tests, "./"+s.Package):
			tests = append(tests, "./"+s.Package)
		}
	}
	if len(tests) == 0 {
		return nil
	}
	g.say("building the tests of %s", strings.Join(tests, " "))
	return g.compile(append(append(build, "-o", bin), tests...)...)
}

// mutate writes the changed file, and what go build is told of it.
func (g guest) mutate() (overlay string, err error) {
	text, err := os.ReadFile(mutation.file)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(text, []byte(mutation.old)); n != 1 {
		return "", fmt.Errorf("%s has %d times %q, want it once", mutation.file, n, mutation.old)
	}
	changed := filepath.Join(g.folder(), "mutant.go")
	overlay = filepath.Join(g.folder(), "mutant.json")
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {mutation.file: changed}})
	return overlay, errors.Join(err,
		os.WriteFile(changed, bytes.Replace(text, []byte(mutation.old), []byte(mutation.changed), 1), 0o644),
		os.WriteFile(overlay, replace, 0o644))
}

// copyTree copies what tests read of the project: all but the sources, and what was built or fetched.
func copyTree(to string) error {
	return filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "build", "dist", "node_modules"}, d.Name()):
			return filepath.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !d.Type().IsRegular(), filepath.Ext(name) == ".go":
			return nil
		}
		return copyFile(name, filepath.Join(to, name))
	})
}

func copyFile(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, info.Mode().Perm())
}

// makeDisk makes a file system of a folder. Whoever is not root becomes it for that, so that root owns the files.
func (g guest) makeDisk(root, image string) error {
	g.say("making its disk")
	const size = "3G" // the file has holes: it takes what is in it
	args := []string{"mke2fs", "-q", "-F", "-t", "ext4", "-d", root, image, size}
	if os.Geteuid() != 0 {
		args = append([]string{"unshare", "--map-root-user"}, args...)
	}
	if err := os.RemoveAll(image); err != nil {
		return err
	}
	return command(args[0], args[1:]...)
}

// makeInitrd makes the guest's first file system: this program, the plan, and the modules without which
// it would not see its disk.
func (g guest) makeInitrd(initrd string, plan plan) error {
	root := initrd + ".root"
	if err := os.RemoveAll(root); err != nil {
		return err
	}
	defer os.RemoveAll(root)
	for _, dir := range []string{"bin", "dev", "modules", "proc", "root"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	modules, err := g.modules()
	if err != nil {
		return err
	}
	for i, m := range modules {
		if err := copyFile(m, filepath.Join(root, "modules", fmt.Sprintf("%02d-%s", i, filepath.Base(m)))); err != nil {
			return err
		}
	}
	if plan.Clock {
		if err := g.addClock(root); err != nil {
			return err
		}
	}
	text, err := json.Marshal(plan)
	if err := errors.Join(err, os.WriteFile(filepath.Join(root, "plan"), text, 0o644)); err != nil {
		return err
	}
	if err := g.compile("build", "-ldflags", "-s -w", "-o", filepath.Join(root, "init"), "./testdata/guest"); err != nil {
		return err
	}
	return command("sh", "-c", `cd "$1" && find . | busybox cpio -o -H newc | gzip -1 >"$2"`, "sh", root, must(filepath.Abs(initrd)))
}

// addClock adds to the clock's guest, which has no disk, all that its tests need.
func (g guest) addClock(root string) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	for _, dir := range []string{"etc/hotplug.d/ntp", "etc/latchkey", "usr/bin", "usr/sbin", "var/run/latchkey"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return errors.Join(
		copyFile(busybox, filepath.Join(root, "bin/busybox")),
		copyFile(filepath.Join(g.folder(), "ntpd"), filepath.Join(root, "bin/ntpd")),
		copyFile("openwrt/latchkey/files/latchkey.ntp", filepath.Join(root, "etc/hotplug.d/ntp/30-latchkey")),
		g.compile("build", "-ldflags", "-s -w", "-o", filepath.Join(root, "usr/bin/latchkeyd"), "./cmd/latchkeyd"))
}

// modules returns the files of the modules that the guest needs before it has its disk, in the order in
// which they must be loaded. A module that is not there is built into the kernel.
func (g guest) modules() (files []string, err error) {
	lists, err := filepath.Glob(filepath.Join(g.folder(), "root/usr/lib/modules/*/modules.dep"))
	if err != nil || len(lists) == 0 {
		return nil, err
	}
	text, err := os.ReadFile(lists[0])
	if err != nil {
		return nil, err
	}
	// Each line is "kernel/net/a.ko: kernel/net/b.ko kernel/net/c.ko": a needs b, and b needs c (depmod(8)).
	for _, name := range g.needs {
		for line := range strings.Lines(string(text)) {
			module, depends, _ := strings.Cut(line, ":")
			if path.Base(module) != name+".ko" {
				continue
			}
			list := strings.Fields(depends)
			slices.Reverse(list)
			for _, file := range append(list, module) {
				file = filepath.Join(filepath.Dir(lists[0]), file)
				if !slices.Contains(files, file) {
					files = append(files, file)
				}
			}
		}
	}
	return files, nil
}
