// SPDX-License-Identifier: Apache-2.0

// Package release knows which version of Latchkey is being built, and as of
// which time.
//
// Both come from the first heading of CHANGELOG.md, so that a release is one
// edit and a build from a tarball gives the same bytes as one from git.
package release

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Release is a version of Latchkey.
type Release struct {
	Version string    // "1.2.3"
	Time    time.Time // UTC, in whole seconds
}

// Read returns the release that the sources in folder root are. The time is
// that of the environment variable SOURCE_DATE_EPOCH, if it is set (see
// https://reproducible-builds.org/specs/source-date-epoch/).
func Read(root string, getenv func(string) string) (Release, error) {
	name := filepath.Join(root, "CHANGELOG.md")
	f, err := os.Open(name)
	if err != nil {
		return Release{}, fmt.Errorf("version: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if heading, ok := strings.CutPrefix(lines.Text(), "## "); ok {
			r, err := parse(heading)
			if err != nil {
				return Release{}, fmt.Errorf("%s: %w", name, err)
			}
			return r.at(getenv("SOURCE_DATE_EPOCH"))
		}
	}
	if err := lines.Err(); err != nil {
		return Release{}, err
	}
	return Release{}, fmt.Errorf("%s: no heading like %q", name, example)
}

const example = "## 1.2.3 - 2026-01-31"

// parse reads a heading: a version, anything, a date.
func parse(heading string) (Release, error) {
	m := regexp.MustCompile(`^\[?v?(\d+\.\d+\.\d+)\b.*\b(\d{4}-\d{2}-\d{2})\b`).FindStringSubmatch(heading)
	if m == nil {
		return Release{}, fmt.Errorf("first heading %q has no version and date, as in %q", "## "+heading, example)
	}
	day, err := time.Parse(time.DateOnly, m[2])
	if err != nil {
		return Release{}, fmt.Errorf("first heading %q: %w", "## "+heading, err)
	}
	return Release{Version: m[1], Time: day}, nil
}

// at replaces the release's time by a number of seconds since 1970.
func (r Release) at(epoch string) (Release, error) {
	if epoch == "" {
		return r, nil
	}
	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil || seconds <= 0 {
		return Release{}, fmt.Errorf("SOURCE_DATE_EPOCH %q is not a number of seconds since 1970", epoch)
	}
	r.Time = time.Unix(seconds, 0).UTC()
	return r, nil
}
