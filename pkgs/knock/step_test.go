// SPDX-License-Identifier: Apache-2.0

package knock

import (
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/wire"
)

func TestParseStep(t *testing.T) {
	for text, want := range map[string]Step{
		"7000/tcp":               {Proto: wire.TCP, Port: 7000, Flags: wire.SYN, Mask: wire.SYN | wire.ACK | wire.RST | wire.FIN},
		"1/tcp:fin,!ack":         {Proto: wire.TCP, Port: 1, Flags: wire.FIN, Mask: wire.FIN | wire.ACK},
		"9/tcp:!syn":             {Proto: wire.TCP, Port: 9, Mask: wire.SYN},
		"9/tcp:syn,rst,psh,!urg": {Proto: wire.TCP, Port: 9, Flags: wire.SYN | wire.RST | wire.PSH, Mask: wire.SYN | wire.RST | wire.PSH | wire.URG},
		"65535/udp":              {Proto: wire.UDP, Port: 65535},
		"icmp:0":                 {Proto: wire.ICMP},
		"icmp:1452":              {Proto: wire.ICMP, Size: 1452},
	} {
		got, err := ParseStep(text)
		if err != nil || got != want {
			t.Errorf("ParseStep(%q) = %+v, %v; want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("ParseStep(%q).String() = %q", text, got)
		}
	}
}

func TestParseStepRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                 "want PORT/tcp, PORT/udp or icmp:SIZE",
		"7000":             "want PORT/tcp",
		"7000:udp":         "want PORT/tcp",
		"0/tcp":            "1 to 65535",
		"65536/tcp":        "1 to 65535",
		"-1/udp":           "1 to 65535",
		"+1/udp":           "1 to 65535",
		"7/sctp":           `not "sctp"`,
		"7/TCP":            `not "TCP"`,
		"7/udp:syn":        "only tcp has flags",
		"7/tcp:":           `flag ""`,
		"7/tcp:syn,ack,xx": `flag "xx"`,
		"7/tcp:syn,!syn":   "named twice",
		"7/tcp:!!syn":      `flag "!syn"`,
		"icmp":             "want PORT/tcp",
		"icmp:":            "0 to 1452",
		"icmp:1453":        "0 to 1452",
	} {
		got, err := ParseStep(text)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `"`+text+`"`) {
			t.Errorf("ParseStep(%q) = %v, %v; want an error with the text and %q", text, got, err, want)
		}
	}
}

func FuzzParseStep(f *testing.F) {
	for _, s := range []string{"7000/tcp", "1/tcp:fin,!ack", "8000/udp", "icmp:77", "7/tcp:!!", "icmp:-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		step, err := ParseStep(text)
		if err != nil {
			return
		}
		if again, err := ParseStep(step.String()); err != nil || again != step {
			t.Errorf("%q is %+v, its text %q is %+v, %v", text, step, step, again, err)
		}
		if step.Flags&^step.Mask != 0 {
			t.Errorf("%q: flags %b outside of mask %b", text, step.Flags, step.Mask)
		}
	})
}
