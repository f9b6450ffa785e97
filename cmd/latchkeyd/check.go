// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/latchkey/latchkey/pkgs/daemon"
)

func check(e env, args []string) error {
	f := newFlags(e, "check")
	public := f.Bool("public", "leave out steps of sequences and what may be a key: for a log or a screen that others see")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text, err := readConfig(words[0])
	if err != nil {
		return err
	}
	reader := daemon.ForOwner
	if *public {
		reader = daemon.ForEverybody
	}
	bad := 0
	for _, p := range daemon.Check(text, reader) {
		grade := "warning"
		if !p.Warning {
			grade = "error"
			bad++
		}
		fmt.Fprintf(e.err, "%s: %s\n", grade, p.Text)
	}
	if bad > 0 {
		return fmt.Errorf("%s has %d errors", words[0], bad)
	}
	fmt.Fprintf(e.out, "%s can be used\n", words[0])
	return nil
}
