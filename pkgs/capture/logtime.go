// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"math"
	"strings"
	"time"
)

// The years that logs may be of.
const (
	FirstYear = 1970
	LastYear  = 2199
)

// Calendar is what the times of a log may leave out.
type Calendar struct {
	Now  time.Time      // when the log is read: its first line is not from later
	Zone *time.Location // where its clock is, for lines that do not say it
	Year int            // of the first line, for lines that do not say it; 0 = the latest that Now allows
}

// maxWords is how many words of a line a time is looked for at: of what comes before it, Proxmox has
// most, with the machine, the level and the chain.
const maxWords = 6

// logTime is a time as a line says it.
type logTime struct {
	year                       int // 0 = not said
	month                      time.Month
	day, hour, minute, seconds int
	nanoseconds                int
	zone                       *time.Location // nil = not said
	epoch                      bool           // it is since alone, since 1970
	start                      bool           // it is since alone, since the machine started
	since                      time.Duration
}

// logClock turns what lines say into times.
type logClock struct {
	Calendar
	last    time.Time // of the line before
	guessed int       // the year that was taken for the first line that did not say it, 0 = none yet
}

// stamp returns the time that a line begins with.
func (c *logClock) stamp(head string) Stamp {
	t, ok := readTime(head)
	if !ok {
		return Stamp{Worth: Unknown}
	}
	return c.resolve(t)
}

// resolve fills in what a line does not say.
func (c *logClock) resolve(t logTime) Stamp {
	switch {
	case t.start:
		return Stamp{Time: time.Unix(0, 0).Add(t.since), Worth: SinceStart}
	case t.epoch:
		return Stamp{Time: time.Unix(0, 0).Add(t.since)}
	}
	if t.zone == nil {
		t.zone = c.Zone
	}
	var at time.Time
	ok := false
	switch {
	case t.year != 0:
		at, ok = t.in(t.year)
	case !c.last.IsZero():
		at, ok = c.nearest(t)
	default:
		if c.Year == 0 {
			at, ok = c.latest(t)
		} else {
			at, ok = t.in(c.Year)
		}
		if ok {
			c.guessed = at.Year()
		}
	}
	if !ok {
		return Stamp{Worth: Unknown}
	}
	c.last = at
	return Stamp{Time: at}
}

// in is the time in a year, if that has the day.
func (t logTime) in(year int) (time.Time, bool) {
	at := time.Date(year, t.month, t.day, t.hour, t.minute, t.seconds, t.nanoseconds, t.zone)
	midnight := time.Date(year, t.month, t.day, 0, 0, 0, 0, time.UTC)
	return at, midnight.Month() == t.month && midnight.Day() == t.day
}

// nearest is the time in the year that brings it nearest to the line before: logs go on over new
// year, and now and then a line is late.
func (c *logClock) nearest(t logTime) (best time.Time, ok bool) {
	year := c.last.In(t.zone).Year()
	for y := year - 1; y <= year+1; y++ {
		if at, is := t.in(y); is && (!ok || at.Sub(c.last).Abs() < best.Sub(c.last).Abs()) {
			best, ok = at, true
		}
	}
	return best, ok
}

// latest is the time in the last year that it can be from. Clocks may differ by a day.
func (c *logClock) latest(t logTime) (time.Time, bool) {
	const leap = 8 // years that can lie between two 29 February
	for y := c.Now.Year() + 1; y >= c.Now.Year()-leap; y-- {
		if at, ok := t.in(y); ok && at.Sub(c.Now) <= 24*time.Hour {
			return at, true
		}
	}
	return time.Time{}, false
}

// readTime finds the first time in what comes before a packet. `grep` puts the file's name and a
// colon before the first word.
func readTime(head string) (logTime, bool) {
	for i := range maxWords {
		head = strings.TrimLeft(head, " \t")
		if t, ok := timeAt(head); ok {
			return t, true
		}
		word, rest, more := strings.Cut(head, " ")
		if i == 0 {
			if at := strings.IndexByte(word, ':'); at >= 0 {
				if t, ok := timeAt(head[at+1:]); ok {
					return t, true
				}
			}
		}
		if !more {
			break
		}
		head = rest
	}
	return logTime{}, false
}

// timeAt reads the time at the start of s: behind a priority ("<4>"), and in brackets or not.
func timeAt(s string) (logTime, bool) {
	if priority, rest, ok := strings.Cut(s, ">"); ok && len(priority) <= len("<191") && strings.HasPrefix(priority, "<") {
		s = rest
	}
	inner, bracket := strings.CutPrefix(s, "[")
	if bracket {
		s = strings.TrimLeft(inner, " ")
	}
	for _, form := range [...]func(*scanner) (logTime, bool){isoTime, monthFirst, dayFirst} {
		if t, ok := form(&scanner{s}); ok {
			return t, true
		}
	}
	return secondsTime(s, bracket)
}

// isoTime reads "2026-11-25T17:20:01.123456+01:00" and its relatives, with a space for the T or
// without a zone.
func isoTime(s *scanner) (t logTime, ok bool) {
	if !s.number(&t.year, 4, 4) || !s.byte("-/") || !s.monthNumber(&t.month) || !s.byte("-/") || !s.day(&t) || !s.byte("Tt _") {
		return t, false
	}
	return t, s.clock(&t) && t.valid()
}

// monthFirst reads "Nov 25 17:20:01" as syslog has it, and the year before, within or behind it.
func monthFirst(s *scanner) (t logTime, ok bool) {
	s.year(&t, (*scanner).spaces)
	if !s.monthName(&t.month) {
		return t, false
	}
	if !s.spaces() || !s.day(&t) {
		return t, false
	}
	s.byte(",")
	if !s.spaces() {
		return t, false
	}
	s.year(&t, (*scanner).spaces)
	if !s.clock(&t) {
		return t, false
	}
	if behind := *s; behind.spaces() {
		behind.year(&t, (*scanner).ends)
	}
	return t, t.valid()
}

// dayFirst reads "25/Nov/2026:17:20:01 +0100", "25 Nov 2026 17:20:01".
func dayFirst(s *scanner) (t logTime, ok bool) {
	if !s.day(&t) || !s.byte("/- ") || !s.monthName(&t.month) || !s.byte("/- ") || !s.number(&t.year, 4, 4) || !s.byte(": T") {
		return t, false
	}
	return t, s.clock(&t) && t.valid()
}

// secondsTime reads "8123.826616", which counts from the kernel's start and stands in brackets, and
// "1795323975.826616", which counts from 1970. Others count from the line before: "+0.1", "<0.1>".
func secondsTime(text string, bracket bool) (t logTime, ok bool) {
	s := scanner{text}
	seconds, ok := s.digits()
	const epochDigits = 10 // from 2001 to 2286
	digits := len(text) - len(s.rest)
	if !ok || digits > epochDigits {
		return t, false
	}
	fraction := s.fraction(&t.nanoseconds)
	t.epoch = digits == epochDigits
	t.start = digits < epochDigits && fraction && bracket
	t.since = time.Duration(min(seconds, maxSeconds))*time.Second + time.Duration(t.nanoseconds)
	return t, s.ends() && (t.epoch || t.start)
}

// maxSeconds are what a time.Duration can be, with a fraction: until 2262.
const maxSeconds = math.MaxInt64/int64(time.Second) - 1

// valid reports whether a time can be: days of months are looked at when the year is known.
func (t logTime) valid() bool {
	return (t.year == 0 || FirstYear <= t.year && t.year <= LastYear) && 1 <= t.day && t.day <= 31 && t.hour < 24 && t.minute < 60 && t.seconds <= 60
}

// scanner reads from the start of a text. A method that is not ok may have read a part.
type scanner struct{ rest string }

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// number reads digits, at least and at most so many, which must be few enough for an int32.
func (s *scanner) number(to *int, least, most int) bool {
	n, value := 0, 0
	for n < len(s.rest) && n < most && isDigit(s.rest[n]) {
		value = 10*value + int(s.rest[n]-'0')
		n++
	}
	if n < least {
		return false
	}
	*to, s.rest = value, s.rest[n:]
	return true
}

// digits reads a number of up to 18 digits, all there are.
func (s *scanner) digits() (value int64, ok bool) {
	n := 0
	for ; n < len(s.rest) && isDigit(s.rest[n]); n++ {
		if n == 18 {
			return 0, false
		}
		value = 10*value + int64(s.rest[n]-'0')
	}
	s.rest = s.rest[n:]
	return value, n > 0
}

// byte reads one of the given characters.
func (s *scanner) byte(of string) bool {
	if s.rest == "" || !strings.Contains(of, s.rest[:1]) {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

// year reads a year that is not known yet, if what behind reads comes after it.
func (s *scanner) year(t *logTime, behind func(*scanner) bool) {
	year := 0
	if rest := *s; t.year == 0 && rest.number(&year, 4, 4) && behind(&rest) {
		t.year, *s = year, rest
	}
}

func (s *scanner) spaces() bool {
	trimmed := strings.TrimLeft(s.rest, " ")
	some := len(trimmed) < len(s.rest)
	s.rest = trimmed
	return some
}

// ends reports whether a word ends here.
func (s *scanner) ends() bool { return s.rest == "" || strings.Contains(" ]:", s.rest[:1]) }

func (s *scanner) monthNumber(to *time.Month) bool {
	n := 0
	ok := s.number(&n, 2, 2) && 1 <= n && n <= 12
	*to = time.Month(n)
	return ok
}

// monthName reads an English name, whole or its first three letters.
func (s *scanner) monthName(to *time.Month) bool {
	for m := time.January; m <= time.December; m++ {
		for _, name := range [...]string{m.String(), m.String()[:3]} {
			if rest, ok := strings.CutPrefix(s.rest, name); ok {
				*to, s.rest = m, rest
				return true
			}
		}
	}
	return false
}

func (s *scanner) day(t *logTime) bool { return s.number(&t.day, 1, 2) }

// clock reads "17:20:01", a fraction and a zone if there are any.
func (s *scanner) clock(t *logTime) bool {
	if !s.number(&t.hour, 1, 2) || !s.byte(":") || !s.number(&t.minute, 2, 2) || !s.byte(":") || !s.number(&t.seconds, 2, 2) {
		return false
	}
	s.fraction(&t.nanoseconds)
	s.offset(t)
	return s.rest == "" || !isDigit(s.rest[0])
}

// fraction reads the part below a second.
func (s *scanner) fraction(nanoseconds *int) bool {
	if len(s.rest) < 2 || !strings.Contains(".,", s.rest[:1]) || !isDigit(s.rest[1]) {
		return false
	}
	s.rest = s.rest[1:]
	for unit := int(time.Second) / 10; s.rest != "" && isDigit(s.rest[0]); unit /= 10 {
		*nanoseconds += int(s.rest[0]-'0') * unit // unit 0: finer than a nanosecond
		s.rest = s.rest[1:]
	}
	return true
}

// zoneHours are the names of zones that mean one offset from UTC only, in hours.
var zoneHours = [...]struct {
	name  string
	hours int
}{
	{"UTC", 0}, {"GMT", 0}, {"WET", 0}, {"WEST", 1}, {"CET", 1}, {"CEST", 2}, {"EET", 2}, {"EEST", 3}, {"MSK", 3},
	{"EST", -5}, {"EDT", -4}, {"CDT", -5}, {"MST", -7}, {"MDT", -6}, {"PDT", -7}, {"HST", -10},
	{"JST", 9}, {"KST", 9}, {"AWST", 8}, {"AEST", 10}, {"AEDT", 11}, {"NZST", 12}, {"NZDT", 13},
}

// offset reads a zone: Z, +01:00, +0100, +01 or a name, right behind the time or behind a space. Names
// that are not known, or of several zones (IST), are taken for the zone where the log is.
func (s *scanner) offset(t *logTime) {
	zone := *s
	apart := zone.spaces()
	if zone.byte("+-") {
		sign, hours, minutes := 1, 0, 0
		if s.rest[len(s.rest)-len(zone.rest)-1] == '-' {
			sign = -1
		}
		if !zone.number(&hours, 2, 2) {
			return
		}
		zone.byte(":")
		zone.number(&minutes, 2, 2)
		if !zone.ends() || hours > 14 || minutes > 59 {
			return
		}
		t.zone = time.FixedZone("", sign*(hours*60+minutes)*60)
		*s = zone
		return
	}
	n := 0
	for n < len(zone.rest) && 'A' <= zone.rest[n] && zone.rest[n] <= 'Z' {
		n++
	}
	name := zone.rest[:n]
	zone.rest = zone.rest[n:]
	switch {
	case !zone.ends():
	case name == "Z" && !apart:
		t.zone = time.UTC
		*s = zone
	case n >= 3 && n <= 5:
		*s = zone
		for _, z := range zoneHours {
			if z.name == name {
				t.zone = time.FixedZone(name, z.hours*3600)
			}
		}
	}
}
