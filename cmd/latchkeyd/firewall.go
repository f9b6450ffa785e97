// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/fw4"
	"github.com/latchkey/latchkey/pkgs/uci"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

// firewall prints, for the init script and the plugin of rpcd, what a configuration needs of the router, one thing a
// line:
//
//	enabled 1                        whether the daemon shall run
//	interface wan                    an interface that knocks come in at
//	outside wan                      a firewall zone that knocks come in from
//	object type=rule ...             an object for firewall4, its options with spaces between; of enabled doors only
//	found list device 'eth1' # wan   what there is on the router: an option for section main
//
// The zones are those of the firewall's configuration. Lines of found come only with a file of what there is, see
// uplink.Networks. Of a configuration that is refused, or not there, it prints where knocks would come in from, and ends
// with an error: the firewall can be made silent nevertheless.
func firewall(e env, args []string) error {
	f := newFlags(e, "firewall")
	words, err := f.parse(args, 1, 3)
	if err != nil {
		return err
	}
	others, err := readOthers(words[1:min(2, len(words))]...)
	if err != nil {
		return err
	}
	zones := uplink.ReadZones(others)
	text, err := readConfig(words[0])
	if err == nil {
		err = printProblems(e.err, words[0], text, daemon.ForEverybody) // the log and status are for all
	}
	show := func(word string, lines []string) {
		for _, line := range lines {
			fmt.Fprintf(e.out, "%s %s\n", word, line)
		}
	}
	ours, _ := uci.Parse(text)
	outside := zones.Networks(uplink.Named(ours.Sections))
	show("interface", outside)
	show("outside", zones.Outside(outside))
	if err != nil {
		return err
	}
	c, _ := config.Parse(text)
	enabled := 0
	if c.Main.Enabled {
		enabled = 1
	}
	fmt.Fprintf(e.out, "enabled %d\n", enabled)
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
	show("found", uplink.Find(c, zones, uplink.Networks(there)))
	return nil
}

// readOthers reads configurations of the router's that are not ours. One that is not there says nothing.
func readOthers(paths ...string) (sections []uci.Section, err error) {
	for _, path := range paths {
		text, err := readConfig(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		file, _ := uci.Parse(text)
		sections = append(sections, file.Sections...)
	}
	return sections, nil
}
