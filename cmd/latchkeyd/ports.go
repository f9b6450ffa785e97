// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/uplink"
)

// drawPorts draws ports for messages that nothing on this router has, and prints the commands that have
// uci batch set them. It takes the folder of the router's configurations.
func drawPorts(e env, args []string) error {
	f := newFlags(e, "ports")
	words, err := f.parse(args, 1, 1)
	if err != nil {
		return err
	}
	folder := words[0] + "/"
	text, err := readConfig(folder + "latchkey")
	if err != nil {
		return err
	}
	c, problems := config.Parse(text)
	if c == nil {
		return problems.Errors()
	}
	taken := uplink.ReadTaken(c, readOthers(folder+"firewall", folder+"network", folder+"dropbear", folder+"uhttpd"))
	for _, proto := range []string{"tcp", "tcp6", "udp", "udp6"} {
		list, _ := readConfig("/proc/net/" + proto) // without IPv6 there are none of it
		taken.AddSockets(proto, list)
	}
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
