// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// MaxEchoSize is the largest payload of an ICMP step in bytes: what fits into one IPv6 packet of
// 1500 bytes. A bigger echo request travels in fragments, and fragments are not looked at.
const MaxEchoSize = 1452

// A TCP step without flags means the first packet of a connection, as any program can send it.
const (
	plainFlags = wire.SYN
	plainMask  = wire.SYN | wire.ACK | wire.RST | wire.FIN
)

// flagNames are the names of the TCP flags in a step, in the order of their bits.
var flagNames = [...]string{"fin", "syn", "rst", "psh", "ack", "urg"}

// ParseStep reads one step of a sequence: "7000/tcp", "8000/udp" or "icmp:77" (payload size in
// bytes, 0 to MaxEchoSize). A TCP step can name flags that must be set or, with "!", clear:
// "7000/tcp:fin,!ack"; flags that it does not name are not looked at. Without flags a TCP step is
// a SYN without ACK, RST and FIN.
func ParseStep(s string) (Step, error) {
	if size, ok := strings.CutPrefix(s, "icmp:"); ok {
		n, err := strconv.ParseUint(size, 10, 16)
		if err != nil || n > MaxEchoSize {
			return Step{}, fmt.Errorf("step %q: the payload size must be 0 to %d", s, MaxEchoSize)
		}
		return Step{Proto: wire.ICMP, Size: uint16(n)}, nil
	}
	port, rest, ok := strings.Cut(s, "/")
	if !ok {
		return Step{}, fmt.Errorf("step %q: want PORT/tcp, PORT/udp or icmp:SIZE", s)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil || n == 0 {
		return Step{}, fmt.Errorf("step %q: the port must be 1 to 65535", s)
	}
	proto, flags, hasFlags := strings.Cut(rest, ":")
	step := Step{Port: uint16(n)}
	switch {
	case proto == "udp" && !hasFlags:
		step.Proto = wire.UDP
	case proto == "udp":
		return Step{}, fmt.Errorf("step %q: only tcp has flags", s)
	case proto == "tcp" && !hasFlags:
		step.Proto, step.Flags, step.Mask = wire.TCP, plainFlags, plainMask
	case proto == "tcp":
		step.Proto = wire.TCP
		if step.Flags, step.Mask, err = parseFlags(flags); err != nil {
			return Step{}, fmt.Errorf("step %q: %w", s, err)
		}
	default:
		return Step{}, fmt.Errorf("step %q: the protocol must be tcp, udp or icmp, not %q", s, proto)
	}
	return step, nil
}

func parseFlags(s string) (flags, mask wire.TCPFlags, err error) {
	for word := range strings.SplitSeq(s, ",") {
		name, negated := strings.CutPrefix(word, "!")
		bit := flagBit(name)
		if bit == 0 {
			return 0, 0, fmt.Errorf("flag %q is none of %s", name, strings.Join(flagNames[:], ", "))
		}
		if mask&bit != 0 {
			return 0, 0, fmt.Errorf("flag %q is named twice", name)
		}
		mask |= bit
		if !negated {
			flags |= bit
		}
	}
	return flags, mask, nil
}

func flagBit(name string) wire.TCPFlags {
	for i, n := range flagNames {
		if n == name {
			return 1 << i
		}
	}
	return 0
}

// String is the text that ParseStep reads.
func (s Step) String() string {
	switch {
	case s.Proto == wire.ICMP:
		return "icmp:" + strconv.Itoa(int(s.Size))
	case s.Proto == wire.UDP:
		return strconv.Itoa(int(s.Port)) + "/udp"
	}
	text := strconv.Itoa(int(s.Port)) + "/tcp"
	if s.Flags == plainFlags && s.Mask == plainMask {
		return text
	}
	sep := ":"
	for i, name := range flagNames {
		bit := wire.TCPFlags(1) << i
		if s.Mask&bit == 0 {
			continue
		}
		text += sep
		sep = ","
		if s.Flags&bit == 0 {
			text += "!"
		}
		text += name
	}
	return text
}
