// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// TestReadFile_finds_the_same_knock_in_every_file reads what testdata/captures/README.md describes.
func TestReadFile_finds_the_same_knock_in_every_file(t *testing.T) {
	want := []string{
		"203.0.113.7 syn 7000", "203.0.113.7 udp 8000 of 2", "203.0.113.7 echo of 77",
		"2001:db8:1::7 syn 7000", "2001:db8:1::7 udp 8000 of 2", "2001:db8:1::7 echo of 77",
	}
	start := time.Date(2026, 11, 22, 5, 6, 15, 0, time.UTC)
	for _, tt := range []struct {
		name    string
		start   time.Time
		summary Summary
	}{
		{"knock-ethernet.pcap", start, Summary{Packets: 20, Skipped: 2}},         // 2 ARP
		{"knock-cooked.pcap", start, Summary{Packets: 11, Skipped: 12}},          // 11 sent, 1 ARP
		{"knock-cooked2.pcap", start, Summary{Packets: 11, Skipped: 12}},         // the same
		{"knock-syslog.log", start, Summary{Packets: 6, Skipped: 3}},             // dnsmasq, sent, IGMP
		{"knock-logread.log", start, Summary{Packets: 6, Skipped: 2}},            // udhcpc, IGMP
		{"knock-dmesg.log", time.Unix(8115, 0), Summary{Packets: 6, Skipped: 1}}, // bridge
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, err := os.Open(filepath.Join("../../testdata/captures", tt.name))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var got []string
			summary, err := ReadFile(file, 2026, time.UTC, func(now time.Time, p *wire.Packet) {
				if p.Src != netip.MustParseAddr("203.0.113.7") && p.Src != netip.MustParseAddr("2001:db8:1::7") {
					return
				}
				if past := now.Sub(tt.start); past < 0 || past > 2*time.Second {
					t.Errorf("packet at %v, want at most 2 s after %v", now, tt.start)
				}
				switch {
				case p.IsSYN():
					got = append(got, fmt.Sprintf("%s syn %d", p.Src, p.DstPort))
				case p.Proto == wire.UDP:
					got = append(got, fmt.Sprintf("%s udp %d of %d", p.Src, p.DstPort, p.Size))
				case p.IsEcho():
					got = append(got, fmt.Sprintf("%s echo of %d", p.Src, p.Size))
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("knock differs (-want +got):\n%s", diff)
			}
			if summary != tt.summary {
				t.Errorf("summary %+v, want %+v", summary, tt.summary)
			}
		})
	}
}

func TestReadFile_takes_an_empty_file_for_a_log(t *testing.T) {
	summary, err := ReadFile(strings.NewReader(""), 2026, time.UTC, nil)
	if err != nil || summary != (Summary{}) {
		t.Errorf("summary %+v, error %v, want none", summary, err)
	}
}
