// SPDX-License-Identifier: Apache-2.0

// Command latchkey knocks: at routers that run latchkeyd, with messages, and at any host, with
// sequences of packets. It needs no rights but an ordinary user's.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"

	"github.com/latchkey/latchkey/pkgs/resolver"
	"github.com/latchkey/latchkey/pkgs/send"
	"github.com/latchkey/latchkey/pkgs/terminal"
)

// version is set by the linker.
var version = "unreleased"

// Exit codes.
const (
	exitOK      = 0
	exitError   = 1
	exitUsage   = 2
	exitClosed  = 3 // the knock went out, and the door stayed silent
	exitRefused = 4 // the door is open, and nothing answers behind it
)

const exitCodes = `exit codes:
  0  done; for a knock: it went out, and nothing suggests that it failed
  1  it did not work, and standard error says why
  2  the command line is wrong
  3  the knock went out, but the door gave no answer (knock, connect)
  4  the door is open, but the service behind it refuses (knock, connect)
`

// command is one subcommand. Its options are explained where they are declared.
type command struct {
	name string
	args []string // one line for each form
	does string
	text string // more about it, for --help
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
		{"knock", []string{"NAME [DOOR] [OPTION...]", "HOST STEP... [--gap 200ms] [-4|-6]"},
			"open a door of a router that was added, or send a sequence", knockText, knockCommand},
		{"connect", []string{"NAME DOOR [HOST [PORT]] [--port PORT] [--within 15s] [-4|-6]"},
			"knock, then connect standard input and output: an ssh ProxyCommand", connectText, connectCommand},
		{"add", []string{"[ADDRESS|-] [--name NAME] [--replace]"},
			"remember a router by its pick-up address, or by its link", addText, addCommand},
		{"list", []string{"[--json | --names | --doors NAME]"}, "show the routers that were added", listText, listCommand},
		{"remove", []string{"NAME"}, "forget a router and its key", removeText, removeCommand},
		{"completion", []string{"bash|zsh|fish"}, "print a script that completes command lines", completionText, completionCommand},
		{"version", []string{""}, "show the version", "", versionCommand},
	}
}

func main() {
	if r := resolver.OfSystem(); r != nil {
		net.DefaultResolver = r
	}
	os.Exit(latchkey(os.Args[1:], env{os.Stdin, terminal.Writer(os.Stdout), terminal.Writer(os.Stderr), os.Stdout}))
}

func latchkey(args []string, e env) int {
	if len(args) == 0 {
		usage(e.err)
		return exitUsage
	}
	switch args[0] {
	case "-h", "-help", "--help", "help":
		if len(args) < 2 {
			usage(e.out)
			return exitOK
		}
		args = []string{args[1], "--help"}
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
	fmt.Fprintf(w, "\nlatchkey COMMAND --help explains a command and its options.\n\n%s", exitCodes)
}

// lines are the forms of a command, as they are typed.
func (c command) lines() []string {
	var lines []string
	for _, form := range c.args {
		lines = append(lines, strings.TrimSpace("latchkey "+c.name+" "+form))
	}
	return lines
}

// help explains a command and its options.
func (c command) help(w io.Writer, f flags) {
	fmt.Fprintf(w, "%s\n", strings.Join(c.lines(), "\n"))
	fmt.Fprintf(w, "\n%s%s.\n", strings.ToUpper(c.does[:1]), c.does[1:])
	if c.text != "" {
		fmt.Fprintf(w, "%s\n", c.text)
	}
	f.explain(w)
}

// usageError is a wrong command line.
type usageError struct{ error }

func (u usageError) Unwrap() error { return u.error }

// coded is an error with an exit code of its own.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

// hinted is an error that the user can do something about.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// report prints what went wrong and returns the exit code.
func report(c command, err error, e env) int {
	if err == nil {
		return exitOK
	}
	if asked, ok := errors.AsType[helpWanted](err); ok {
		c.help(e.out, asked.flags)
		return exitOK
	}
	text := err.Error()
	if errors.Is(err, context.Canceled) {
		text = "interrupted"
	}
	for line := range strings.Lines(text) {
		fmt.Fprintf(e.err, "latchkey: error: %s\n", strings.TrimSuffix(line, "\n"))
	}
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(e.err, "latchkey: hint: %s\n", hint)
	}
	if _, ok := errors.AsType[usageError](err); ok {
		for _, line := range c.lines() {
			fmt.Fprintf(e.err, "latchkey: hint: usage: %s\n", line)
		}
		return exitUsage
	}
	if own, ok := errors.AsType[coded](err); ok {
		return own.code
	}
	return exitError
}

// hintFor returns what the user can do about an error, "" if that is not known.
func hintFor(err error) string {
	if h, ok := errors.AsType[hinted](err); ok {
		return h.hint
	}
	return send.Hint(err)
}

func versionCommand(e env, args []string) error {
	if _, err := newFlags("version").parse(args, 0, 0); err != nil {
		return err
	}
	_, err := fmt.Fprintf(e.out, "latchkey %s\n", version)
	return err
}
