// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

// drawPorts picks random ports for messages that nothing on this router uses, and prints the commands by which uci
// batch sets them. It takes our configuration and others of the router, and on standard input what listens, see
// uplink.Taken.AddSockets.
func drawPorts(e env, args []string) error {
	f := newFlags(e, "ports")
	words, err := f.parse(args, 1, 9)
	if err != nil {
		return err
	}
	text, err := readConfig(words[0])
	if err != nil {
		return err
	}
	c, problems := config.Parse(text)
	if c == nil {
		return problems.Errors()
	}
	sockets, err := readInput(e, "-")
	if err != nil {
		return err
	}
	others, err := readOthers(words[1:]...)
	if err != nil {
		return err
	}
	taken := uplink.ReadTaken(c, others)
	taken.AddSockets(sockets)
	udp, tcp := taken.Draw(random)
	for _, port := range udp {
		fmt.Fprintf(e.out, "add_list latchkey.main.stun_port=%d\n", port)
	}
	fmt.Fprintf(e.out, "set latchkey.main.ports=%v\n", tcp)
	return nil
}

// random returns a number from 0 to n-1. Without random numbers it is 0: ports are no secret.
func random(n int) int {
	var b [4]byte
	_, _ = unix.Getrandom(b[:], 0)
	return int(binary.NativeEndian.Uint32(b[:]) % uint32(n))
}
