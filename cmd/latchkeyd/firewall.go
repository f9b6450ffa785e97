// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"slices"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/fw4"
)

// firewall prints, for the init script, what a configuration wants of the router, one thing a line:
//
//	enabled 1              whether the daemon shall run
//	interface wan          an interface that knocks come in at, to be looked up; without such a line,
//	                       those of the firewall's zone wan are
//	zone lan               a firewall zone that a door needs, to be looked up
//	object type=rule ...   an object for firewall4, its options with spaces between
//
// The last two are of enabled doors only.
func firewall(e env, args []string) error {
	f := newFlags(e, "firewall")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	text, err := readConfig(words[0])
	if err != nil {
		return err
	}
	if err := tellProblems(e.err, words[0], text, daemon.ForEverybody); err != nil { // the log and status are for all
		return err
	}
	c, _ := config.Parse(text)
	enabled := 0
	if c.Main.Enabled {
		enabled = 1
	}
	fmt.Fprintf(e.out, "enabled %d\n", enabled)
	for _, name := range c.Main.Interfaces {
		fmt.Fprintf(e.out, "interface %s\n", name)
	}
	for _, name := range zones(c) {
		fmt.Fprintf(e.out, "zone %s\n", name)
	}
	for _, o := range fw4.Objects(c) {
		fmt.Fprintf(e.out, "object %s\n", o)
	}
	return nil
}

// zones returns the firewall zones that the enabled doors need.
func zones(c *config.Config) []string {
	var list []string // at most twice config.MaxDoors
	for i := range c.Doors {
		if !c.Doors[i].Enabled {
			continue
		}
		for _, zone := range c.Doors[i].Zones() {
			if !slices.Contains(list, zone) {
				list = append(list, zone)
			}
		}
	}
	return list
}
