// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/wire"
)

// These tests let the programs that write logs write them, so that the forms are theirs and not ours.

// program returns the path of a program, which may lie outside of PATH.
func program(t *testing.T, name, debian string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/lib/systemd/"} {
		path, err := exec.LookPath(dir + name)
		if err != nil {
			continue
		}
		if file, err := filepath.EvalSymlinks(path); err == nil && filepath.Base(file) == "busybox" {
			continue // it has programs of the same names that can do less
		}
		return path
	}
	t.Skipf("SKIP: no program %s (package %s)", name, debian)
	return ""
}

// output runs a program in a time zone and returns what it prints.
func output(t *testing.T, zone, stdin, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TZ="+zone, "LC_ALL=C")
	cmd.Stdin = strings.NewReader(stdin)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, complaints.String())
	}
	return string(out)
}

// stamps reads the times of the packets in a log, which must be two of the same SYN.
func stamps(t *testing.T, text string, cal Calendar) (list []Stamp) {
	t.Helper()
	summary, err := readLog(strings.NewReader(text), cal, func(at Stamp, p *wire.Packet) {
		list = append(list, at)
		if p.DstPort != 7000 || !p.IsSYN() {
			t.Errorf("packet %+v", p)
		}
	})
	if err != nil || len(list) != 2 {
		t.Fatalf("summary %+v, error %v, want two packets of\n%s", summary, err, text)
	}
	return list
}

// Malta's winter time, as the programs and this test have it without a database of zones.
const maltaZone = "CET-1"

func TestReadLog_reads_what_journalctl_writes(t *testing.T) {
	remote := program(t, "systemd-journal-remote", "systemd-journal-remote")
	journalctl := program(t, "journalctl", "systemd")
	first, second := time.UnixMicro(1_795_323_975_826_616), time.UnixMicro(1_795_324_035_926_616)
	started := first.Add(-8123826616 * time.Microsecond)
	var export strings.Builder
	for _, now := range []time.Time{first, second} {
		fmt.Fprintf(&export, "__REALTIME_TIMESTAMP=%d\n__MONOTONIC_TIMESTAMP=%d\n", now.UnixMicro(), now.Sub(started).Microseconds())
		fmt.Fprintf(&export, "_BOOT_ID=00112233445566778899aabbccddeeff\nPRIORITY=4\n_TRANSPORT=kernel\n")
		fmt.Fprintf(&export, "SYSLOG_IDENTIFIER=kernel\n_HOSTNAME=router\nMESSAGE=drop wan in: %s\n\n", logSYN)
	}
	journal := filepath.Join(t.TempDir(), "router.journal")
	output(t, maltaZone, export.String(), remote, "-o", journal, "-")

	const whole, fine = time.Second, time.Microsecond
	for _, tt := range []struct {
		form string
		unit time.Duration // 0 = there is no time in it that can be read
	}{
		{"short", whole},
		{"short-precise", fine},
		{"short-iso", whole},
		{"short-iso-precise", fine},
		{"short-full", whole},
		{"with-unit", whole},
		{"short-unix", fine},
		{"short-monotonic", fine},
		{"short-delta", fine},
		{"verbose", fine},
		{"export", fine},
		{"json", fine},
		{"json-sse", fine},
		{"json-seq", fine},
		{"json-pretty", 0},
		{"cat", 0},
	} {
		t.Run(tt.form, func(t *testing.T) {
			text := output(t, maltaZone, "", journalctl, "--file="+journal, "-o", tt.form)
			got := stamps(t, text, Calendar{Now: second.Add(time.Hour), Zone: malta})
			for i, want := range []time.Time{first.Truncate(tt.unit), second.Truncate(tt.unit)} {
				worth := Dated
				switch tt.form {
				case "short-monotonic", "short-delta":
					want, worth = time.Unix(0, 0).Add(want.Sub(started)), SinceStart
				case "json-pretty", "cat":
					want, worth = time.Unix(0, 0), Unknown
				}
				if !got[i].Time.Equal(want) || got[i].Worth != worth {
					t.Errorf("time %v (%d), want %v (%d) of\n%s", got[i].Time, got[i].Worth, want, worth, text)
				}
			}
		})
	}
	t.Run("the journal itself", func(t *testing.T) {
		file, err := os.Open(journal)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		_, err = ReadFile(file, november, nil)
		if err == nil || !strings.Contains(err.Error(), "a journal of systemd") {
			t.Errorf("error %v", err)
		}
	})
}

func TestReadLog_reads_what_dmesg_writes(t *testing.T) {
	dmesg := program(t, "dmesg", "util-linux")
	ring := filepath.Join(t.TempDir(), "ring")
	text := fmt.Sprintf("<6>[ 8110.000001] br-lan: port 2(lan2) entered forwarding state\n"+
		"<4>[ 8123.826616] drop wan in: %s\n<4>[ 8183.926616] drop wan in: %s\n", logSYN, logSYN)
	if err := os.WriteFile(ring, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	const apart = 60*time.Second + 100*time.Millisecond
	for _, tt := range []struct {
		options string
		worth   Worth
		unit    time.Duration
	}{
		{"", SinceStart, time.Microsecond},
		{"-x", SinceStart, time.Microsecond},
		{"-r", SinceStart, time.Microsecond},
		{"-d", SinceStart, time.Microsecond},
		{"-x -d", SinceStart, time.Microsecond},
		{"-T", Dated, time.Second},
		{"-x -T", Dated, time.Second},
		{"--time-format=ctime", Dated, time.Second},
		{"--time-format=iso", Dated, time.Microsecond},
		{"-x --time-format=iso", Dated, time.Microsecond},
		{"-t", Unknown, 0},
		{"-e", Unknown, 0},
		{"-H -P", Unknown, 0},
		{"--time-format=delta", Unknown, 0},
	} {
		t.Run(tt.options, func(t *testing.T) {
			text := output(t, maltaZone, "", dmesg, append([]string{"-F", ring}, strings.Fields(tt.options)...)...)
			got := stamps(t, text, Calendar{Now: november.Now, Zone: malta})
			for _, at := range got {
				if at.Worth != tt.worth {
					t.Fatalf("worth %d, want %d, of\n%s", at.Worth, tt.worth, text)
				}
			}
			lies := got[1].Time.Sub(got[0].Time)
			if want := apart.Truncate(max(tt.unit, 1)); tt.worth != Unknown && (lies < want || lies > want+tt.unit) {
				t.Errorf("%v between the packets, want %v, of\n%s", lies, apart, text)
			}
			if want := time.Unix(0, 0).Add(8123826616 * time.Microsecond); tt.worth == SinceStart && !got[0].Time.Equal(want) {
				t.Errorf("time %v, want %v", got[0].Time, want)
			}
		})
	}
	t.Run("the same date in every form", func(t *testing.T) {
		cal := Calendar{Now: november.Now, Zone: malta}
		seconds := stamps(t, output(t, maltaZone, "", dmesg, "-F", ring, "-T"), cal)[0].Time
		iso := stamps(t, output(t, "EST5", "", dmesg, "-F", ring, "--time-format=iso"), cal)[0].Time
		// dmesg asks for the start of the machine each time, and rounds it differently.
		if lies := iso.Sub(seconds).Abs(); lies > 2*time.Second {
			t.Errorf("-T says %v, iso says %v", seconds, iso)
		}
	})
}

func TestReadLog_reads_what_rsyslogd_writes(t *testing.T) {
	rsyslogd := program(t, "rsyslogd", "rsyslog")
	logger := program(t, "logger", "bsdutils")
	dir := t.TempDir()
	forms := []struct {
		template string
		fine     bool
	}{
		{"RSYSLOG_TraditionalFileFormat", false},
		{"RSYSLOG_FileFormat", true},
		{"RSYSLOG_SyslogProtocol23Format", true},
		{"RSYSLOG_ForwardFormat", true},
		{"RSYSLOG_TraditionalForwardFormat", false},
	}
	var conf strings.Builder
	socket := filepath.Join(dir, "log.sock")
	fmt.Fprintf(&conf, "module(load=\"imuxsock\" SysSock.Use=\"off\")\ninput(type=\"imuxsock\" Socket=%q)\n", socket)
	for _, form := range forms {
		fmt.Fprintf(&conf, "action(type=\"omfile\" file=%q template=%q)\n", filepath.Join(dir, form.template), form.template)
	}
	path := filepath.Join(dir, "rsyslog.conf")
	if err := os.WriteFile(path, []byte(conf.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(rsyslogd, "-n", "-f", path, "-i", filepath.Join(dir, "pid"))
	cmd.Env = append(os.Environ(), "TZ="+maltaZone)
	var complaints strings.Builder
	cmd.Stderr = &complaints
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	eventually(t, "rsyslogd listens", func() bool { _, err := os.Stat(socket); return err == nil })
	before := time.Now()
	for range 2 {
		output(t, maltaZone, "", logger, "-u", socket, "-t", "kernel", "-p", "kern.warn", "[ 8123.826616] drop wan in: "+logSYN)
	}
	for _, form := range forms {
		t.Run(form.template, func(t *testing.T) {
			var text []byte
			eventually(t, "two lines of "+form.template, func() bool {
				text, _ = os.ReadFile(filepath.Join(dir, form.template))
				return strings.Count(string(text), "URGP=0 ") == 2
			})
			// The forms for forwarding have no line ends of their own: these come from the transport.
			lines := strings.ReplaceAll(string(text), "URGP=0 <", "URGP=0 \n<")
			after, from := time.Now(), before
			if !form.fine {
				from = before.Truncate(time.Second)
			}
			for _, at := range stamps(t, lines, Calendar{Now: after, Zone: malta}) {
				if at.Worth != Dated || at.Time.Before(from.Truncate(time.Microsecond)) || at.Time.After(after) {
					t.Errorf("time %v (%d), want %v to %v, of\n%s", at.Time, at.Worth, from, after, text)
				}
			}
		})
	}
}

func TestReadLog_reads_what_logger_writes(t *testing.T) {
	logger := program(t, "logger", "bsdutils")
	for _, form := range []string{"--rfc3164", "--rfc5424", "--rfc5424=notime", "--rfc5424=notq"} {
		t.Run(form, func(t *testing.T) {
			before := time.Now().Truncate(time.Second)
			var text strings.Builder
			for range 2 {
				cmd := exec.Command(logger, "--no-act", "--stderr", form, "-n", "127.0.0.1", "-t", "kernel", "-p", "kern.warn", "drop "+logSYN)
				cmd.Env = append(os.Environ(), "TZ="+maltaZone)
				cmd.Stderr = &text
				if err := cmd.Run(); err != nil {
					t.Fatal(err)
				}
			}
			after := time.Now()
			for _, at := range stamps(t, text.String(), Calendar{Now: after, Zone: malta}) {
				if form == "--rfc5424=notime" {
					if at.Worth != Unknown {
						t.Errorf("time %v (%d), want none, of\n%s", at.Time, at.Worth, text.String())
					}
				} else if at.Worth != Dated || at.Time.Before(before) || at.Time.After(after) {
					t.Errorf("time %v (%d), want %v to %v, of\n%s", at.Time, at.Worth, before, after, text.String())
				}
			}
		})
	}
}
