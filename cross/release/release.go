// SPDX-License-Identifier: Apache-2.0

// Package release knows which version of Latchkey is being built, and as of
// which time.
//
// Both come from the first heading of CHANGELOG.md, so that a release is one
// edit and a build from its tarball gives the same bytes as one from git.
package release

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
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
// https://reproducible-builds.org/specs/source-date-epoch/), else the date of
// the release, else, before a release, the time of git's newest commit.
func Read(root string, getenv func(string) string) (Release, error) {
	version, date, err := heading(filepath.Join(root, "CHANGELOG.md"))
	if err != nil {
		return Release{}, err
	}
	r := Release{Version: version}
	switch epoch := getenv("SOURCE_DATE_EPOCH"); {
	case epoch != "":
		r.Time, err = seconds(epoch)
		if err != nil {
			err = fmt.Errorf("SOURCE_DATE_EPOCH: %w", err)
		}
	case date != "":
		r.Time, err = time.Parse(time.DateOnly, date)
	default:
		r.Time, err = newestCommit(root)
	}
	if err != nil {
		return Release{}, fmt.Errorf("time of version %s: %w", version, err)
	}
	return r, nil
}

// heading returns the version and the date, if there is one, in the first
// heading of the second level.
func heading(changelog string) (version, date string, err error) {
	f, err := os.Open(changelog)
	if err != nil {
		return "", "", fmt.Errorf("version: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if !strings.HasPrefix(lines.Text(), "## ") {
			continue
		}
		m := regexp.MustCompile(`^## \[?v?(\d+\.\d+\.\d+)\b(?:.*\b(\d{4}-\d{2}-\d{2})\b)?`).FindStringSubmatch(lines.Text())
		if m == nil {
			return "", "", fmt.Errorf("%s: first heading %q has no version, as in %q", changelog, lines.Text(), example)
		}
		return m[1], m[2], nil
	}
	if err := lines.Err(); err != nil {
		return "", "", err
	}
	return "", "", fmt.Errorf("%s: no heading like %q", changelog, example)
}

const example = "## 1.2.3 - 2026-01-31"

// newestCommit asks git.
func newestCommit(root string) (time.Time, error) {
	out, err := exec.Command("git", "-C", root, "log", "-1", "--format=%ct").Output()
	if err != nil {
		return time.Time{}, fmt.Errorf("%w (hint: without git, set SOURCE_DATE_EPOCH)", err)
	}
	return seconds(strings.TrimSpace(string(out)))
}

// seconds reads a number of seconds since 1970.
func seconds(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n <= 0 {
		return time.Time{}, fmt.Errorf("%q is not a number of seconds since 1970", text)
	}
	return time.Unix(n, 0).UTC(), nil
}
