// SPDX-License-Identifier: Apache-2.0

// Package openwrt_test runs the package's shell scripts under busybox ash, with stand-ins for what
// they find on OpenWrt.
package openwrt_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/uci"
)

// files is the folder of what the package installs.
const files = "../latchkey/files"

// programVariable names the latchkeyd that was built for the tests.
const programVariable = "LATCHKEY_TEST_PROGRAM"

// TestMain builds latchkeyd, and lets the test's own binary be the other programs that the scripts call.
func TestMain(m *testing.M) {
	programs := map[string]func([]string) error{
		"uci": standInUCI,
	}
	program := programs[filepath.Base(os.Args[0])]
	if program == nil {
		os.Exit(runTests(m))
	}
	if err := program(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "latchkeyd")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil { // another user runs it, too
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	latchkeyd := filepath.Join(dir, "latchkeyd")
	if out, err := exec.Command("go", "build", "-o", latchkeyd, "../../cmd/latchkeyd").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n%s", err, out)
		return 1
	}
	os.Setenv(programVariable, latchkeyd)
	return m.Run()
}

// standInUCI knows "[-q] [-S] export NAME" and "-c FOLDER export NAME", which print a file of $UCI_CONFIG or the folder
// (without -S, if its grammar is right), and behind it, of $UCI_CONFIG, what the file $UCI_STAGED/NAME has (sections that nobody has committed yet),
// "[-q] get", "batch", "set", "add_list" and "commit" on the file $UCI_STORE, a list of key=value, and "assignments FILE".
func standInUCI(args []string) error {
	folder := os.Getenv("UCI_CONFIG")
	if args[0] == "-c" {
		folder, args = args[1], args[2:]
	}
	quiet, strict := args[0] == "-q", !slices.Contains(args, "-S")
	for args[0] == "-q" || args[0] == "-S" {
		args = args[1:]
	}
	store := os.Getenv("UCI_STORE")
	switch args[0] {
	case "export":
		text, err := os.ReadFile(filepath.Join(folder, args[1]))
		if _, errs := uci.Parse(string(text)); strict && len(errs) > 0 {
			return errors.New("uci: Parse error")
		}
		os.Stdout.Write(text)
		if folder == os.Getenv("UCI_CONFIG") {
			staged, _ := os.ReadFile(filepath.Join(os.Getenv("UCI_STAGED"), args[1]))
			os.Stdout.Write(staged)
		}
		if quiet && err != nil {
			os.Exit(1)
		}
		return err
	case "get":
		b, err := os.ReadFile(store)
		for line := range strings.Lines(string(b)) {
			if key, value, _ := strings.Cut(strings.TrimSpace(line), "="); key == args[1] {
				fmt.Println(value)
				return nil
			}
		}
		if quiet {
			os.Exit(1)
		}
		return fmt.Errorf("uci: Entry not found (%v)", err)
	case "batch":
		commands, err := io.ReadAll(os.Stdin)
		for line := range strings.Lines(string(commands)) {
			if err = errors.Join(err, standInUCI(strings.SplitN(strings.TrimSpace(line), " ", 2))); err != nil {
				return err
			}
		}
		return err
	case "set", "add_list":
		return appendTo(store, args[1]+"\n")
	case "assignments":
		return printAssignments(args[1])
	case "commit":
		return nil
	}
	return fmt.Errorf("uci: %q is not stood in for", args)
}

func printAssignments(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	parsed, errs := uci.Parse(string(text))
	if len(errs) > 0 {
		return fmt.Errorf("uci: Parse error: %s", errs[0].Reason)
	}
	for i, s := range parsed.Sections {
		if s.Name == "" {
			s.Name = fmt.Sprintf("cfg%02x", i)
		}
		fmt.Printf("sections=\"$sections %s\" type_%s=%s\n", s.Name, s.Name, s.Type)
		for _, o := range s.Options {
			var values []string
			for _, v := range o.Values {
				values = append(values, v.Text)
			}
			fmt.Printf("option_%s_%s=%s\n", s.Name, o.Name, quote(strings.Join(values, " ")))
		}
	}
	return nil
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func appendTo(name, text string) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(text)
	return err
}

// router is a folder that scripts take for the root of a router.
type router struct {
	t    *testing.T
	root string
	env  []string

	mounts string // commands for a shell in the router's folder, for what only its scripts and the plugin see; "" = none
}

// zones is a firewall's configuration with the zones of a stock router, and one that is switched off.
const zones = `
config zone
	option name 'lan'

config zone 'outside'
	option name 'wan'
	option enabled '1'

config zone
	option name 'attic'
	option enabled '0'
`

func newRouter(t *testing.T) *router {
	t.Helper()
	if _, err := exec.LookPath("busybox"); err != nil {
		t.Skip("SKIP: no busybox, whose ash is the shell of OpenWrt")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &router{t: t, root: t.TempDir()}
	for _, folder := range []string{"bin", "etc/config", "etc/capabilities", "var/run", "lib/functions", "sbin", "tmp"} {
		if err := os.MkdirAll(r.path(folder), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, program := range map[string]string{"uci": self, "latchkeyd": os.Getenv(programVariable)} {
		if err := os.Symlink(program, r.path("bin/"+name)); err != nil {
			t.Fatal(err)
		}
	}
	r.write("etc/config/firewall", zones)
	r.write("lib/functions/network.sh", "")
	r.env = []string{
		"PATH=" + r.path("bin") + ":" + os.Getenv("PATH"),
		"RECORD=" + r.path("record"), "UCI_STORE=" + r.path("store"), "UCI_CONFIG=" + r.path("etc/config"), "UCI_STAGED=" + r.path("tmp/.uci"), "TMPDIR=" + r.path("tmp"),
		"DEVICE_wan=eth1", "INTERFACES=wan wan6 lte",
	}
	return r
}

// mount sets mounts.
func (r *router) mount(commands string) {
	r.t.Helper()
	if err := exec.Command("unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", "/mnt").Run(); err != nil {
		r.t.Skipf("SKIP: cannot become a second user: no mounts of one's own: %v", err)
	}
	r.mounts = commands
}

func (r *router) path(name string) string { return filepath.Join(r.root, name) }

func (r *router) write(name, text string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Dir(r.path(name)), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(r.path(name), []byte(text), 0o755); err != nil {
		r.t.Fatal(err)
	}
}

// standIn puts a script in the place of a program of the router's, and returns the program's path.
func (r *router) standIn(name, commands string) string {
	r.t.Helper()
	program, err := os.Readlink(r.path("bin/" + name))
	if err == nil {
		err = os.Remove(r.path("bin/" + name))
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.write("bin/"+name, "#!/bin/sh\n"+commands)
	return program
}

func (r *router) read(name string) string {
	r.t.Helper()
	b, err := os.ReadFile(r.path(name))
	if err != nil && !os.IsNotExist(err) {
		r.t.Fatal(err)
	}
	return string(b)
}

// run runs a script under busybox ash, with the router's paths, and returns what it printed.
func (r *router) run(script string, env ...string) (out string, err error) {
	r.t.Helper()
	cmd := exec.Command("busybox", "ash", "-c", r.move(script))
	if r.mounts != "" {
		cmd = exec.Command("unshare", "--mount", "--map-root-user", "busybox", "ash", "-c", r.mounts+" || exit\n"+r.move(script))
		cmd.Dir = r.root
	}
	cmd.Env = append(append(cmd.Env, r.env...), env...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

// move makes a script's absolute paths those of the router.
func (r *router) move(script string) string {
	for _, folder := range []string{"/etc/", "/var/", "/sbin/", "/lib/", "/proc/net/"} {
		for _, before := range []string{"=", " ", "\""} {
			script = strings.ReplaceAll(script, before+folder, before+r.root+folder)
		}
	}
	return script
}

// script returns one of the package's files.
func script(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(files, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
