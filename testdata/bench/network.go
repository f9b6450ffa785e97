// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// doorPort is that of door web in testdata/router.nft.
const doorPort = 8443

// routerAddr is the router's in testdata/lab.sh.
var routerAddr = netip.AddrFrom4([4]byte{203, 0, 113, 1})

// rig is the lab and what all candidates share.
type rig struct {
	n       int // knocks of a measurement
	dir     string
	clients []client
	random  *rand.Rand
	senders uint32 // addresses that were used
	door    net.Listener
	disk    []time.Duration // of diskTimes
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

// firewall gives the router the rules of testdata/router.nft, with empty sets.
func (r *rig) firewall() error {
	return errors.Join(lab.Output(lab.On("router", "nft", "flush ruleset")), lab.Output(lab.Verb("firewall")))
}

// file writes a candidate's file, for its owner only, and returns its path.
func (r *rig) file(name, text string) (path string, err error) {
	path = filepath.Join(r.dir, name)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// sender returns an address that was not used before.
func (r *rig) sender() netip.Addr {
	r.senders++
	return netip.AddrFrom4([4]byte{198, 18, byte(r.senders >> 8), byte(r.senders)})
}

// cpus returns the numbers of the CPUs that this process may use.
func cpus() (list []int) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(1, &set); err != nil {
		return []int{0}
	}
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			list = append(list, i)
		}
	}
	return list
}

// onDaemonCPU returns a command on the router that has the last CPU, while senders have the first:
// on veth what the kernel does with a packet is done by its sender.
func (r *rig) onDaemonCPU(program string, args ...string) *exec.Cmd {
	all := cpus()
	last := strconv.Itoa(all[len(all)-1])
	return lab.On("router", "taskset", append([]string{"-c", last, program}, args...)...)
}

// send calls f on the sender's CPU with a socket of a host.
func send(host string, f func(traffic.Socket) error) error {
	return traffic.From(host, func(s traffic.Socket) error {
		var first unix.CPUSet
		first.Set(cpus()[0])
		if err := unix.SchedSetaffinity(0, &first); err != nil {
			return err
		}
		return f(s)
	})
}

// patience is how long a knock may take to open.
const patience = time.Second

// phone is the honest sender.
type phone struct {
	random *rand.Rand
	out    traffic.Socket
	answer int // receives every TCP packet for the phone
	buf    []byte
}

// onPhone calls f with the phone's sockets.
func (r *rig) onPhone(f func(*phone) error) error {
	return send("phone", func(out traffic.Socket) error {
		answer, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.IPPROTO_TCP)
		if err != nil {
			return err
		}
		defer unix.Close(answer)
		return f(&phone{random: r.random, out: out, answer: answer, buf: make([]byte, 2048)})
	})
}

// between returns a random time. Fixed ones would be in phase with the timers of a candidate.
func (p *phone) between(low, high time.Duration) time.Duration {
	return low + time.Duration(p.random.Int64N(int64(high-low)))
}

// knock sends a knock and then a SYN to the door every probe. It returns the time from the last
// packet of the knock to the first SYN that was accepted; ok is false if there was none.
func (p *phone) knock(packets [][]byte, from netip.Addr, probe time.Duration) (took time.Duration, ok bool, err error) {
	time.Sleep(p.between(0, 200*time.Millisecond))
	for i, packet := range packets {
		if i > 0 {
			time.Sleep(p.between(11*time.Millisecond, 34*time.Millisecond))
		}
		if i == len(packets)-1 {
			break
		}
		if err := p.out.Send(packet); err != nil {
			return 0, false, err
		}
	}
	source := netip.AddrPortFrom(from, uint16(1024+p.random.IntN(60000)))
	first := p.random.Uint32()
	var sent []time.Duration
	begin := time.Now()
	if err := p.out.Send(packets[len(packets)-1]); err != nil {
		return 0, false, err
	}
	for next := time.Duration(0); ; {
		now := time.Since(begin)
		if now > patience {
			return 0, false, nil
		}
		if now >= next {
			next = now + probe
			sent = append(sent, now)
			if err := p.out.Send(traffic.SYN(source, to(doorPort), first+uint32(len(sent)-1))); err != nil {
				return 0, false, err
			}
		}
		if i, ok := p.accepted(source); ok && int(i-first) < len(sent) {
			return sent[i-first], true, nil
		}
		if probe >= time.Millisecond {
			time.Sleep(probe)
		}
	}
}

// accepted looks for the router's answer to a SYN and returns the SYN's sequence number. The
// kernel of the phone resets the connection, of which it knows nothing.
func (p *phone) accepted(to netip.AddrPort) (seq uint32, ok bool) {
	for {
		n, err := unix.Read(p.answer, p.buf)
		if err != nil {
			return 0, false
		}
		var packet wire.Packet
		if packet.Decode(p.buf[:n]) != nil || packet.Dst != to.Addr() || packet.DstPort != to.Port() || packet.SrcPort != doorPort {
			continue
		}
		if packet.Flags == wire.SYN|wire.ACK {
			header := int(p.buf[0]&0x0f) * 4
			return binary.BigEndian.Uint32(p.buf[header+8:]) - 1, true // RFC 9293, section 3.1
		}
	}
}

// flood sends packets of strangers at a rate per second until ctx ends, and returns how many.
func flood(ctx context.Context, packet func(*rand.Rand) []byte, rate float64) (sent int, err error) {
	random := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	err = send("neighbour", func(s traffic.Socket) (err error) {
		sent, err = s.Flood(ctx, random, packet, rate)
		return err
	})
	return sent, err
}
