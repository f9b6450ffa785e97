// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/control"
)

// errHelp says that the command's options were shown, which is all that was asked for.
var errHelp = errors.New("help was asked for")

// flags are a command's options. They may stand before, between and after the arguments, with one
// dash or two, as --name value or --name=value. Package flag can do less, and is 12 kB of the program.
type flags struct {
	e     env
	name  string // of the command
	about string // what its arguments are, "" = they need no words
	list  []flagOption
}

type flagOption struct {
	name, does, initial string
	alone               bool // it needs no value
	set                 func(string) error
}

func newFlags(e env, name string) *flags { return &flags{e: e, name: name} }

// Bool declares an option that is off unless it is there.
func (f *flags) Bool(name, does string) *bool {
	v := new(bool)
	f.list = append(f.list, flagOption{name, does, "", true, func(s string) (err error) {
		*v, err = strconv.ParseBool(s)
		return err
	}})
	return v
}

// String declares an option with a value.
func (f *flags) String(name, initial, does string) *string {
	v := &initial
	f.list = append(f.list, flagOption{name, does, initial, false, func(s string) error {
		*v = s
		return nil
	}})
	return v
}

// Uint64 declares an option with a number.
func (f *flags) Uint64(name string, initial uint64, does string) *uint64 {
	v := &initial
	f.list = append(f.list, flagOption{name, does, strconv.FormatUint(initial, 10), false, func(s string) (err error) {
		*v, err = strconv.ParseUint(s, 10, 64)
		return err
	}})
	return v
}

// socket declares the option that says where the daemon listens.
func (f *flags) socket() *string {
	return f.String("socket", control.Socket, "unix socket of the daemon")
}

// parse returns the arguments that are not flags; there must be from least to most of them.
func (f *flags) parse(args []string, least, most int) ([]string, error) {
	var words []string
	for len(args) > 0 {
		word := args[0]
		args = args[1:]
		if word == "--" {
			words = append(words, args...)
			break
		}
		if word == "-" || !strings.HasPrefix(word, "-") {
			words = append(words, word)
			continue
		}
		var err error
		if args, err = f.option(word, args); err != nil {
			return nil, err
		}
	}
	if len(words) < least || len(words) > most {
		return nil, usageError{fmt.Errorf("%d arguments, want %s", len(words), span(least, most))}
	}
	return words, nil
}

// option sets the option that word names. It returns the words behind it, less the option's value.
func (f *flags) option(word string, behind []string) ([]string, error) {
	name, value, given := strings.Cut(strings.TrimPrefix(word[1:], "-"), "=")
	if name == "h" || name == "help" {
		f.help()
		return nil, errHelp
	}
	i := slices.IndexFunc(f.list, func(o flagOption) bool { return o.name == name })
	if i < 0 {
		return nil, usageError{fmt.Errorf("unknown option %s", word)}
	}
	o := f.list[i]
	switch {
	case given:
	case o.alone:
		value = "true"
	case len(behind) == 0:
		return nil, usageError{fmt.Errorf("option --%s needs a value", name)}
	default:
		value, behind = behind[0], behind[1:]
	}
	if o.set(value) != nil {
		return nil, usageError{fmt.Errorf("option --%s cannot be %q", name, value)}
	}
	return behind, nil
}

func (f *flags) help() {
	if f.about != "" {
		fmt.Fprintln(f.e.out, f.about)
	}
	fmt.Fprintf(f.e.out, "options of latchkeyd %s:\n", f.name)
	for _, o := range f.list {
		fmt.Fprintf(f.e.out, "  --%-10s %s", o.name, o.does)
		if o.initial != "" {
			fmt.Fprintf(f.e.out, " (default: %s)", o.initial)
		}
		fmt.Fprintln(f.e.out)
	}
}

func span(least, most int) string {
	if least == most {
		return strconv.Itoa(least)
	}
	return fmt.Sprintf("%d to %d", least, most)
}
