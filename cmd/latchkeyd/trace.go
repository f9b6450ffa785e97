// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/latchkey/latchkey/pkgs/capture"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/daemon"
	"github.com/latchkey/latchkey/pkgs/wire"
)

// trace is a dry run of a whole daemon: the file is all that it sees, and its firewall stores nothing.
func trace(e env, args []string) error {
	f := newFlags(e, "trace")
	f.about = "FILE is a capture (pcap, pcapng) or a log with the firewall's lines, such as IN=wan OUT= SRC=203.0.113.7 ...\n" +
		"Times may be those of syslog (RFC 3164 or 5424, also with a year), ISO 8601, logread, journalctl, dmesg and Proxmox."
	config := f.String("config", configFile, "configuration file (UCI)")
	year := f.Uint64("year", 0, "year of the first line of a log whose lines do not say it; 0 = the last that is possible")
	how := f.String("clock", control.Synchronised, "whether the router's clock was right: synchronised or free")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	if *year != 0 && (*year < capture.FirstYear || *year > capture.LastYear) {
		return usageError{fmt.Errorf("year %d is not %d to %d", *year, capture.FirstYear, capture.LastYear)}
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

	var at capture.Stamp // of the newest packet
	shown := 0           // events and attempts
	right := func() bool { return at.Worth == capture.Dated && given.Right }
	d, err := daemon.NewTrace(text, right,
		func(t time.Time) string { return formatFor(at.Worth)(t, true) },
		func(ev control.Event) {
			shown++
			printEventAt(e.out, ev, formatFor(at.Worth))
		})
	if err != nil {
		return err
	}
	cal := capture.Calendar{Now: time.Now(), Zone: time.Local, Year: int(*year)}
	sum, err := capture.ReadFile(file, cal, func(now capture.Stamp, p *wire.Packet) {
		at = now
		d.Packet(now.Time, now.Device, p)
	})
	d.End()
	if err == nil && sum.Packets == 0 {
		return nothingRead(words[0], sum)
	}
	printSummary(e.out, sum)
	if shown == 0 {
		fmt.Fprintln(e.out, "no knock was in them: neither the first step of a sequence that is in use, nor a whole message")
	}
	printNotes(e.out, d)
	if err != nil {
		return fmt.Errorf("%s: %w", words[0], err)
	}
	return nil
}

// printNotes shows what may surprise in a trace.
func printNotes(w io.Writer, d *daemon.Trace) {
	if n := d.Inside(); n > 0 {
		fmt.Fprintf(w, "%d of the packets came from inside, where no knock opens anything\n", n)
	}
	if d.Off() {
		fmt.Fprintln(w, "the configuration is switched off (option enabled): this is what would have been if it were on")
	}
	if n := d.Bodiless(); n > 0 {
		fmt.Fprintf(w, "%d of the packets to the port of messages have no content here (a log keeps none): it is not known whether they were knocks\n", n)
	}
}

// formatFor returns the format for times that are worth so much.
func formatFor(worth capture.Worth) timeFormat {
	switch worth {
	case capture.SinceStart:
		return func(t time.Time, _ bool) string { return fmt.Sprintf("[%12.6f]", t.Sub(time.Unix(0, 0)).Seconds()) }
	case capture.Unknown:
		return func(_ time.Time, short bool) string {
			if short {
				return ""
			}
			return "(no time)"
		}
	}
	return localTime
}

// nothingRead explains a file of which no packet could be read.
func nothingRead(name string, sum capture.Summary) error {
	what := "an IP packet that could be read"
	if sum.Log {
		what = "a packet that came in"
	}
	text := name + " has no " + sum.Unit()
	if n := sum.Total(); n > 0 {
		text = fmt.Sprintf("%s: none of its %d %s is %s: %s", name, n, sum.Unit(), what, sum.Reasons())
	}
	hint := "give a capture (pcap, pcapng) or a log with the firewall's lines, such as IN=wan OUT= SRC=203.0.113.7 ..."
	if sum.Unread[capture.Cut] > 0 {
		hint = "capture whole packets: tcpdump -s 0"
	}
	return &control.Error{Text: text, Hint: hint}
}

// printSummary shows how much of a file was read, and what could not be judged therefore.
func printSummary(w io.Writer, sum capture.Summary) {
	fmt.Fprintf(w, "%d packets in %d %s", sum.Packets, sum.Total(), sum.Unit())
	if why := sum.Reasons(); why != "" {
		fmt.Fprintf(w, "; not read: %s", why)
	}
	fmt.Fprintln(w)
	if sum.Untimed > 0 {
		fmt.Fprintf(w, "%d of the packets have no time that could be read: from the first of them on, no time window and no age was judged\n", sum.Untimed)
	}
	if sum.Year != 0 {
		fmt.Fprintf(w, "the lines do not say their year: the first was taken for one of %d (--year)\n", sum.Year)
	}
}
