// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

var malta = time.FixedZone("CET", 3600)

func at(year int, month time.Month, day, hour, minute, second, nanosecond int) Stamp {
	return Stamp{Time: time.Date(year, month, day, hour, minute, second, nanosecond, malta)}
}

func up(d time.Duration) Stamp { return Stamp{Time: time.Unix(0, 0).Add(d), Worth: SinceStart} }

var (
	six     = at(2026, 11, 22, 5, 6, 15, 0)
	sixth   = at(2026, 11, 22, 5, 6, 15, 826616000)
	unknown = Stamp{Worth: Unknown}
)

// heads are what lines begin with, as read in Malta in winter.
var heads = []struct {
	name, head string
	want       Stamp
}{
	{"syslog", "Nov 22 05:06:15 router kernel: [ 8123.8] drop ", six},
	{"syslog, early day", "Nov  2 05:06:15 router kernel: ", at(2026, 11, 2, 5, 6, 15, 0)},
	{"syslog with fraction", "Nov 22 05:06:15.826616 router kernel: ", sixth},
	{"syslog with priority", "<4>Nov 22 05:06:15 router kernel: ", six},
	{"syslog of BusyBox", "Nov 22 05:06:15 router kern.warn kernel: [ 8123.826616] ", six},
	{"syslog, year behind", "Nov 22 05:06:15 2024 router kernel: ", at(2024, 11, 22, 5, 6, 15, 0)},
	{"syslog, year within", "Nov 22 2024 05:06:15 router kernel: ", at(2024, 11, 22, 5, 6, 15, 0)},
	{"syslog, year before", "2024 Nov 22 05:06:15 router kernel: ", at(2024, 11, 22, 5, 6, 15, 0)},
	{"syslog, month in full", "November 22, 2024 05:06:15 router kernel: ", at(2024, 11, 22, 5, 6, 15, 0)},
	{"syslog of a host that is a number", "Nov 22 05:06:15 2024a kernel: ", six},
	{"syslog of a host like a zone", "Nov 22 05:06:15 NAS kernel: ", six},
	{"syslog of a host like universal time", "Nov 22 05:06:15 Z kernel: ", six},
	{"syslog found by grep", "/var/log/kern.log:Nov 22 05:06:15 router kernel: ", six},
	{"syslog found by grep -n", "17:2026-11-22T05:06:15.826616+01:00 router kernel: ", sixth},
	{"logread", "Sun Nov 22 05:06:15 2026 kern.warn kernel: [ 8123.826616] ", six},
	{"logread -t", "Sun Nov 22 05:06:15 2026 [1795323975.826] kern.warn kernel: [ 8123.826616] ", six},
	{"logread of another year", "Thu Nov 22 05:06:15 2018 kern.warn kernel: ", at(2018, 11, 22, 5, 6, 15, 0)},
	{"date", "Sun Nov 22 05:06:15 CET 2026 ", six},
	{"date in UTC", "Sun Nov 22 04:06:15 UTC 2026 ", six},
	{"rfc 5424", "<4>1 2026-11-22T04:06:15.826616Z router kernel - - - drop ", sixth},
	{"rfc 5424, zone", "<4>1 2026-11-22T05:06:15.826616+01:00 router kernel 12 ID7 [x@1 a=\"b\"] drop ", sixth},
	{"rfc 5424 by tcp", "187 <4>1 2026-11-22T02:06:15-02:00 router kernel - - - drop ", six},
	{"rfc 5424 without a time", "<4>1 - router kernel - - - drop ", unknown},
	{"iso 8601", "2026-11-22T05:06:15.826616+01:00 router kernel: ", sixth},
	{"iso 8601, basic zone", "2026-11-22T04:06:15+0000 router kernel: ", six},
	{"iso 8601, hours only", "2026-11-22T06:06:15+02 router kernel: ", six},
	{"iso 8601, zone apart", "2026-11-22 04:06:15 +0000 router kernel: ", six},
	{"iso 8601, no zone", "2026-11-22T05:06:15 router kernel: ", six},
	{"iso 8601, space", "2026-11-22 05:06:15.826616 router kernel: ", sixth},
	{"iso 8601, space and Z", "2026-11-22 04:06:15Z router kernel: ", six},
	{"iso 8601, slashes", "2026/11/22 05:06:15 router kernel: ", six},
	{"iso 8601, finer than a nanosecond", "2026-11-22T05:06:15.8266160004+01:00 ", sixth},
	{"journalctl -o short-full", "Sun 2026-11-22 05:06:15 CET router kernel: ", six},
	{"journalctl -o short-full, east of here", "Sun 2026-11-22 06:06:15 EET router kernel: ", six},
	{"journalctl -o short-full, west of here", "Sat 2026-11-21 23:06:15 EST router kernel: ", six},
	{"journalctl -o short-full, a name of several zones", "Sun 2026-11-22 05:06:15 IST router kernel: ", six},
	{"journalctl -o short-unix", "1795320375.826616 router kernel: ", sixth},
	{"journalctl -o short-monotonic", "[ 8123.826616] router kernel: ", up(8123826616 * time.Microsecond)},
	{"journalctl -o json", `{"__REALTIME_TIMESTAMP":"1795320375826616","MESSAGE":"drop `, sixth},
	{"journalctl -o json-pretty", "\t\"MESSAGE\" : \"drop ", unknown},
	{"proxmox", "100 7 tap100i0-IN 22/Nov/2026:05:06:15 +0100 policy DROP: ", six},
	{"proxmox, host", "0 5 PVEFW-HOST-IN 22/Nov/2026:04:06:15 +0000 DROP: ", six},
	{"day first", "22 Nov 2026 05:06:15 router ", six},
	{"dmesg", "[ 8123.826616] ", up(8123826616 * time.Microsecond)},
	{"dmesg with caller", "[ 8123.826616][    T0] ", up(8123826616 * time.Microsecond)},
	{"dmesg -r", "<4>[    0.500000] ", up(500 * time.Millisecond)},
	{"dmesg -d", "[ 8123.826616 <    1.000000>] ", up(8123826616 * time.Microsecond)},
	{"dmesg -x", "kern  :warn  : [ 8123.826616] ", up(8123826616 * time.Microsecond)},
	{"dmesg -T", "[Sun Nov 22 05:06:15 2026] ", six},
	{"dmesg -x -T", "kern  :warn  : [Sun Nov 22 05:06:15 2026] ", six},
	{"dmesg --time-format iso", "2026-11-22T05:06:15,826616+01:00 ", sixth},
	{"dmesg -e, first of a minute", "[Nov22 05:06] ", unknown},
	{"dmesg -e", "[  +1.000000] ", unknown},
	{"dmesg --time-format delta", "[<    1.000000>] ", unknown},
	{"dmesg -t", "", unknown},
	{"dmesg -J", `         "msg": "drop `, unknown},
	{"a prefix alone", "drop wan in: ", unknown},
	{"numbers that are no time", "drop 12345 [12] 7000.5 ", unknown},
	{"a 13th month", "2026-13-22T05:06:15Z ", unknown},
	{"a 31st November", "2026-11-31T05:06:15Z ", unknown},
	{"a 29 February that was not", "Feb 29 05:06:15 2026 ", unknown},
	{"hour 24", "Nov 22 24:06:15 router ", unknown},
	{"a month in German", "22. Dez 05:06:15 router ", unknown},
	{"a clock that was never set", "Thu Jan  1 01:02:03 1970 kern.warn kernel: ", at(1970, 1, 1, 1, 2, 3, 0)},
}

func TestReadLog_reads_times(t *testing.T) {
	for _, tt := range heads {
		t.Run(tt.name, func(t *testing.T) {
			got := lastStamp(t, november.Now, 0, tt.head)
			if got.Worth != tt.want.Worth || got.Worth != Unknown && !got.Time.Equal(tt.want.Time) {
				t.Errorf("time %v (%d), want %v (%d)", got.Time, got.Worth, tt.want.Time, tt.want.Worth)
			}
		})
	}
}

// lastStamp is the time of the last of the packets behind heads.
func lastStamp(t *testing.T, now time.Time, year int, heads ...string) (last Stamp) {
	t.Helper()
	text := strings.Join(heads, logSYN+"\n") + logSYN
	cal := Calendar{Now: now, Zone: malta, Year: year}
	summary, err := readLog(strings.NewReader(text), cal, func(at Stamp, _ *wire.Packet) { last = at })
	if err != nil || summary.Packets != len(heads) {
		t.Fatalf("summary %+v, error %v", summary, err)
	}
	return last
}

func TestReadLog_finds_the_year_that_lines_do_not_say(t *testing.T) {
	newYear := time.Date(2027, 1, 3, 12, 0, 0, 0, malta)
	for name, tt := range map[string]struct {
		now   time.Time
		year  int
		heads []string
		want  Stamp // of the last
	}{
		"of today":                        {november.Now, 0, []string{"Nov 25 18:06:15 r "}, at(2026, 11, 25, 18, 6, 15, 0)},
		"of a clock that is ahead":        {november.Now, 0, []string{"Nov 26 18:06:15 r "}, at(2026, 11, 26, 18, 6, 15, 0)},
		"of last year":                    {november.Now, 0, []string{"Nov 27 05:06:15 r "}, at(2025, 11, 27, 5, 6, 15, 0)},
		"of last December, in January":    {newYear, 0, []string{"Dec 31 23:59:59 r "}, at(2026, 12, 31, 23, 59, 59, 0)},
		"over new year, in January":       {newYear, 0, []string{"Dec 31 23:59:59 r ", "Jan  1 00:00:01 r "}, at(2027, 1, 1, 0, 0, 1, 0)},
		"just before it is new year":      {time.Date(2026, 12, 31, 23, 59, 0, 0, malta), 0, []string{"Jan  1 00:00:01 r "}, at(2027, 1, 1, 0, 0, 1, 0)},
		"as told":                         {november.Now, 2020, []string{"Nov 22 05:06:15 r "}, at(2020, 11, 22, 5, 6, 15, 0)},
		"as told, over new year":          {november.Now, 2020, []string{"Dec 31 23:59:59 r ", "Jan  1 00:00:01 r ", "Jan  2 00:00:00 r "}, at(2021, 1, 2, 0, 0, 0, 0)},
		"with a late line at new year":    {newYear, 0, []string{"Dec 31 23:59:59 r ", "Jan  1 00:00:01 r ", "Dec 31 23:59:58 r ", "Jan  1 00:00:02 r "}, at(2027, 1, 1, 0, 0, 2, 0)},
		"after a quiet winter":            {newYear, 0, []string{"Nov 30 00:00:00 r ", "Feb  2 00:00:00 r "}, at(2027, 2, 2, 0, 0, 0, 0)},
		"when summer time ends":           {november.Now, 0, []string{"Oct 25 02:59:59 r ", "Oct 25 02:00:00 r "}, at(2026, 10, 25, 2, 0, 0, 0)},
		"on 29 February":                  {november.Now, 0, []string{"Feb 29 12:00:00 r "}, at(2024, 2, 29, 12, 0, 0, 0)},
		"on 29 February, over new year":   {november.Now, 2027, []string{"Dec 31 23:59:59 r ", "Feb 29 12:00:00 r "}, at(2028, 2, 29, 12, 0, 0, 0)},
		"from a line that does say it":    {november.Now, 0, []string{"2019-11-22T05:06:15+01:00 r ", "Nov 22 05:06:16 r "}, at(2019, 11, 22, 5, 6, 16, 0)},
		"29 February of a year without":   {november.Now, 2026, []string{"Feb 29 12:00:00 r "}, unknown},
		"told, but not by the first line": {november.Now, 2020, []string{"2019-11-22T05:06:15+01:00 r ", "Nov 22 05:06:16 r "}, at(2019, 11, 22, 5, 6, 16, 0)},
	} {
		t.Run(name, func(t *testing.T) {
			got := lastStamp(t, tt.now, tt.year, tt.heads...)
			if got.Worth != tt.want.Worth || got.Worth != Unknown && !got.Time.Equal(tt.want.Time) {
				t.Errorf("time %v (%d), want %v (%d)", got.Time, got.Worth, tt.want.Time, tt.want.Worth)
			}
		})
	}
}

func TestReadLog_says_where_a_packet_came_in(t *testing.T) {
	for _, device := range []string{"wan", "br-lan"} {
		var got []string
		text := "Nov 25 05:06:15 r " + strings.Replace(logSYN, "IN=wan", "IN="+device, 1) + "\n" + logSYN // the second has no time
		_, err := readLog(strings.NewReader(text), november, func(at Stamp, _ *wire.Packet) { got = append(got, at.Device) })
		if err != nil || !slices.Equal(got, []string{device, "wan"}) {
			t.Errorf("devices %q, error %v, want %s and wan", got, err, device)
		}
	}
}

func TestReadLog_says_which_year_it_took(t *testing.T) {
	for head, want := range map[string]int{"Nov 27 05:06:15 r ": 2025, "2026-11-22T05:06:15Z ": 0, "[ 1.5] ": 0, "": 0, "Feb 30 05:06:15 r ": 0} {
		text := head + logSYN + "\n" + head + logSYN
		summary, err := readLog(strings.NewReader(text), november, func(Stamp, *wire.Packet) {})
		if err != nil || summary.Year != want {
			t.Errorf("%q: year %d, error %v, want %d", head, summary.Year, err, want)
		}
	}
}

func TestReadLog_reads_records_of_a_journal(t *testing.T) {
	const udp = logIP4 + "LEN=29 PROTO=UDP SPT=1 DPT=8000 LEN=9"
	for name, tt := range map[string]struct {
		text string
		want Stamp // of the last packet
	}{
		"json that ends in a number":   {`{"__REALTIME_TIMESTAMP":"1795320375826616","MESSAGE":"drop ` + udp + `","PRIORITY":"4"}`, sixth},
		"export without a second time": {"__REALTIME_TIMESTAMP=1795320375826616\nMESSAGE=" + udp + "\n\nMESSAGE=" + udp, Stamp{Time: sixth.Time, Worth: Unknown}},
		"a time of 19 digits":          {"__REALTIME_TIMESTAMP=1795320375826616000\nMESSAGE=" + udp, Stamp{Time: time.Unix(0, 0), Worth: Unknown}},
	} {
		t.Run(name, func(t *testing.T) {
			var last Stamp
			_, err := readLog(strings.NewReader(tt.text), november, func(at Stamp, _ *wire.Packet) { last = at })
			if err != nil || !last.Time.Equal(tt.want.Time) || last.Worth != tt.want.Worth {
				t.Errorf("time %v (%d), error %v, want %v (%d)", last.Time, last.Worth, err, tt.want.Time, tt.want.Worth)
			}
		})
	}
}

// Once it is not known how long lies between two packets, no later time may be used either.
func TestReadLog_stops_the_clock_at_a_line_without_a_time(t *testing.T) {
	for name, tt := range map[string]struct {
		heads   []string
		want    []Stamp
		untimed int
	}{
		"none at all": {[]string{"", "drop "}, []Stamp{{Time: time.Unix(0, 0), Worth: Unknown}, {Time: time.Unix(0, 0), Worth: Unknown}}, 2},
		"none after one": {
			[]string{"Nov 22 05:06:15 r ", "drop: ", "Nov 22 06:06:15 r "},
			[]Stamp{six, {Time: six.Time, Worth: Unknown}, {Time: six.Time, Worth: Unknown}},
			1,
		},
		"one after none": {
			[]string{"drop: ", "Nov 22 05:06:15 r "},
			[]Stamp{{Time: time.Unix(0, 0), Worth: Unknown}, {Time: time.Unix(0, 0), Worth: Unknown}},
			1,
		},
		"another kind of time": {
			[]string{"Nov 22 05:06:15 r ", "[ 8123.826616] ", "[ 8124.826616] ", "Nov 22 05:06:15 r "},
			[]Stamp{six, {Time: six.Time, Worth: Unknown}, {Time: six.Time, Worth: Unknown}, {Time: six.Time, Worth: Unknown}},
			2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []Stamp
			text := strings.Join(tt.heads, logSYN+"\n") + logSYN
			cal := Calendar{Now: november.Now, Zone: malta}
			summary, err := readLog(strings.NewReader(text), cal, func(at Stamp, _ *wire.Packet) { got = append(got, at) })
			if err != nil || summary.Untimed != tt.untimed || len(got) != len(tt.want) {
				t.Fatalf("%d packets, summary %+v, error %v, want %d without a time", len(got), summary, err, tt.untimed)
			}
			for i, want := range tt.want {
				if !got[i].Time.Equal(want.Time) || got[i].Worth != want.Worth {
					t.Errorf("packet %d at %v (%d), want %v (%d)", i, got[i].Time, got[i].Worth, want.Time, want.Worth)
				}
			}
		})
	}
}
