// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/latchkey/latchkey/pkgs/wire"
)

const (
	logIP4 = "IN=wan OUT= MAC=02:00:00:00:00:01 SRC=203.0.113.7 DST=203.0.113.1 "
	logIP6 = "IN=wan OUT= SRC=2001:0db8:0000:0000:0000:0000:0000:0007 DST=2001:0db8:0000:0000:0000:0000:0000:0001 "
	logSYN = logIP4 + "LEN=60 TOS=0x00 PREC=0x00 TTL=64 ID=1 DF PROTO=TCP SPT=1 DPT=7000 WINDOW=64240 RES=0x00 SYN URGP=0 "
)

func TestReadLog_reads_packets(t *testing.T) {
	from4, to4 := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("203.0.113.1")
	from6, to6 := netip.MustParseAddr("2001:db8::7"), netip.MustParseAddr("2001:db8::1")
	for name, tt := range map[string]struct {
		line string
		want wire.Packet
	}{
		"syn": {logSYN, wire.Packet{Src: from4, Dst: to4, Proto: wire.TCP, SrcPort: 1, DstPort: 7000, Flags: wire.SYN}},
		"syn with sequence numbers": {
			logIP4 + "LEN=60 ID=1 PROTO=TCP SPT=1 DPT=7000 SEQ=4294967295 ACK=0 WINDOW=64240 RES=0x00 SYN URGP=0",
			wire.Packet{Src: from4, Dst: to4, Proto: wire.TCP, SrcPort: 1, DstPort: 7000, Seq: 1<<32 - 1, Flags: wire.SYN},
		},
		"all flags": {
			logIP4 + "LEN=60 PROTO=TCP SPT=1 DPT=7000 WINDOW=1 RES=0x00 CWR ECE URG ACK PSH RST SYN FIN URGP=0",
			wire.Packet{Src: from4, Dst: to4, Proto: wire.TCP, SrcPort: 1, DstPort: 7000, Flags: 0x3f},
		},
		"udp":    {logIP4 + "LEN=48 PROTO=UDP SPT=1 DPT=8000 LEN=28", wire.Packet{Src: from4, Dst: to4, Proto: wire.UDP, SrcPort: 1, DstPort: 8000, Size: 20}},
		"icmp":   {logIP4 + "LEN=105 PROTO=ICMP TYPE=8 CODE=0 ID=1 SEQ=65535", wire.Packet{Src: from4, Dst: to4, Proto: wire.ICMP, ICMPType: 8, Size: 77}},
		"icmpv6": {logIP6 + "LEN=125 TC=0 HOPLIMIT=64 FLOWLBL=0 PROTO=ICMPv6 TYPE=128 CODE=0 ID=1 SEQ=1", wire.Packet{Src: from6, Dst: to6, Proto: wire.ICMPv6, ICMPType: 128, Size: 77}},
		"icmp error": {
			logIP4 + "LEN=68 PROTO=ICMP TYPE=3 CODE=3 [SRC=203.0.113.1 DST=203.0.113.7 LEN=40 PROTO=UDP SPT=9 DPT=9 LEN=20 ] MARK=0x1",
			wire.Packet{Src: from4, Dst: to4, Proto: wire.ICMP, ICMPType: 3, Size: 40},
		},
		"forwarded": {
			strings.Replace(logSYN, "OUT=", "OUT=lan", 1),
			wire.Packet{Src: from4, Dst: to4, Proto: wire.TCP, SrcPort: 1, DstPort: 7000, Flags: wire.SYN},
		},
		"a prefix without a space, with IN= in it": {
			"MAIN=yes" + logSYN,
			wire.Packet{Src: from4, Dst: to4, Proto: wire.TCP, SrcPort: 1, DstPort: 7000, Flags: wire.SYN},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []wire.Packet
			_, err := readLog(strings.NewReader(tt.line), november, func(_ Stamp, p *wire.Packet) { got = append(got, *p) })
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]wire.Packet{tt.want}, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" {
				t.Errorf("packets differ (-want +got):\n%s", diff)
			}
		})
	}
}

func TestReadLog_skips(t *testing.T) {
	change := func(old, to string) string { return strings.Replace(logSYN, old, to, 1) }
	for name, tt := range map[string]struct {
		line string
		want Unread
	}{
		"an empty line":          {"\n", Other},
		"another line":           {"Nov 22 05:06:14 router sshd[1]: Connection closed", Other},
		"a packet that went out": {change("IN=wan OUT=", "IN= OUT=wan"), Sent},
		"no IN":                  {change("IN=wan", ""), Other},
		"no source":              {change("SRC=203.0.113.7", ""), Damaged},
		"a source that is none":  {change("SRC=203.0.113.7", "SRC=203.0.113.777"), Damaged},
		"a source with a zone":   {change("SRC=203.0.113.7", "SRC=fe80::1%wan"), Damaged},
		"two families":           {change("SRC=203.0.113.7", "SRC=2001:db8::7"), Damaged},
		"mapped addresses":       {change("SRC=203.0.113.7 DST=203.0.113.1", "SRC=::ffff:203.0.113.7 DST=::ffff:203.0.113.1"), Damaged},
		"another protocol":       {change("PROTO=TCP", "PROTO=2"), Protocol},
		"no port":                {change("DPT=7000", ""), Damaged},
		"a port above 65535":     {change("DPT=7000", "DPT=65536"), Damaged},
		"a negative port":        {change("DPT=7000", "DPT=-1"), Damaged},
		"a cut line":             {logSYN[:len(logIP4)+55], Damaged},
		"a first fragment":       {change(" DF ", " MF "), Fragment},
		"a fragment":             {change(" DF ", " FRAG:185 "), Fragment},
		"a cut packet":           {change("SPT=1 ", "INCOMPLETE [8 bytes] "), Cut},
		"udp without length":     {logIP4 + "LEN=48 PROTO=UDP SPT=1 DPT=8000", Damaged},
		"icmp without type":      {logIP4 + "LEN=48 PROTO=ICMP", Damaged},
		"icmp that is too short": {logIP4 + "LEN=27 PROTO=ICMP TYPE=8 CODE=0", Damaged},
		"icmp over ipv6":         {logIP6 + "LEN=125 PROTO=ICMP TYPE=8 CODE=0", Protocol},
		"a line of 100 kB":       {strings.Repeat("x", 100<<10) + logSYN, Other},
	} {
		t.Run(name, func(t *testing.T) {
			packets := 0
			// A good line behind it: skipping must not lose the place.
			text := strings.TrimSuffix(tt.line, "\n") + "\n" + logSYN
			summary, err := readLog(strings.NewReader(text), november, func(Stamp, *wire.Packet) { packets++ })
			want := Summary{Log: true, Packets: 1, Untimed: 1}
			want.Unread[tt.want] = 1
			if err != nil || packets != 1 || summary != want {
				t.Errorf("%d packets, summary %+v, error %v, want %+v", packets, summary, err, want)
			}
		})
	}
}

func FuzzReadLog(f *testing.F) {
	for _, name := range []string{"knock-syslog.log", "knock-logread.log", "knock-dmesg.log"} {
		b, err := os.ReadFile(filepath.Join("../../testdata/captures", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("[Sun Nov 22 05:06:15 2026] drop" + logSYN)
	f.Add("2026-11-22T05:06:15.826616+01:00 r kernel: " + logIP6 + "LEN=125 PROTO=ICMPv6 TYPE=128 CODE=0")
	for _, head := range heads {
		f.Add(head.head + logSYN)
	}
	f.Add("__REALTIME_TIMESTAMP=1795323975826616\nMESSAGE=drop " + logSYN)
	f.Fuzz(func(t *testing.T, text string) {
		n := 0
		summary, err := readLog(strings.NewReader(text), november, func(at Stamp, p *wire.Packet) {
			n++
			if at.Time.Year() < 1970 || at.Time.Year() > 2286 {
				t.Errorf("time %v", at.Time)
			}
			if !p.Src.IsValid() || p.Src.Is4In6() || p.Dst.Is4In6() || p.Src.Zone() != "" || p.Src.Is4() != p.Dst.Is4() || p.Size < 0 {
				t.Errorf("packet %+v", p)
			}
		})
		if err != nil {
			t.Errorf("error %v", err)
		}
		lines := strings.Count(text, "\n")
		if !strings.HasSuffix(text, "\n") && text != "" {
			lines++
		}
		if n != summary.Packets || summary.Total() != lines {
			t.Errorf("%d packets, summary %+v of %d lines", n, summary, lines)
		}
	})
}
