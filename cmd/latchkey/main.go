// SPDX-License-Identifier: Apache-2.0

// Command latchkey knocks: at routers that run latchkeyd, with messages, and at any host, with
// sequences of packets. It needs no rights but an ordinary user's.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/latchkey/latchkey/pkgs/send"
	"github.com/latchkey/latchkey/pkgs/terminal"
)

// version is set by the linker.
var version = "unreleased"

// Exit codes.
const (
	exitOK    = 0
	exitError = 1
	exitUsage = 2
)

// command is one subcommand.
type command struct {
	name string
	args []string // one line for each form
	does string
	run  func(env, []string) error
}

// env is what a command may use of the process.
type env struct {
	in       io.Reader
	out, err io.Writer // for people
	raw      io.Writer // standard output as it is
}

func commands() []command {
	return []command{
		{"knock", []string{
			"NAME [DOOR] [--for 30m] [--close] [--address A] [--carrier stun|ports|both] [-4|-6]",
			"HOST STEP... [--gap 200ms] [-4|-6]    steps: 7000/tcp 8000/udp icmp:77",
		}, "open a door of a router that was added, or send a sequence", knockCommand},
		{"connect", []string{"NAME DOOR HOST PORT [--within 15s] [-4|-6]"},
			"knock, then connect standard input and output: an ssh ProxyCommand", connectCommand},
		{"add", []string{"ADDRESS|- [--name NAME] [--replace]"},
			"remember a router by its pick-up address, or by its link; - reads either from standard input", addCommand},
		{"list", []string{"[--names | --doors NAME]"}, "show the routers that were added", listCommand},
		{"remove", []string{"NAME"}, "forget a router and its key", removeCommand},
		{"completion", []string{"bash|zsh|fish"}, "print a script that completes command lines", completionCommand},
		{"version", []string{""}, "show the version", versionCommand},
	}
}

func main() {
	os.Exit(latchkey(os.Args[1:], env{os.Stdin, terminal.Writer(os.Stdout), terminal.Writer(os.Stderr), os.Stdout}))
}

func latchkey(args []string, e env) int {
	if len(args) == 0 {
		usage(e.err)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		usage(e.out)
		return exitOK
	case "--version", "-version":
		args = []string{"version"}
	}
	for _, c := range commands() {
		if c.name == args[0] {
			return report(c, c.run(e, args[1:]), e)
		}
	}
	fmt.Fprintf(e.err, "latchkey: error: unknown command %q\nlatchkey: hint: latchkey help lists them\n", args[0])
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprint(w, "latchkey knocks at a router, so that it opens a door for you.\n\nusage:\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "\n  %s\n", c.does)
		for _, line := range c.lines() {
			fmt.Fprintf(w, "    %s\n", line)
		}
	}
}

// lines are the forms of a command, as they are typed.
func (c command) lines() []string {
	var lines []string
	for _, form := range c.args {
		lines = append(lines, strings.TrimSpace("latchkey "+c.name+" "+form))
	}
	return lines
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

// hinted is an error that the user can do something about.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// report prints what went wrong and returns the exit code.
func report(c command, err error, e env) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(e.out, strings.Join(c.lines(), "\n"))
		return exitOK
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(e.err, "latchkey: error: %s\n", strings.TrimSuffix(line, "\n"))
	}
	hint := send.Hint(err)
	if h, ok := errors.AsType[hinted](err); ok {
		hint = h.hint
	}
	if hint != "" {
		fmt.Fprintf(e.err, "latchkey: hint: %s\n", hint)
	}
	if _, ok := errors.AsType[usageError](err); !ok {
		return exitError
	}
	for _, line := range c.lines() {
		fmt.Fprintf(e.err, "latchkey: hint: usage: %s\n", line)
	}
	return exitUsage
}

func versionCommand(e env, args []string) error {
	if _, err := newFlags("version").parse(args, 0, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.out, "latchkey %s\n", version)
	return err
}
