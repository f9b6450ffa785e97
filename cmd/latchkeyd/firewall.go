// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
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
//	object type=rule ...             an object for firewall4, its options with spaces between; of enabled doors only
//	found list device 'eth1' # wan   what there is on the router: an option for section main
//
// The zones are those of the firewall's configuration. Lines of found come only with a file of what there is, see
// uplink.Networks. Of a configuration that is refused it prints whether it is switched on, and ends with an error.
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
	ours, _ := uci.Parse(text)
	enabled := 0
	if uplink.Enabled(ours.Sections) {
		enabled = 1
	}
	fmt.Fprintf(e.out, "enabled %d\n", enabled)
	problems := daemon.Check(text, time.Now(), daemon.ForEverybody) // the log and status are for all
	printProblems(e.err, problems)
	if err := usable(words[0], problems); err != nil {
		return err
	}
	c, _ := config.Parse(text)
	others, err := readOthers(words[1:min(2, len(words))]...)
	if err != nil {
		return err
	}
	zones := uplink.ReadZones(others)
	show := func(word string, lines []string) {
		for _, line := range lines {
			fmt.Fprintf(e.out, "%s %s\n", word, line)
		}
	}
	show("interface", zones.Networks(c.Main.Interfaces))
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

// silence prints the values that make an option of the firewall silent to strangers, each on a line, for the plugin of
// rpcd. That takes the firewall's configuration with all sections named.
func silence(e env, args []string) error {
	f := newFlags(e, "silence")
	words, err := f.parse(args, 3, 3)
	if err != nil {
		return err
	}
	firewall, err := readOthers(words[2])
	if err != nil {
		return err
	}
	values := uplink.Silence(firewall, words[0], words[1])
	if values == nil {
		return &control.Error{
			Text: fmt.Sprintf("option '%s' of section '%s' of the firewall is not one that answers strangers alone", words[1], words[0]),
			Hint: "change it at Network > Firewall",
		}
	}
	for _, v := range values {
		fmt.Fprintln(e.out, v)
	}
	return nil
}

// readOthers reads other configurations of the router's as they are. One that is not there says nothing.
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
