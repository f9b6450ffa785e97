// SPDX-License-Identifier: Apache-2.0

package link

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxTime is the longest time that a link can name, more than thirty years.
const maxTime = 999_999_999 * time.Second

// Time is how long a door opens, in whole seconds from 1 to maxTime.
type Time struct {
	Door  string
	Usual time.Duration // if the knock wishes nothing
	Most  time.Duration // at least Usual
}

// text returns the time as the value of a part 't', before it is escaped.
func (t *Time) text() string {
	return fmt.Sprintf("%s:%d:%d", t.Door, t.Usual/time.Second, t.Most/time.Second)
}

// parseTime reads what a part 't' says. As those of parseDoor, its errors are for tests.
func parseTime(s string) (Time, error) {
	field := strings.Split(s, ":")
	if len(field) != 3 {
		return Time{}, fmt.Errorf("it has %d fields, not 3", len(field))
	}
	usual, err := parseSeconds(field[1])
	if err != nil {
		return Time{}, err
	}
	most, err := parseSeconds(field[2])
	if err != nil {
		return Time{}, err
	}
	if most < usual {
		return Time{}, fmt.Errorf("at most %v, which is less than the usual %v", most, usual)
	}
	return Time{field[0], usual, most}, nil
}

func parseSeconds(s string) (time.Duration, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || s[0] == '0' || time.Duration(n)*time.Second > maxTime {
		return 0, fmt.Errorf("%.20q is no number of seconds from 1 to %d", s, maxTime/time.Second)
	}
	return time.Duration(n) * time.Second, nil
}
