// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// maxLine is the longest log line that is looked at, in bytes; netfilter's end at about 1000.
const maxLine = 64 << 10

// ReadLog hands over the packets of a firewall's log: the lines that Linux writes for nftables' log
// statement and iptables' LOG target (nf_log_syslog.c),
//
//	Nov 22 04:33:24 router kernel: [123.45] drop wan: IN=wan OUT= MAC=... SRC=203.0.113.7 DST=...
//	LEN=60 ... PROTO=TCP SPT=40000 DPT=7000 SEQ=1 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0
//
// Other lines are skipped, and so are packets that only went out (no IN) and fragments. A log has
// no payload; it has the size of it for UDP and ICMP, not for TCP (0).
//
// Times are those of syslog (which has no year: that of the first line is given, and it rises after
// December; loc is where its clock is), OpenWrt's logread, dmesg -T, ISO 8601, or the kernel's own
// seconds since it started, which count from 1970 here. A line without any has the time of the one
// before.
func ReadLog(r io.Reader, year int, loc *time.Location, fn func(now time.Time, p *wire.Packet)) (Summary, error) {
	var summary Summary
	clock := logClock{year: year, loc: loc, now: time.Unix(0, 0)}
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(lines)
		if err == io.EOF {
			return summary, nil
		}
		if err != nil {
			return summary, fmt.Errorf("log line %d: %w", summary.Packets+summary.Skipped+1, err)
		}
		head, packet := splitLine(line)
		now := clock.read(head)
		var p wire.Packet
		if !parseLogPacket(packet, &p) {
			summary.Skipped++
			continue
		}
		summary.Packets++
		fn(now, &p)
	}
}

// readLine returns the next line; one that is too long comes empty.
func readLine(r *bufio.Reader) (string, error) {
	line, err := r.ReadSlice('\n')
	if err == bufio.ErrBufferFull {
		for err == bufio.ErrBufferFull {
			_, err = r.ReadSlice('\n')
		}
		line = nil
		if err == io.EOF {
			err = nil
		}
	}
	if err == io.EOF && len(line) > 0 {
		err = nil
	}
	return string(line), err
}

// splitLine returns what comes before IN=, and the rest. A log prefix may stand right before it,
// without a space, and may have an IN= of its own.
func splitLine(line string) (head, packet string) {
	out := strings.Index(line, " OUT=")
	if out < 0 {
		return line, ""
	}
	in := strings.LastIndex(line[:out], "IN=")
	if in < 0 {
		return line, ""
	}
	return line[:in], line[in:]
}

// logClock reads times, each with what the lines before it told.
type logClock struct {
	year int
	loc  *time.Location
	last time.Month // of the line before, if it had no year
	now  time.Time
}

// read returns the time at the start of a line.
func (c *logClock) read(head string) time.Time {
	if priority, rest, ok := strings.Cut(head, ">"); ok && strings.HasPrefix(priority, "<") {
		head = rest // of a syslog message as it is sent, RFC 3164
	}
	if strings.HasPrefix(head, "[") {
		inner, _, _ := strings.Cut(head[1:], "]")
		head = strings.TrimSpace(inner)
		if seconds, err := time.ParseDuration(head + "s"); err == nil {
			c.now = time.Unix(0, 0).Add(seconds)
			return c.now
		}
	}
	first, _, _ := strings.Cut(head, " ")
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05Z0700"} {
		if t, err := time.Parse(layout, first); err == nil {
			c.now = t
			return c.now
		}
	}
	if t, err := time.ParseInLocation(time.ANSIC, prefix(head, len(time.ANSIC)), c.loc); err == nil {
		c.now = t
		return c.now
	}
	if t, err := time.Parse(time.Stamp, stampOf(head)); err == nil {
		if c.last == time.December && t.Month() == time.January {
			c.year++
		}
		c.last = t.Month()
		c.now = time.Date(c.year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), c.loc)
	}
	return c.now
}

// stampOf returns the first 15 characters, "Nov 22 04:33:24", and a fraction if there is one.
func stampOf(head string) string {
	end := len(time.Stamp)
	if len(head) > end && head[end] == '.' {
		for end++; end < len(head) && '0' <= head[end] && head[end] <= '9'; end++ {
		}
	}
	return prefix(head, end)
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }

// parseLogPacket reads the words of one packet: "KEY=value", and flags by their bare names.
func parseLogPacket(text string, p *wire.Packet) bool {
	var f logFields
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "[") {
			break // the packet that an ICMP error is about
		}
		key, value, ok := strings.Cut(word, "=")
		if ok {
			f.set(key, value)
		} else {
			f.flag(word)
		}
	}
	return f.packet(p)
}

// logFields is what a line says about a packet.
type logFields struct {
	bad      bool // a number or address is none, or the packet is a fragment or cut short
	in       bool
	src, dst netip.Addr
	proto    wire.Proto
	flags    wire.TCPFlags
	ip, udp  number // lengths with headers, in bytes
	spt, dpt number
	seq      number
	kind     number // ICMP type
}

// number is a decimal number that may be missing.
type number struct {
	n  uint64
	ok bool
}

func (f *logFields) number(to *number, value string, bits int) {
	n, err := strconv.ParseUint(value, 10, bits)
	f.bad = f.bad || err != nil
	*to = number{n, true}
}

func (f *logFields) address(to *netip.Addr, value string) {
	a, err := netip.ParseAddr(value)
	f.bad = f.bad || err != nil || a.Zone() != "" || a.Is4In6()
	*to = a
}

func (f *logFields) set(key, value string) {
	switch key {
	case "IN":
		f.in = value != ""
	case "SRC":
		f.address(&f.src, value)
	case "DST":
		f.address(&f.dst, value)
	case "PROTO":
		f.proto = logProto(value)
	case "LEN": // the first is the IP header's, a second one that of UDP
		if !f.ip.ok {
			f.number(&f.ip, value, 16)
		} else {
			f.number(&f.udp, value, 16)
		}
	case "SPT":
		f.number(&f.spt, value, 16)
	case "DPT":
		f.number(&f.dpt, value, 16)
	case "SEQ": // of TCP, and with another meaning of ICMP
		f.number(&f.seq, value, 32)
	case "TYPE":
		f.number(&f.kind, value, 8)
	}
}

// logProto is 0 for a protocol that no knock has.
func logProto(word string) wire.Proto {
	switch word {
	case "TCP":
		return wire.TCP
	case "UDP":
		return wire.UDP
	case "ICMP":
		return wire.ICMP
	case "ICMPv6":
		return wire.ICMPv6
	}
	return 0
}

func (f *logFields) flag(word string) {
	switch word {
	case "FIN":
		f.flags |= wire.FIN
	case "SYN":
		f.flags |= wire.SYN
	case "RST":
		f.flags |= wire.RST
	case "PSH":
		f.flags |= wire.PSH
	case "ACK":
		f.flags |= wire.ACK
	case "URG":
		f.flags |= wire.URG
	case "MF", "INCOMPLETE":
		f.bad = true
	}
	if strings.HasPrefix(word, "FRAG:") {
		f.bad = true
	}
}

// packet fills p from the fields, if they make a packet.
func (f *logFields) packet(p *wire.Packet) bool {
	if f.bad || !f.in || !f.src.IsValid() || !f.dst.IsValid() || f.src.Is4() != f.dst.Is4() {
		return false
	}
	header := uint64(20) // IPv4; options are rare, and only logged on request
	if f.src.Is6() {
		header = 40
	}
	*p = wire.Packet{Src: f.src, Dst: f.dst, Proto: f.proto}
	switch f.proto {
	case wire.TCP:
		p.Seq, p.Flags = uint32(f.seq.n), f.flags
	case wire.UDP:
		const udpHeader = 8
		if f.udp.n < udpHeader {
			return false
		}
		p.Size = int(f.udp.n) - udpHeader
	case wire.ICMP, wire.ICMPv6:
		const icmpHeader = 8
		if !f.kind.ok || f.ip.n < header+icmpHeader || (f.proto == wire.ICMP) != f.src.Is4() {
			return false
		}
		p.ICMPType, p.Size = uint8(f.kind.n), int(f.ip.n-header-icmpHeader)
		return true
	default:
		return false
	}
	p.SrcPort, p.DstPort = uint16(f.spt.n), uint16(f.dpt.n)
	return f.spt.ok && f.dpt.ok
}
