// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
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

func addCommand(e env, args []string) error {
	f := newFlags("add")
	name := f.String("name", "", "what to call the router here")
	replace := f.Bool("replace", false, "forget the link that was added under this name")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text := words[0]
	if text == "-" {
		if text, err = readLine(e); err != nil {
			return fmt.Errorf("standard input: %w", err)
		}
	}
	l, err := readAdded(text)
	if err == nil && *name != "" {
		l.Name = *name
		l, err = link.Parse(l.Text()) // is it a name?
	}
	if err != nil {
		return err
	}
	h, err := openHome()
	if err != nil {
		return err
	}
	if old, err := h.load(l.Name); err == nil && old.Key != l.Key && !*replace {
		hint := "--replace forgets the old link, --name NAME keeps both"
		if isPickup(text) {
			hint += "; either takes a new code, because this one is used up"
		}
		return hinted{fmt.Errorf("%s was added before, with another key", l.Name), hint}
	}
	if err := h.save(l); err != nil {
		return err
	}
	fmt.Fprintf(e.out, "added %s with %s\n", l.Name, doorsOf(l))
	if words[0] != "-" && !isPickup(text) {
		fmt.Fprintln(e.err, "latchkey: hint: the link holds your key, and the shell keeps what is typed: next time give it to latchkey add - on standard input, or use a pick-up address")
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

// readLine reads a link that is piped in, or that a person pastes.
func readLine(e env) (string, error) {
	if f, ok := e.in.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			fmt.Fprintln(e.err, "paste the link or the pick-up address, and press Enter:")
		}
	}
	text, err := bufio.NewReader(io.LimitReader(e.in, link.MaxSize+2)).ReadString('\n')
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text, err
}

func doorsOf(l link.Link) string {
	if len(l.Doors) == 1 {
		return "door " + l.Doors[0]
	}
	return "doors " + strings.Join(l.Doors, ", ")
}

func listCommand(e env, args []string) error {
	f := newFlags("list")
	names := f.Bool("names", false, "names only, one a line")
	doors := f.String("doors", "", "the doors of one router, one a line")
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
	case *names:
		for _, l := range links {
			fmt.Fprintln(e.out, l.Name)
		}
	case len(links) > 0:
		printLinks(e.out, links)
	case err == nil:
		fmt.Fprintln(e.out, "no router was added yet: latchkey add ADDRESS")
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
		if l.STUNPort != 0 {
			how = append(how, fmt.Sprintf("stun (udp %d)", l.STUNPort))
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
