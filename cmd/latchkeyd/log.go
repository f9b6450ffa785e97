// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/config"
	"github.com/latchkey/latchkey/pkgs/control"
)

// logTo returns what writes events as lines such as
//
//	opened door=nas client=phone address=203.0.113.7 until=2026-11-22T04:31:00Z knock="message stun"
//
// They go to the system log at the path, with their levels; where that is "" or does not take them, to
// out, or to err from level warn on: procd gives these two the levels info and err. Lines there have no
// time, which whoever keeps them adds.
func logTo(path string, out, err io.Writer) func(config.Level, control.Event) {
	system := systemLog{path: path}
	return func(l config.Level, e control.Event) {
		line := logLine(e)
		if path != "" && system.write(time.Now(), l, line) == nil {
			return
		}
		w := out
		if l >= config.LevelWarn {
			w = err
		}
		io.WriteString(w, line+"\n") // a log that cannot be written has nobody to be told
	}
}

func logLine(e control.Event) string {
	var b strings.Builder
	b.WriteString(e.Kind)
	word := func(key, value string) {
		if value != "" {
			b.WriteString(" " + key + "=" + quoted(value))
		}
	}
	word("door", e.Door)
	word("client", e.Client)
	word("address", e.Address)
	if e.Until != nil {
		word("until", e.Until.Format(time.RFC3339))
	}
	word("knock", e.Knock)
	word("reason", e.Reason)
	word("detail", e.Detail)
	if e.Hidden > 0 {
		word("hidden", strconv.Itoa(e.Hidden))
	}
	return b.String()
}

// quoted puts quotes round what would not read as one word.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r > '~' }) {
		return strconv.Quote(s)
	}
	return s
}

// systemLog is the socket of a system log, which syslog(3) writes to: one datagram a line.
type systemLog struct {
	path string
	conn net.Conn // nil = none, or the log behind it is gone
}

// logPatience is how long a line may wait for a system log that has no room.
const logPatience = time.Second

// write sends a line, to a new socket if the one of before is gone: a log that was restarted has a new
// one at the same path.
func (s *systemLog) write(now time.Time, l config.Level, line string) error {
	text := fmt.Appendf(nil, "<%d>%s latchkeyd[%d]: %s", priority(l), now.Format(time.Stamp), os.Getpid(), line)
	var err error
	for range 2 {
		if s.conn == nil {
			if s.conn, err = net.DialUnix("unixgram", nil, &net.UnixAddr{Name: s.path, Net: "unixgram"}); err != nil {
				s.conn = nil // no nil *net.UnixConn, which is not nil as a net.Conn
				return err
			}
		}
		s.conn.SetWriteDeadline(now.Add(logPatience))
		if _, err = s.conn.Write(text); err == nil {
			return nil
		}
		s.conn.Close()
		s.conn = nil
	}
	return err
}

// priority is a level in the numbers of the system log (RFC 3164, 4.1.1).
func priority(l config.Level) int {
	const daemon = 3 << 3
	switch {
	case l >= config.LevelError:
		return daemon | 3
	case l == config.LevelWarn:
		return daemon | 4
	case l == config.LevelInfo:
		return daemon | 6
	}
	return daemon | 7
}
