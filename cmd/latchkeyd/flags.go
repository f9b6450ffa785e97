// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"

	"github.com/latchkey/latchkey/pkgs/control"
)

var errHelp = flag.ErrHelp

// flags is a command's flag set. Flags may stand before, between and after the arguments.
type flags struct {
	*flag.FlagSet
	e env
}

func newFlags(e env, name string) *flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(e.out)
	return &flags{set, e}
}

// parse returns the arguments that are not flags; there must be from least to most of them.
func (f *flags) parse(args []string, least, most int) ([]string, error) {
	var words []string
	for {
		if err := f.FlagSet.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, err
		} else if err != nil {
			return nil, usageError{err}
		}
		if f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		args = f.Args()[1:]
	}
	if len(words) < least || len(words) > most {
		return nil, usageError{fmt.Errorf("%d arguments, want %s", len(words), span(least, most))}
	}
	return words, nil
}

func span(least, most int) string {
	if least == most {
		return fmt.Sprint(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}

// socket declares the flag that says where the daemon listens.
func (f *flags) socket() *string {
	return f.String("socket", control.Socket, "unix socket of the daemon")
}
