// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/latchkey/latchkey/pkgs/control"
)

func showRadar(e env, args []string) error {
	f := newFlags(e, "radar")
	asJSON := f.Bool("json", "print the answer as JSON")
	socket := f.socket()
	if _, err := f.parse(args, 0, 0); err != nil {
		return err
	}
	var r control.Radar
	if err := ask(*socket, control.Request{Method: "radar"}, &r); err != nil {
		return err
	}
	if *asJSON {
		return printJSON(e.out, r)
	}
	printRadar(e.out, r)
	return nil
}

// mostShown is how many services and senders are shown to a person.
const mostShown = 20

// printRadar shows a radar to a person.
func printRadar(w io.Writer, r control.Radar) {
	if r.Problem != "" {
		fmt.Fprintln(w, "not all is seen: "+r.Problem)
	}
	fmt.Fprintln(w, "attempts at closed ports:")
	for _, span := range []int{1, 24, 168} {
		var tcp, udp uint64
		for _, h := range r.Hours[max(0, len(r.Hours)-span):] {
			tcp, udp = tcp+uint64(h.TCP), udp+uint64(h.UDP)
		}
		fmt.Fprintf(w, "  %3d h  %8d TCP %8d UDP\n", span, tcp, udp)
	}
	fmt.Fprintln(w, "most asked for, in the last 7 days:")
	for _, p := range r.Ports[:min(len(r.Ports), mostShown)] {
		fmt.Fprintf(w, "  %5d/%s  %-14s %8d\n", p.Port, p.Proto, p.Service, p.Attempts)
	}
	fmt.Fprintf(w, "  other ports %22d\nmost active senders (they can be forged):\n", r.Others)
	for _, s := range r.Senders[:min(len(r.Senders), mostShown)] {
		what := "    "
		if s.Scan {
			what = "scan"
		}
		ports := strconv.Itoa(s.Ports)
		if s.Most > s.Ports {
			ports += " to " + strconv.Itoa(s.Most)
		}
		fmt.Fprintf(w, "  %-15s %s %8d attempts at about %s ports, %s to %s\n", s.Address, what, s.Attempts, ports,
			localTime(s.First, false), localTime(s.Last, false))
	}
}
