// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	kinds "github.com/latchkey/latchkey/pkgs/knock"
	"github.com/latchkey/latchkey/pkgs/lab"
	"github.com/latchkey/latchkey/pkgs/seal"
	"github.com/latchkey/latchkey/pkgs/wire"
	"github.com/latchkey/latchkey/testdata/traffic"
)

// knock is one kind of them.
type knock struct {
	kind string
	// stepwise: the packets come with random pauses between them, else at once.
	stepwise bool
	// durable: latchkeyd writes to its disk before it opens.
	durable bool
	// preparing is how long it takes to prepare one.
	preparing time.Duration
	// prepare makes the next n knocks of a household.
	prepare func(r *rig, h *household, n int) (knocks, error)
}

// knocks returns the packets of the next knock, from an address.
type knocks func(from netip.Addr) [][]byte

var (
	bySequence = knock{"sequence", true, false, 0, sequenceKnocks}
	bySTUN     = knock{"stun", false, true, 0, stunKnocks}
	byPorts    = knock{"ports", false, true, 0, portsKnocks}
	byFwknop   = knock{"fwknop", false, true, 20 * time.Millisecond, spaKnocks}
)

// turns returns one of those who knock after the other.
func (h *household) turns() func() (who int, p *person) {
	turn := -1
	return func() (int, *person) {
		turn = (turn + 1) % knockers
		return turn, &h.people[turn]
	}
}

func sequenceKnocks(r *rig, h *household, _ int) (knocks, error) {
	next := h.turns()
	return func(from netip.Addr) (packets [][]byte) {
		_, p := next()
		for _, port := range p.steps {
			packets = append(packets, r.syn(from, port))
		}
		return packets
	}, nil
}

// messages seals the next message of one who knocks.
func (h *household) messages() func() []byte {
	next := h.turns()
	var sent [knockers]seal.Sent
	return func() []byte {
		who, p := next()
		return seal.Seal(p.key, seal.Body{Stamp: sent[who].Press(time.Now(), 1).Starts[0], Door: seal.Tag(p.door)})
	}
}

// stunKnocks are STUN requests as browsers send them.
func stunKnocks(r *rig, h *household, _ int) (knocks, error) {
	next := h.messages()
	return func(from netip.Addr) [][]byte {
		return [][]byte{traffic.STUN(netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(stunPort), next())}
	}, nil
}

// portsKnocks are the same messages as a SYN for each byte.
func portsKnocks(r *rig, h *household, _ int) (knocks, error) {
	next := h.messages()
	return func(from netip.Addr) (packets [][]byte) {
		for _, port := range kinds.Slots(next(), slotsBase) {
			packets = append(packets, r.syn(from, port))
		}
		return packets
	}, nil
}

// spaKnocks are made by Debian's fwknop beforehand, because it takes longer than what is measured.
// Their times are one second after the other up to now: latchkeyd tells packets by their second and
// a number below 1000, so that a few of a second might be taken for one.
func spaKnocks(r *rig, h *household, n int) (knocks, error) {
	var payloads [][]byte
	save := filepath.Join(r.dir, "spa")
	next := h.turns()
	for i := range n {
		_, p := next()
		rc, err := r.file("fwknoprc", fmt.Sprintf("[default]\nKEY_BASE64 %s\nHMAC_KEY_BASE64 %s\nUSE_HMAC Y\n", p.spa, p.hmac))
		if err != nil {
			return nil, err
		}
		// -s: open for the address that the packet comes from.
		cmd := exec.Command("fwknop", "--rc-file", rc, "-A", fmt.Sprintf("tcp/%d", doorPort), "-s", "-D", routerAddr.String(),
			"-U", "bench", "--time-offset-minus", fmt.Sprintf("%ds", (n-1-i)/knockers), "--test", "--save-packet", save)
		cmd.Env = append(os.Environ(), "HOME="+r.dir)
		if err := lab.Output(cmd); err != nil {
			return nil, err
		}
		b, err := os.ReadFile(save)
		if err != nil {
			return nil, err
		}
		payloads = append(payloads, []byte(strings.TrimSpace(string(b))))
	}
	return func(from netip.Addr) [][]byte {
		p := payloads[0]
		payloads = payloads[1:]
		return [][]byte{wire.AppendUDP(nil, netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(spaPort), p)}
	}, nil
}

// syn is a packet of an honest sender.
func (r *rig) syn(from netip.Addr, port uint16) []byte {
	return traffic.SYN(netip.AddrPortFrom(from, traffic.AnyPort(r.random)), to(port), r.random.Uint32())
}

// to is a port of the router.
func to(port uint16) netip.AddrPort { return netip.AddrPortFrom(routerAddr, port) }
