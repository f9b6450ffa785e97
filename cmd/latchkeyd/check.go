// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/latchkey/latchkey/pkgs/daemon"
)

func check(e env, args []string) error {
	f := newFlags(e, "check")
	public := f.Bool("public", "leave out steps of sequences and what may be a key: for a log or a screen that others see")
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
	if err := printProblems(e.err, name, text, reader); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "%s can be used\n", name)
	return nil
}

// printProblems prints the errors and warnings of a configuration. It returns an error if the
// configuration cannot be used.
func printProblems(w io.Writer, path, text string, reader daemon.Reader) error {
	bad := 0
	for _, p := range daemon.Check(text, time.Now(), reader) {
		grade := "warning"
		if !p.Warning {
			grade = "error"
			bad++
		}
		fmt.Fprintf(w, "%s: %s\n", grade, p.Text)
	}
	if bad == 1 {
		return fmt.Errorf("%s has an error", path)
	}
	if bad > 0 {
		return fmt.Errorf("%s has %d errors", path, bad)
	}
	return nil
}
