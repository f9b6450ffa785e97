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

// november is when and where the logs of most tests are read.
var november = Calendar{Now: time.Date(2026, 11, 25, 19, 0, 0, 0, time.UTC), Zone: time.UTC}

// TestReadFile_finds_the_same_knock_in_every_file reads what testdata/captures/README.md describes.
func TestReadFile_finds_the_same_knock_in_every_file(t *testing.T) {
	want := []string{
		"203.0.113.7 syn 7000", "203.0.113.7 udp 8000 of 2", "203.0.113.7 echo of 77",
		"2001:db8:1::7 syn 7000", "2001:db8:1::7 udp 8000 of 2", "2001:db8:1::7 echo of 77",
	}
	start := time.Date(2026, 11, 22, 5, 6, 15, 0, time.UTC)
	for _, tt := range []struct {
		name   string
		start  time.Time
		worth  Worth
		unread string
	}{
		{"knock-ethernet.pcap", start, Dated, "2 not IP"},
		{"knock-cooked.pcap", start, Dated, "11 sent by this machine, or only passed out of it, 1 not IP"},
		{"knock-cooked2.pcap", start, Dated, "11 sent by this machine, or only passed out of it, 1 not IP"},
		{"knock-nflog.pcap", start.Add(86*time.Hour + 25*time.Minute + 44*time.Second), Dated, "12 sent by this machine, or only passed out of it"},
		{"knock-syslog.log", start, Dated, "1 about something else, 1 sent by this machine, or only passed out of it, 1 neither TCP, UDP nor ICMP"},
		{"knock-logread.log", start, Dated, "1 about something else, 1 neither TCP, UDP nor ICMP"},
		{"knock-dmesg.log", time.Unix(8115, 0), SinceStart, "1 about something else"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file, err := os.Open(filepath.Join("../../testdata/captures", tt.name))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			var got []string
			summary, err := ReadFile(file, november, func(at Stamp, p *wire.Packet) {
				if p.Src != netip.MustParseAddr("203.0.113.7") && p.Src != netip.MustParseAddr("2001:db8:1::7") {
					return
				}
				if past := at.Time.Sub(tt.start); past < 0 || past > 2*time.Second || at.Worth != tt.worth {
					t.Errorf("packet at %v (%d), want at most 2 s after %v (%d)", at.Time, at.Worth, tt.start, tt.worth)
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
			if got := summary.Reasons(); got != tt.unread {
				t.Errorf("not read: %s, want %s", got, tt.unread)
			}
		})
	}
}

func TestReadFile_takes_an_empty_file_for_a_log(t *testing.T) {
	summary, err := ReadFile(strings.NewReader(""), november, nil)
	if err != nil || summary != (Summary{Log: true}) {
		t.Errorf("summary %+v, error %v, want none", summary, err)
	}
}

func TestReadFile_names_what_it_cannot_read(t *testing.T) {
	for start, want := range map[string]string{
		"\x1f\x8b\x08\x00rest":              "compressed by gzip",
		"\xfd7zXZ\x00rest":                  "compressed by xz",
		"\x28\xb5\x2f\xfdrest":              "compressed by zstd",
		"\xa1\xb2\xcd\x34\x00\x02":          "a pcap of the modified kind",
		"\x34\xcd\xb2\xa1\x02\x00":          "a pcap of the modified kind",
		"\xff\xfeN\x00o\x00":                "text in UTF-16",
		"\xfe\xff\x00N\x00o":                "text in UTF-16",
		"BZh91AY":                           "compressed by bzip2",
		"LPKSHHRH rest":                     "a journal of systemd",
		"snoop\x00\x00\x00\x00\x00\x00\x02": "a capture of snoop",
	} {
		if _, err := ReadFile(strings.NewReader(start), november, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", start, err, want)
		}
	}
}
