// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
)

func check(e env, args []string) error {
	f := newFlags(e, "check")
	public := f.Bool("public", "leave out steps of sequences and what may be a key: for a log or a screen that others see")
	asJSON := f.Bool("json", "print the problems as JSON, as the daemon answers check")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text, err := readInput(e, words[0])
	if err != nil {
		return err
	}
	reader := daemon.ForOwner
	if *public {
		reader = daemon.ForEverybody
	}
	name := shownName(words[0])
	problems := daemon.Check(text, time.Now(), reader)
	if *asJSON {
		if err := printJSON(e.out, problems); err != nil {
			return err
		}
		return usable(name, problems)
	}
	printProblems(e.err, problems)
	if err := usable(name, problems); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s can be used\n", name)
	return nil
}

// printProblems prints the errors and warnings of a configuration, each on a line.
func printProblems(w io.Writer, problems []control.Problem) {
	for _, p := range problems {
		grade := "error"
		if p.Warning {
			grade = "warning"
		}
		fmt.Fprintf(w, "%s: %s\n", grade, p.Text)
	}
}

// usable returns an error if a configuration with these problems cannot be used.
func usable(path string, problems []control.Problem) error {
	bad := 0
	for _, p := range problems {
		if !p.Warning {
			bad++
		}
	}
	switch bad {
	case 0:
		return nil
	case 1:
		return fmt.Errorf("%s has an error", path)
	}
	return fmt.Errorf("%s has %d errors", path, bad)
}
