// SPDX-License-Identifier: Apache-2.0

// Command latchkeyd is the router's side of Latchkey: the daemon that opens doors for knocks, and
// the commands by which the owner of the router talks to it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/share"
	"github.com/latchkey/latchkey/pkgs/store"
	"github.com/latchkey/latchkey/pkgs/terminal"
)

// version is set by the linker.
var version = "unreleased"

// Exit codes.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitNothing = 3 // import: the text was translated, but nothing in it can be used as it is
)

// command is one subcommand.
type command struct {
	name, args, does string
	run              func(env, []string) error
}

// env is what a command may use of the process.
type env struct {
	in       io.Reader
	out, err io.Writer
	log      io.Writer // of run: out, but that it takes nothing is no error
	strict   bool      // for tests: run ends at a system call that it did not expect
}

func commands() []command {
	return []command{
		{"run", "", "open doors for knocks until SIGTERM; SIGHUP reads the configuration again", run},
		{"status", "[--json]", "show doors, who may use them until when, and the last events", status},
		{"open", "DOOR ADDRESS [--for 10m]", "open a door to an address", open},
		{"close", "DOOR [ADDRESS]", "close a door, to one address or to all (--cut: end open connections, too)", closeDoor},
		{"events", "[--follow] [--since N] [--json]", "show what happened", events},
		{"radar", "[--json]", "show what strangers tried at closed ports in the last week: when, which services, from which addresses", showRadar},
		{"check", "FILE [--public] [--json]", "list all errors and warnings of a configuration (- is standard input, as in trace and import)", check},
		{"firewall", "FILE [FIREWALL [NETWORKS]]", "print what a configuration needs of the router and its firewall; for the init script", firewall},
		{"silence", "SECTION OPTION FIREWALL", "print what makes an option of the firewall silent to strangers; for the plugin of rpcd", silence},
		{"ports", "FILE [FIREWALL NETWORK ...]", "pick random ports for messages that nothing on the router uses; for the first start", drawPorts},
		{"trace", "FILE", "show what the knocks in a capture or firewall log would have done, and why", trace},
		{"import", "FILE", "translate a configuration of knockd or fwknop, on standard output; exit code 3: nothing in it can be used as it is", importForeign},
		{"forget", "CLIENT", "forget which messages of a client were used", forget},
		{"newkey", "", "make a key for a client: a secret", newKey},
		{"link", "CLIENT FILE [--app]", "make the link of a client of a configuration: a secret", makeLink},
		{"offer", "CLIENT FILE [--page URL]", "let the link in a file be picked up once, by the code that is printed", offerLink},
		{"pickup", "NAME", "end an offer, and print the sealed link for its device", pickUp},
		{"ntp", "ACTION STRATUM", "record what the NTP daemon says of the clock, for /etc/hotplug.d/ntp", ntp},
		{"hooks", "", "run the scripts in /etc/hotplug.d/latchkey for events until SIGTERM", hooks},
		{"version", "", "show the version", showVersion},
	}
}

func main() {
	os.Exit(latchkeyd(os.Args[1:], console()))
}

// console is what a command uses when a person, or the init script, calls it.
func console() env {
	out := terminal.Writer(os.Stdout)
	return env{in: os.Stdin, out: out, log: out, err: terminal.Writer(os.Stderr)}
}

func latchkeyd(args []string, e env) int {
	if len(args) == 0 {
		args = []string{"status"}
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		c := command{run: usage}
		return report(c, c.call(e, nil), e.err)
	case "--version", "-version":
		args = []string{"version"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return report(c, c.call(e, args[1:]), e.err)
		}
	}
	fmt.Fprintf(e.err, "latchkeyd: error: unknown command %q\nlatchkeyd: hint: latchkeyd help lists them\n", args[0])
	return exitUsage
}

// call runs the command. What it prints is for others to go by, and half of it may look whole: it fails unless all of
// it could be written.
func (c command) call(e env, args []string) error {
	out := &output{to: e.out}
	e.out = out
	err := c.run(e, args)
	if out.err != nil && (err == nil || errors.Is(err, errHelp)) {
		return out.err
	}
	return err
}

// output is a command's standard output. After an error it takes nothing more.
type output struct {
	to  io.Writer
	err error
}

func (o *output) Write(text []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	if n, err = o.to.Write(text); err != nil {
		o.err = fmt.Errorf("not all could be printed: %w", err)
	}
	return n, o.err
}

func usage(e env, _ []string) error {
	fmt.Fprint(e.out, "latchkeyd opens the doors of this router for those who knock.\n\nusage: latchkeyd [COMMAND]    (without one: status)\n\n")
	for _, c := range commands() {
		fmt.Fprintf(e.out, "  %-40s %s\n", strings.TrimSpace(c.name+" "+c.args), c.does)
	}
	_, err := fmt.Fprint(e.out, "\nlatchkeyd COMMAND --help shows the options of a command.\n")
	return err
}

// usageError is a wrong command line.
type usageError struct{ error }

// report prints what went wrong and returns the exit code.
func report(c command, err error, w io.Writer) int {
	if err == nil || errors.Is(err, errHelp) {
		return exitOK
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(w, "latchkeyd: error: %s\n", strings.TrimSuffix(line, "\n"))
	}
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(w, "latchkeyd: hint: %s\n", hint)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		fmt.Fprintf(w, "latchkeyd: hint: usage: latchkeyd %s\n", strings.TrimSpace(c.name+" "+c.args))
		return exitUsage
	}
	if _, ok := errors.AsType[nothingError](err); ok {
		return exitNothing
	}
	return exitError
}

// hintFor returns what a person can do about an error, "" if that is not known.
func hintFor(err error) string {
	if refusal, ok := errors.AsType[*control.Error](err); ok {
		return refusal.Hint
	}
	if _, ok := errors.AsType[config.Problems](err); ok {
		return "latchkeyd check tells what is wrong with the configuration"
	}
	switch {
	case errors.Is(err, control.ErrNotRunning):
		return "start it: /etc/init.d/latchkey start, or latchkeyd run"
	case errors.Is(err, store.ErrDamaged):
		return "it remembers which knocks were used: restore it from a backup, or give every client a new key and then: latchkeyd forget --all"
	case errors.Is(err, share.ErrNoClient):
		return "ubus call latchkey newclient makes one"
	case errors.Is(err, share.ErrKind):
		return "give the fwknop client its keys by hand"
	case errors.Is(err, os.ErrPermission):
		return "run it as root, or as a member of the group latchkey"
	case errors.Is(err, unix.ENOSPC):
		return "make room: df shows which file system is full"
	}
	return ""
}

func showVersion(e env, _ []string) error {
	_, err := fmt.Fprintf(e.out, "latchkeyd %s\n", version)
	return err
}
