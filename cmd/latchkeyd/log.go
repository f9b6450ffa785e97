// SPDX-License-Identifier: Apache-2.0

package main

import (
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
)

// logTo returns what writes events as lines such as
//
//	opened door=nas client=phone address=203.0.113.7 until=2026-11-22T04:31:00Z knock="message stun"
//
// It leaves out the time, which whoever keeps the log adds.
func logTo(w io.Writer) func(control.Event) {
	return func(e control.Event) {
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
		b.WriteByte('\n')
		io.WriteString(w, b.String()) // a log that cannot be written has nobody to be told
	}
}

// quoted puts quotes round what would not read as one word.
func quoted(s string) string {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r > '~' }) {
		return strconv.Quote(s)
	}
	return s
}
