// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"text/tabwriter"

	"github.com/latchkey/latchkey/pkgs/link"
)

const addText = `
ADDRESS is a pick-up address, as the router shows it with its code: it works once, within 15 minutes,
in the router's own network. It can also be the link itself; but that holds the key, and a shell
keeps what is typed. So without ADDRESS, or with -, latchkey reads either from standard input, and
asks for it on a terminal, without showing it.

A link of a router that was added before, with the same key, replaces its settings, under the name
that it has here. Which stamps were used is remembered by the key, and stays.`

func addCommand(e env, args []string) error {
	f := newFlags("add")
	name := f.String("name", "", "call the router `NAME` here (default: as its link does)")
	replace := f.Bool("replace", false, "forget the link with another key that was added under this name")
	words, err := f.parse(args, 0, 1)
	if err != nil {
		return err
	}
	h, err := openHome()
	if err != nil {
		return err
	}
	typed := len(words) == 1 && words[0] != "-"
	var text string
	if typed {
		text = words[0]
	} else if text, err = readSecret(e); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	l, err := readAdded(text)
	if err != nil {
		return err
	}
	if *name != "" {
		l.Name = *name
	} else if known, ok := h.known(l); ok && !*replace {
		l.Name = known
	}
	if l, err = link.Parse(l.Text()); err != nil { // is it a name?
		return err
	}
	old, err := h.load(l.Name)
	refreshed := err == nil && old.Key == l.Key
	if err == nil && !refreshed && !*replace {
		hint := "--replace forgets the old link, --name NAME keeps both"
		if isPickup(text) {
			hint += "; either takes a new code, because this one is used up"
		}
		return hinted{fmt.Errorf("%s was added before, with another key", l.Name), hint}
	}
	if err := h.save(l); err != nil {
		return err
	}
	if refreshed {
		fmt.Fprintf(e.out, "refreshed %s: it has %s\n", l.Name, doorsOf(l))
	} else {
		fmt.Fprintf(e.out, "added %s with %s\n", l.Name, doorsOf(l))
	}
	if typed && !isPickup(text) {
		fmt.Fprintln(e.err, "latchkey: hint: the link holds your key, and the shell keeps what is typed: next time let latchkey add ask for it, or use a pick-up address")
	}
	return nil
}

// readAdded reads what a router is added by: its link, or the address where the link can be picked up.
func readAdded(text string) (link.Link, error) {
	if !isPickup(text) {
		return link.Parse(text)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	return pickUp(ctx, text)
}

func doorsOf(l link.Link) string {
	if len(l.Doors) == 1 {
		return "door " + l.Doors[0]
	}
	return "doors " + strings.Join(l.Doors, ", ")
}

const listText = `
Keys are never shown.`

func listCommand(e env, args []string) error {
	f := newFlags("list")
	names := f.Bool("names", false, "show names only, one a line")
	doors := f.String("doors", "", "show the doors of router `NAME` only, one a line")
	asJSON := f.Bool("json", false, "print the routers as a JSON list, with what is known of their doors")
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	h, err := openHome()
	if err != nil {
		return err
	}
	if *doors != "" {
		l, err := h.load(*doors)
		if err == nil {
			fmt.Fprintln(e.out, strings.Join(l.Doors, "\n"))
		}
		return err
	}
	links, err := h.links()
	switch {
	case *asJSON:
		err = errors.Join(printRouters(e.out, links), err)
	case *names:
		for _, l := range links {
			fmt.Fprintln(e.out, l.Name)
		}
	case len(links) > 0:
		printLinks(e.out, links)
	case err == nil:
		fmt.Fprintln(e.out, "no router was added yet: latchkey add")
	}
	return err
}

// printLinks shows links to a person, without their keys.
func printLinks(w io.Writer, links []link.Link) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NAME\tDOORS\tWHERE\tLISTENS TO")
	for _, l := range links {
		var where, how []string
		if l.Host != "" {
			where = append(where, l.Host)
		}
		for _, a := range l.Addresses {
			where = append(where, a.String())
		}
		if len(l.STUNPorts) > 0 {
			how = append(how, fmt.Sprintf("stun (udp %s)", strings.Trim(fmt.Sprint(l.STUNPorts), "[]")))
		}
		if l.Ports != 0 {
			how = append(how, fmt.Sprintf("ports (tcp from %d)", l.Ports))
		}
		if l.Ordered != nil {
			how = append(how, "ports (ordered)")
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", l.Name, strings.Join(l.Doors, ", "), strings.Join(where, ", "), strings.Join(how, ", "))
	}
	t.Flush()
}

const removeText = `
Which stamps its key was used with stays, for the day when the link is added again.`

func removeCommand(e env, args []string) error {
	words, err := newFlags("remove").parse(args, 1, 1)
	if err != nil {
		return err
	}
	h, err := openHome()
	if err != nil {
		return err
	}
	if err := h.remove(words[0]); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "removed %s\n", words[0])
	return nil
}

const completionText = `
For bash and zsh: source <(latchkey completion bash). For fish: latchkey completion fish | source.`

func completionCommand(e env, args []string) error {
	words, err := newFlags("completion").parse(args, 1, 1)
	if err != nil {
		return err
	}
	script, err := completions.ReadFile("completion/" + words[0])
	if err != nil {
		return usageError{errors.New("there are completions for bash, zsh and fish")}
	}
	_, err = e.out.Write(script)
	return err
}
