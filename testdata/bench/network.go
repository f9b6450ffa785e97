// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// routerAddr is the router's in testdata/lab.sh.
var routerAddr = netip.AddrFrom4([4]byte{203, 0, 113, 1})

// rig is the lab and what all candidates share.
type rig struct {
	cpus    cpus
	dir     string
	random  *rand.Rand // of the phone
	senders uint32     // addresses that were used
	door    net.Listener
}

// newRig makes the hosts and the folder.
func newRig(c cpus) (*rig, error) {
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	if err := os.RemoveAll(abs); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, err
	}
	r := &rig{cpus: c, dir: abs, random: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))}
	return r, r.network()
}

// network makes the hosts. The phone has all of 198.18.0.0/15 (RFC 2544, for benchmarks): each
// knock comes from another address, because what is established stays open.
func (r *rig) network() error {
	err := errors.Join(
		lab.Output(lab.Verb("up")),
		lab.Output(exec.Command("ip", "-n", "phone", "route", "add", "local", "198.18.0.0/15", "dev", "lo")),
		lab.Output(exec.Command("ip", "-n", "router", "route", "add", "198.18.0.0/15", "via", "203.0.113.7")),
		lab.Output(lab.On("router", "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.wan.rp_filter=0")),
	)
	if err != nil {
		return err
	}
	return lab.Do("router", func() (err error) {
		r.door, err = net.Listen("tcp4", fmt.Sprintf(":%d", doorPort))
		return err
	})
}

// firewall gives the router the rules of testdata/router.nft, with empty sets, and sets for all doors.
func (r *rig) firewall(h *household) error {
	sets := []string{"add table inet fw4"}
	for _, p := range h.people {
		sets = append(sets, fmt.Sprintf("add set inet fw4 latchkey1_%s_4 { type ipv4_addr; flags timeout; }", p.door),
			fmt.Sprintf("add set inet fw4 latchkey1_%s_6 { type ipv6_addr; flags timeout; }", p.door))
	}
	file, err := r.file("sets.nft", "flush ruleset\n"+strings.Join(sets, "\n"))
	if err != nil {
		return err
	}
	return errors.Join(lab.Output(lab.On("router", "nft", "-f", file)), lab.Output(lab.Verb("firewall")))
}

// file writes a candidate's file, for its owner only, and returns its path.
func (r *rig) file(name, text string) (path string, err error) {
	path = filepath.Join(r.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// socket is latchkeyd's for its owner.
func (r *rig) socket() string { return filepath.Join(r.dir, "sock") }

// sender returns an address that was not used before. They lie as far apart as people do: a limit for each
// network does not take them for neighbours.
func (r *rig) sender() netip.Addr {
	r.senders++
	n := r.senders * 40503 // odd, so all of 2^17 addresses come before one comes again
	return netip.AddrFrom4([4]byte{198, 18 | byte(n>>16&1), byte(n >> 8), byte(n)})
}
