// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/signal"

	"github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/send"
)

const knockText = `
NAME is a router that was added, DOOR one of its doors; where it has several, name one or say --all.
HOST is any name or address, and each STEP a packet of a sequence: 7000/tcp, 8000/udp, icmp:77
(payload size), or as knockd writes them: 7000:tcp 8000:udp 9000.

A knock is never answered. So latchkey tries the door itself, if it is one of TCP and the link says
which port it has: before the knock, and after it. It says that a door is open only if that was
silent or refused before, and accepts after; a connection that is accepted is closed at once. At a
door that stays silent it knocks once more.`

func knockCommand(e env, args []string) error {
	f := newFlags("knock")
	family := f.family()
	gap := f.duration("gap", send.DefaultGap, "pause for `TIME` behind each step of a sequence (default: 200ms)")
	var w wish
	length := f.duration("for", 0, "open the door for `TIME`, such as 30m or 2h (default: the door's own)")
	f.BoolVar(&w.close, "close", false, "close the door instead")
	f.BoolVar(&w.all, "all", false, "every door that this device has at the router")
	address := f.String("address", "", "open the door to `ADDRESS` instead of the sender's: to another device, or so that nobody on the way can use the knock")
	carrier := f.String("carrier", "both", "send the message by `CARRIER`: stun (UDP), ports (TCP) or both (default: both)")
	blind := f.Bool("no-probe", false, "do not try the door's own port before and after the knock")
	asJSON := f.Bool("json", false, "print what was sent and seen as one JSON object")
	words, err := f.parse(args, 1, 1+knock.MaxSteps)
	if err != nil {
		return err
	}
	w.length, w.probe = *length, !*blind
	if w.family, err = family(); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()

	if steps := stepsIn(words); steps != nil {
		if err := f.refuse("is for routers that were added; a sequence cannot say that",
			"for", "close", "all", "address", "carrier", "no-probe", "json"); err != nil {
			return err
		}
		return knockSequence(ctx, e, words[0], steps, w.family, *gap)
	}
	if err := f.refuse("is for sequences", "gap"); err != nil {
		return err
	}
	if len(words) > 2 {
		return usageError{fmt.Errorf("argument %q is one too many", words[2])}
	}
	if w.address, err = parseAddress(*address); err != nil {
		return err
	}
	if w.carrier, err = parseCarrier(*carrier); err != nil {
		return err
	}
	if len(words) == 2 {
		w.door = words[1]
	}
	if w.all && w.door != "" {
		return usageError{fmt.Errorf("--all is every door: leave out %q", w.door)}
	}
	return knockMessage(ctx, e, words[0], w, *asJSON)
}

func parseAddress(s string) (netip.Addr, error) {
	if s == "" {
		return netip.Addr{}, nil
	}
	a, err := netip.ParseAddr(s)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, usageError{fmt.Errorf("--address %q is not the IP address of one host", s)}
	}
	return a.Unmap(), nil
}

func parseCarrier(s string) (knock.Carrier, error) {
	switch c := knock.Carrier(s); c {
	case "both":
		return "", nil
	case knock.CarrierSTUN, knock.CarrierPorts:
		return c, nil
	}
	return "", usageError{fmt.Errorf("--carrier %q is none of stun, ports, both", s)}
}
