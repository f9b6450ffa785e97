// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"bufio"
	"fmt"
	"io"
	"net/netip"
	"strconv"
	"strings"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// maxLine is the longest log line that is looked at, in bytes; netfilter's end at about 1000.
const maxLine = 64 << 10

// readLog hands over the packets of a firewall's log: the lines that Linux writes for nftables' log
// statement and iptables' LOG target (nf_log_syslog.c), and ulogd in their form,
//
//	Nov 22 04:33:24 router kernel: [123.45] drop wan: IN=wan OUT= MAC=... SRC=203.0.113.7 DST=...
//	LEN=60 ... PROTO=TCP SPT=40000 DPT=7000 SEQ=1 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0
//
// Other lines are left out, and so are packets that only went out (no IN) and fragments. A log has
// no payload; it has the size of it for UDP and ICMP, not for TCP (0).
//
// Times are the first that stands before the packet: of syslog (RFC 3164, also with a fraction or a
// year; RFC 5424), ISO 8601 with and without a zone, OpenWrt's logread, Proxmox, dmesg (also with
// -T, -x, -r, -d and --time-format=iso), and all of journalctl's but cat and json-pretty.
func readLog(r io.Reader, cal Calendar, fn func(Stamp, *wire.Packet)) (Summary, error) {
	out := newSink(fn)
	out.summary.Log = true
	clock := logClock{Calendar: cal}
	record := Stamp{Worth: Unknown} // of a journal's record that has several lines
	lines := bufio.NewReaderSize(r, maxLine)
	for {
		line, err := readLine(lines)
		if err != nil {
			out.summary.Year = clock.guessed
			if err == io.EOF {
				return out.summary, nil
			}
			return out.summary, fmt.Errorf("log line %d: %w", out.summary.Total()+1, err)
		}
		head, text := splitLine(line)
		if text == "" {
			clock.readRecord(&record, line)
			out.unread(Other)
			continue
		}
		var f logFields
		f.parse(text)
		var p wire.Packet
		if why := f.packet(&p); why != read {
			out.unread(why)
			continue
		}
		at, ok := journalTime(line)
		switch {
		case ok:
		case strings.HasPrefix(strings.TrimSpace(head), "MESSAGE="):
			at = record
		case strings.HasPrefix(strings.TrimSpace(head), `"`): // json-pretty: the order of its lines is random
			at = Stamp{Worth: Unknown}
		default:
			at = clock.stamp(head)
		}
		at.Device = f.in
		out.packet(at, &p)
	}
}

// readRecord takes the time of a record from a line of journalctl's verbose and export.
func (c *logClock) readRecord(record *Stamp, line string) {
	if at, ok := journalTime(line); ok {
		*record = at
		return
	}
	switch {
	case strings.TrimSpace(line) == "": // a record of export ends
		*record = Stamp{Worth: Unknown}
	case strings.Contains(line, " [s=") && strings.Contains(line, ";i="): // one of verbose begins
		*record = c.stamp(line)
	}
}

// journalTime reads the time that the journal gave a record, in microseconds since 1970.
func journalTime(line string) (Stamp, bool) {
	_, value, ok := strings.Cut(line, "__REALTIME_TIMESTAMP")
	if !ok {
		return Stamp{}, false
	}
	digits := scanner{strings.TrimLeft(value, `=":`)}
	n, ok := digits.digits()
	if !ok {
		return Stamp{}, false
	}
	return stampOf(uint64(n/1e6), n%1e6*1e3), true
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
	head, packet = line[:in], line[in:]
	if strings.Contains(head, `"`) { // JSON
		packet, _, _ = strings.Cut(packet, `"`)
	}
	return head, packet
}

// parse reads the words of one packet: "KEY=value", and flags by their bare names.
func (f *logFields) parse(text string) {
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
}

// logFields is what a line says about a packet.
type logFields struct {
	bad      bool // a number or address is none
	cut      bool // the packet ended within its headers
	fragment bool
	in       string // the device that it came in at, "" = it only went out
	src, dst netip.Addr
	named    bool // PROTO was there
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
		f.in = value
	case "SRC":
		f.address(&f.src, value)
	case "DST":
		f.address(&f.dst, value)
	case "PROTO":
		f.named, f.proto = true, logProto(value)
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
	for _, p := range [...]wire.Proto{wire.TCP, wire.UDP, wire.ICMP, wire.ICMPv6} {
		if strings.ToLower(word) == p.String() || word == strconv.Itoa(int(p)) {
			return p
		}
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
	case "MF":
		f.fragment = true
	case "INCOMPLETE":
		f.cut = true
	}
	if strings.HasPrefix(word, "FRAG:") {
		f.fragment = true
	}
}

// packet fills p from the fields, or returns why they make no packet.
func (f *logFields) packet(p *wire.Packet) Unread {
	switch {
	case f.in == "":
		return Sent
	case f.bad || !f.named || !f.src.IsValid() || !f.dst.IsValid() || f.src.Is4() != f.dst.Is4():
		return Damaged
	case f.fragment:
		return Fragment
	case f.cut:
		return Cut
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
			return Damaged
		}
		p.Size = int(f.udp.n) - udpHeader
	case wire.ICMP, wire.ICMPv6:
		const icmpHeader = 8
		if (f.proto == wire.ICMP) != f.src.Is4() {
			return Protocol
		}
		if !f.kind.ok || f.ip.n < header+icmpHeader {
			return Damaged
		}
		p.ICMPType, p.Size = uint8(f.kind.n), int(f.ip.n-header-icmpHeader)
		return read
	default:
		return Protocol
	}
	p.SrcPort, p.DstPort = uint16(f.spt.n), uint16(f.dpt.n)
	if !f.spt.ok || !f.dpt.ok {
		return Damaged
	}
	return read
}
