// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/latchkey/latchkey/pkgs/capture"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// trace runs a whole daemon on paper: the file is all that it sees, and its firewall is a list.
func trace(e env, args []string) error {
	f := newFlags(e, "trace")
	config := f.String("config", configFile, "configuration file (UCI)")
	year := f.Uint64("year", uint64(time.Now().Year()), "year of a log whose lines do not say it")
	how := f.String("clock", "synchronised", "whether the router's clock was right: synchronised or free")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	given, err := givenClock(*how)
	if err != nil {
		return err
	}
	text, err := readConfig(*config)
	if err != nil {
		return err
	}
	file, err := openInput(e, words[0])
	if err != nil {
		return err
	}
	defer file.Close()

	d, err := daemon.OnPaper(text, func() bool { return given.Right }, func(ev control.Event) { printEvent(e.out, ev) })
	if err != nil {
		return err
	}
	sum, err := capture.ReadFile(file, int(*year), time.Local, func(now time.Time, p *wire.Packet) { d.Replay(now, p) })
	if err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	if sum.Packets == 0 {
		return &control.Error{
			Text: words[0] + " has no packets",
			Hint: "give a capture (pcap, pcapng) or a log with the firewall's lines, such as IN=wan OUT= SRC=203.0.113.7 ...",
		}
	}
	fmt.Fprintf(e.out, "%d packets; skipped: %d other records or lines\n", sum.Packets, sum.Skipped)
	return nil
}
