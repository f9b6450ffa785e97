// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/send"
)

// flags is a command's flag set. Flags may stand before, between and after the arguments.
type flags struct{ *flag.FlagSet }

func newFlags(name string) flags {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(io.Discard) // report says it
	return flags{set}
}

// helpWanted says that a command shall be explained, with its options.
type helpWanted struct{ flags }

func (helpWanted) Error() string { return "help was asked for" }

// explain writes what each option means. The word in back quotes is what stands for its value.
func (f flags) explain(w io.Writer) {
	title := "\noptions:\n"
	f.VisitAll(func(o *flag.Flag) {
		value, does := flag.UnquoteUsage(o)
		name := "--" + o.Name
		if len(o.Name) == 1 {
			name = "-" + o.Name
		}
		fmt.Fprintf(w, "%s  %-18s %s\n", title, strings.TrimSpace(name+" "+value), does)
		title = ""
	})
}

// parse returns the arguments that are not flags; there must be from least to most of them.
func (f flags) parse(args []string, least, most int) ([]string, error) {
	var words []string
	for {
		if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
			return nil, helpWanted{f}
		} else if err != nil {
			return nil, usageError{err}
		}
		if f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		args = f.Args()[1:]
	}
	switch n := len(words); {
	case n < least:
		return nil, usageError{errors.New("too few arguments")}
	case n > most:
		return nil, usageError{fmt.Errorf("argument %q is one too many", words[most])}
	}
	return words, nil
}

// duration declares a flag for a length of time. The text of does names its default.
func (f flags) duration(name string, value time.Duration, does string) *time.Duration {
	f.Func(name, does, func(text string) (err error) {
		if value, err = time.ParseDuration(text); err != nil {
			return errors.New("a length of time is written like 90s, 30m or 2h")
		}
		return nil
	})
	return &value
}

// refuse returns an error if one of these flags was given.
func (f flags) refuse(why string, names ...string) error {
	var err error
	f.Visit(func(given *flag.Flag) {
		for _, name := range names {
			if given.Name == name {
				err = usageError{fmt.Errorf("--%s %s", name, why)}
			}
		}
	})
	return err
}

// family declares -4 and -6 and returns what says which of them was given.
func (f flags) family() func() (send.Family, error) {
	four := f.Bool("4", false, "use IPv4 only (default: both)")
	six := f.Bool("6", false, "use IPv6 only (default: both)")
	return func() (send.Family, error) {
		switch {
		case *four && *six:
			return 0, usageError{errors.New("-4 and -6 exclude each other; without them both are used")}
		case *four:
			return send.IPv4, nil
		case *six:
			return send.IPv6, nil
		}
		return send.BothFamilies, nil
	}
}
