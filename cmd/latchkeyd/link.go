// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/share"
)

// newKey prints a key for a client, a secret.
func newKey(e env, args []string) error {
	if _, err := newFlags(e, "newkey").parse(args, 0, 0); err != nil {
		return err
	}
	var key seal.Key
	if err := drawSecret(key[:]); err != nil {
		return err
	}
	_, err := fmt.Fprintln(e.out, key.Text())
	return err
}

// drawSecret fills b with random bytes (getrandom(2)).
func drawSecret(b []byte) error {
	if _, err := unix.Getrandom(b, 0); err != nil {
		return fmt.Errorf("no random numbers: %w", err)
	}
	return nil
}

// makeLink prints the link of a client, and on standard error what may be wrong with it:
//
//	warning: WORD: TEXT
//	useless: WORD: TEXT    no client takes the link
//
// The configuration comes in a file or on standard input, because arguments are not private.
func makeLink(e env, args []string) error {
	f := newFlags(e, "link")
	app := f.Bool("app", "as the code that the scanner of the installed app reads")
	words, err := f.parse(args, 2, 2)
	if err != nil {
		return err
	}
	text, err := readInput(e, words[1])
	if err != nil {
		return err
	}
	c, problems := config.Parse(text)
	if c == nil {
		return problems.Errors()
	}
	l, warnings, err := share.Make(time.Now(), c, words[0])
	if err != nil {
		return err
	}
	for _, w := range warnings {
		grade := "warning"
		if w.Useless() {
			grade = "useless"
		}
		fmt.Fprintf(e.err, "%s: %s: %s\n", grade, w.Word, w.Text)
	}
	made := l.Text()
	if *app {
		made = l.AppText()
	}
	_, err = fmt.Fprintln(e.out, made)
	return err
}
