// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/lab"
)

// listenLog makes the socket of a system log, as logd and journald have it.
func listenLog(t *testing.T, path string) *net.UnixConn {
	t.Helper()
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// read returns the next line that a log gets.
func readLog(t *testing.T, l *net.UnixConn) string {
	t.Helper()
	b := make([]byte, 4096)
	l.SetReadDeadline(time.Now().Add(10 * time.Second))
	n, err := l.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(b[:n])
}

func TestSystemLogGetsLevels(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := listenLog(t, path)
	var out, err bytes.Buffer
	write := logTo(path, &out, &err)
	for level, priority := range map[config.Level]int{
		config.LevelDebug: 3*8 + 7, config.LevelInfo: 3*8 + 6, config.LevelWarn: 3*8 + 4, config.LevelError: 3*8 + 3,
	} {
		write(level, control.Event{Kind: "refused", Client: "phone", Detail: "two words"})
		// logd takes the first 16 bytes behind the priority for the time.
		want := fmt.Sprintf(`^<%d>[A-Z][a-z]{2} [ 0-9][0-9] \d\d:\d\d:\d\d latchkeyd\[%d\]: refused client=phone detail="two words"$`, priority, os.Getpid())
		if line := readLog(t, l); !regexp.MustCompile(want).MatchString(line) {
			t.Errorf("log has %q, want %q", line, want)
		}
	}
	if out.Len()+err.Len() > 0 {
		t.Errorf("said twice: %q %q", out.String(), err.String())
	}
}

func TestLogGoesOnWithoutTheSystemLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	var out, err bytes.Buffer
	write := logTo(path, &out, &err)
	write(config.LevelInfo, control.Event{Kind: "opened"})
	write(config.LevelWarn, control.Event{Kind: "refused"})
	if out.String() != "opened\n" || err.String() != "refused\n" {
		t.Errorf("standard output has %q, standard error %q", out.String(), err.String())
	}
	for range 2 { // it begins, and is restarted
		l := listenLog(t, path)
		write(config.LevelInfo, control.Event{Kind: "ready"})
		if line := readLog(t, l); !strings.HasSuffix(line, ": ready") {
			t.Errorf("log has %q", line)
		}
		if err := errors.Join(l.Close(), os.RemoveAll(path)); err != nil {
			t.Fatal(err)
		}
	}
	out.Reset()
	write(config.LevelInfo, control.Event{Kind: "closed"})
	if out.String() != "closed\n" {
		t.Errorf("standard output has %q", out.String())
	}
	lab.Withstood(t, "load", "system log that is away or restarted", "lines go to standard output until it is back")
}

func TestDaemonWritesToTheSystemLog(t *testing.T) {
	lab.Enter(t)
	path := filepath.Join(t.TempDir(), "log")
	l := listenLog(t, path)
	d := start(t, home, "--syslog", path)
	d.knock("phone", router, toNAS...)
	for line := ""; !strings.Contains(line, ": opened door=nas"); {
		line = readLog(t, l)
		if want := "<30>"; strings.Contains(line, ": trouble ") == strings.HasPrefix(line, want) {
			t.Errorf("log has %q, want %s of all but trouble", line, want)
		}
	}
	if text := d.log.String(); text != "" {
		t.Errorf("it also said %q", text)
	}
}
