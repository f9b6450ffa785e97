// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

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
		io.WriteString(w, line+"\n") // a log that cannot be written has nobody to complain to
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
	if e.Ports > 0 {
		word("ports", strconv.Itoa(e.Ports))
	}
	word("detail", e.Detail)
	if e.Hidden > 0 {
		word("hidden", strconv.Itoa(e.Hidden))
	}
	return b.String()
}

// quoted puts quotes around what would not read as one word.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r > '~' }) {
		return strconv.Quote(s)
	}
	return s
}

// systemLog is a way to the socket of a system log, which syslog(3) writes to: one datagram a line.
type systemLog struct {
	path string
	fd   int // of a socket of our own, which is connected to none; 0 = there is none yet
}

// logPatience is how long a line may wait for a system log that has no room.
const logPatience = time.Second

// write sends a line. A log that was restarted has a new socket at the same path, which each line is
// sent to by its name.
func (s *systemLog) write(now time.Time, l config.Level, line string) error {
	if s.fd == 0 {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		patience := unix.NsecToTimeval(int64(logPatience))
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &patience); err != nil {
			_ = unix.Close(fd)
			return err
		}
		s.fd = fd
	}
	text := fmt.Appendf(nil, "<%d>%s latchkeyd[%d]: %s", priority(l), now.Format(time.Stamp), os.Getpid(), line)
	for {
		// The runtime's own signals interrupt a call that waits. Each time it may wait as long again, but
		// they are rare.
		err := unix.Sendto(s.fd, text, unix.MSG_NOSIGNAL, &unix.SockaddrUnix{Name: s.path})
		if err != unix.EINTR {
			return err
		}
	}
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
