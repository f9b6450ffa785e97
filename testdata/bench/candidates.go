// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/latchkey/latchkey/pkgs/lab"
)

// candidate is one way to have a door opened by one kind of knock. Candidates of one kind get the
// same packets, from honest senders and from strangers.
type candidate struct {
	name string
	knock
	// programs that must be installed, and the Debian packages that have them.
	programs, packages string
	// libraries that come along only for it.
	libraries []string
	// start makes the firewall for a household and returns the daemon, not yet started; nil if there is none.
	start  func(*rig, *household) (*exec.Cmd, error)
	floods []flood
	// grows is whether it is measured with many doors, too, and with a flood of how many packets per second
	// of the first kind: one that it can follow.
	grows float64
}

const (
	kernelOnly = "kernel only"
	ours       = "latchkeyd"
	knockd     = "knockd"
	fwknopd    = "fwknopd"
)

var candidates = []candidate{
	{kernelOnly, bySequence, "nft", "nftables", nil, startKernel, []flood{firstSteps, allSteps}, 0},
	{ours, bySequence, "nft", "nftables", nil, startLatchkeyd, []flood{firstSteps, allSteps}, 100_000},
	{knockd, bySequence, "nft knockd", "nftables knockd", []string{"libpcap.so"}, startKnockd, []flood{firstSteps, allSteps}, 1000},
	{ours, bySTUN, "nft", "nftables", nil, startLatchkeyd, []flood{stunHint, stunWrong, stunRandom}, 100_000},
	{ours, byPorts, "nft", "nftables", nil, startLatchkeyd, []flood{slotSteps}, 0},
	{ours, byFwknop, "nft fwknop", "nftables fwknop-client", nil, startLatchkeyd, []flood{spaRandom, spaForged}, 0},
	{fwknopd, byFwknop, "iptables fwknopd fwknop", "iptables fwknop-server fwknop-client", []string{"libpcap.so", "libfko.so"}, startFwknopd,
		[]flood{spaRandom, spaForged}, 0},
}

// program is its file.
func (c *candidate) program() string {
	if c.name == ours {
		return latchkeyd
	}
	return c.name
}

// startKernel adds the knocks to the router's rules: the state of a knock is in sets.
func startKernel(r *rig, h *household) (*exec.Cmd, error) {
	const memory = "type ipv4_addr; flags dynamic, timeout; size 65535; timeout 5s"
	var b strings.Builder
	fmt.Fprintf(&b, "add set inet fw4 open { %s; }\n", memory)
	fmt.Fprintf(&b, "insert rule inet fw4 input_wan tcp dport %d ip saddr @open accept\n", doorPort)
	for i, p := range h.people[:knockers] {
		fmt.Fprintf(&b, `
			add set inet fw4 first%[1]d { %[2]s; }
			add set inet fw4 second%[1]d { %[2]s; }
			insert rule inet fw4 input_wan tcp dport %[5]d ip saddr @second%[1]d update @open { ip saddr timeout %[6]s } drop
			insert rule inet fw4 input_wan tcp dport %[4]d ip saddr @first%[1]d update @second%[1]d { ip saddr } drop
			insert rule inet fw4 input_wan tcp dport %[3]d update @first%[1]d { ip saddr } drop
			`, i, memory, p.steps[0], p.steps[1], p.steps[2], grant)
	}
	return nil, errors.Join(r.firewall(h), lab.Output(lab.On("router", "nft", b.String())))
}

// startLatchkeyd uses one configuration for all kinds of knocks.
func startLatchkeyd(r *rig, h *household) (*exec.Cmd, error) {
	config, err := r.file("latchkey", h.config())
	if err != nil {
		return nil, err
	}
	program, err := filepath.Abs(latchkeyd)
	if err != nil {
		return nil, err
	}
	for _, kept := range []string{"state", "events"} { // of daemons before this one, which would cost memory
		if err := os.Remove(filepath.Join(r.dir, kept)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return nil, err
		}
	}
	cmd := r.onDaemonCPU(program, "run", "--config", config, "--state", filepath.Join(r.dir, "state"),
		"--socket", r.socket(), "--clock", "synchronised")
	cmd.Env = append(os.Environ(), "GOMEMLIMIT=12MiB") // as openwrt's init script does
	return cmd, r.firewall(h)
}

// startKnockd lets knockd add to the same set of the same rules.
func startKnockd(r *rig, h *household) (*exec.Cmd, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "[options]\n\tlogfile = %s\n", filepath.Join(r.dir, "knockd.log"))
	for i, p := range h.people {
		fmt.Fprintf(&b, "[steps%d]\n\tsequence = %d,%d,%d\n\tseq_timeout = 5\n\ttcpflags = syn\n"+
			"\tstart_command = nft add element inet fw4 latchkey1_%s_4 '{ %%IP%% timeout %s }'\n",
			i, p.steps[0], p.steps[1], p.steps[2], p.door, grant)
	}
	config, err := r.file("knockd.conf", b.String())
	if err != nil {
		return nil, err
	}
	return r.onDaemonCPU("knockd", "-i", "wan", "-c", config), r.firewall(h)
}

// startFwknopd has a firewall of its own: fwknopd knows iptables only, and what iptables accepts is
// still dropped by the rules of the others.
func startFwknopd(r *rig, h *household) (*exec.Cmd, error) {
	var access strings.Builder
	for _, p := range h.people {
		if p.spa != "" {
			fmt.Fprintf(&access, "SOURCE ANY\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\n", p.spa, p.hmac)
		}
	}
	rules, err1 := r.file("access.conf", access.String())
	config, err2 := r.file("fwknopd.conf", "PCAP_INTF wan;\n")
	flush := lab.Output(lab.On("router", "nft", "flush ruleset"))
	filter := lab.Output(lab.On("router", "sh", "-e", "-c", `
		iptables -P INPUT DROP
		iptables -A INPUT -i lo -j ACCEPT
		iptables -A INPUT -m conntrack --ctstate ESTABLISHED -m comment --comment bench -j ACCEPT`))
	if err := errors.Join(err1, err2, flush, filter); err != nil {
		return nil, err
	}
	return r.onDaemonCPU("fwknopd", "-f", "-c", config, "-a", rules, "-r", r.dir,
		"-p", filepath.Join(r.dir, "fwknopd.pid"), "-d", filepath.Join(r.dir, "fwknopd.digests")), nil
}
