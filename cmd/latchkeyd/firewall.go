// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/fw4"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

// firewall prints, for the init script and the plugin of rpcd, what a configuration wants of the router, one thing a
// line:
//
//	enabled 1                        whether the daemon shall run
//	interface wan                    an interface that knocks come in at
//	outside wan                      a firewall zone that knocks come in from
//	object type=rule ...             an object for firewall4, its options with spaces between; of enabled doors only
//	found list device 'eth1' # wan   what there is on the router: an option for section main
//
// The firewall's configuration tells the zones. Lines of found come only with a file of what there is, see
// uplink.Networks.
func firewall(e env, args []string) error {
	f := newFlags(e, "firewall")
	words, err := f.parse(args, 1, 3)
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
	zones := uplink.ReadZones(readOthers(words[1:min(2, len(words))]...))
	outside := zones.Networks(c.Main.Interfaces)
	fmt.Fprintf(e.out, "enabled %d\n", enabled)
	tell := func(word string, lines []string) {
		for _, line := range lines {
			fmt.Fprintf(e.out, "%s %s\n", word, line)
		}
	}
	tell("interface", outside)
	tell("outside", zones.Outside(outside))
	for _, o := range fw4.Objects(c) {
		fmt.Fprintf(e.out, "object %s\n", o)
	}
	if len(words) < 3 {
		return nil
	}
	there, err := readConfig(words[2])
	if err != nil {
		return err
	}
	tell("found", uplink.Find(c, zones, uplink.Networks(there)))
	return nil
}

// readOthers reads configurations of the router's that are not ours. What is not there, or cannot be read, says nothing.
func readOthers(paths ...string) (sections []uci.Section) {
	for _, path := range paths {
		text, _ := readConfig(path)
		file, _ := uci.Parse(text)
		sections = append(sections, file.Sections...)
	}
	return sections
}
