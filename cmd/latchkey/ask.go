// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/term"

	"github.com/latchkey/latchkey/pkgs/link"
)

// keyboard returns the terminal that a person types at, if standard input is one.
func keyboard(in io.Reader) (*os.File, bool) {
	f, ok := in.(*os.File)
	return f, ok && term.IsTerminal(int(f.Fd()))
}

// chooseDoor returns which door of a router is meant where none was named: its only one, or what a
// person answers. "" is every door.
func chooseDoor(e env, l link.Link) (string, error) {
	if len(l.Doors) == 1 {
		return l.Doors[0], nil
	}
	if _, ok := keyboard(e.in); !ok {
		return "", usageError{hinted{fmt.Errorf("%s has several doors for you: %s", l.Name, strings.Join(l.Doors, ", ")),
			"name one of them, or say --all"}}
	}
	fmt.Fprintf(e.err, "%s has several doors for you:\n", l.Name)
	for i, name := range l.Doors {
		about, _ := l.Door(name)
		fmt.Fprintf(e.err, "%4d  %s  %s\n", i+1, name, about.Title)
	}
	answers := bufio.NewScanner(e.in)
	for {
		fmt.Fprint(e.err, "which one (a number, a name, or all)? ")
		if !answers.Scan() {
			fmt.Fprintln(e.err)
			return "", errors.Join(answers.Err(), errors.New("no door was chosen"))
		}
		answer := strings.TrimSpace(answers.Text())
		n, err := strconv.Atoi(answer)
		switch {
		case slices.Contains(l.Doors, answer):
			return answer, nil
		case answer == "all":
			return "", nil
		case err == nil && n >= 1 && n <= len(l.Doors):
			return l.Doors[n-1], nil
		}
	}
}

// readSecret reads a link or pick-up address: typed or pasted by a person, without showing it, or
// from a file or program.
func readSecret(e env) (string, error) {
	if f, ok := keyboard(e.in); ok {
		return pasted(e, f)
	}
	text, err := bufio.NewReader(io.LimitReader(e.in, link.MaxSize+2)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}

// pasted reads one line from a terminal. A terminal that puts lines together by itself cuts them off
// at 1024 (macOS) or 4096 bytes, so that is switched off.
func pasted(e env, f *os.File) (text string, err error) {
	fmt.Fprint(e.err, "paste the link or the pick-up address (it is not shown), and press Enter: ")
	defer fmt.Fprintln(e.err)
	before, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, term.Restore(int(f.Fd()), before)) }()
	dark := struct {
		io.Reader
		io.Writer
	}{f, io.Discard}
	text, err = term.NewTerminal(dark, "").ReadPassword("")
	if errors.Is(err, io.EOF) {
		err = errors.New("nothing was added")
	}
	return text, err
}
