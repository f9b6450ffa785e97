// SPDX-License-Identifier: Apache-2.0

package release_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/cross/release"
)

func TestRead(t *testing.T) {
	date := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		changelog, epoch string
		want             release.Release
		err              string
	}{
		"plain":              {"# Changes\n\n## 1.2.3 - 2026-01-31\n\n## 1.2.2 - 2025-01-01\n", "", release.Release{Version: "1.2.3", Time: date}, ""},
		"brackets":           {"## [0.10.0] (2026-01-31)\n", "", release.Release{Version: "0.10.0", Time: date}, ""},
		"time from outside":  {"## 1.2.3 - 2026-01-31\n", "1700000000", release.Release{Version: "1.2.3", Time: time.Unix(1700000000, 0).UTC()}, ""},
		"time is not a time": {"## 1.2.3 - 2026-01-31\n", "soon", release.Release{}, `SOURCE_DATE_EPOCH: "soon" is not`},
		"no heading":         {"# Changes\n", "", release.Release{}, "no heading like"},
		"no version":         {"## Unreleased\n\n## 1.2.3 - 2026-01-31\n", "", release.Release{}, `first heading "## Unreleased"`},
		"no date, no git":    {"## 1.2.3 (unreleased)\n", "", release.Release{}, "set SOURCE_DATE_EPOCH"},
		"no date":            {"## 1.2.3 (unreleased)\n", "1700000000", release.Release{Version: "1.2.3", Time: time.Unix(1700000000, 0).UTC()}, ""},
		"no such day":        {"## 1.2.3 - 2026-02-31\n", "", release.Release{}, "out of range"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			if err := os.WriteFile(filepath.Join(root, "CHANGELOG.md"), []byte(c.changelog), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := release.Read(root, func(string) string { return c.epoch })
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("error %v does not contain %q", err, c.err)
				}
				return
			}
			if err != nil || got != c.want {
				t.Errorf("Read() = %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

// Commands that people copy name the folder of this version.
func TestREADME_names_this_version(t *testing.T) {
	rel, err := release.Read("../..", func(string) string { return "1700000000" })
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "openwrt/README.md", "luci-app/page/README.md", "cmd/knock/README.md"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		folders := regexp.MustCompile(`dist/[0-9][0-9.]*[0-9]`).FindAllString(string(text), -1)
		if len(folders) == 0 {
			t.Errorf("%s names no folder in dist", name)
		}
		for _, f := range folders {
			if f != "dist/"+rel.Version {
				t.Errorf("%s names %s, but this is version %s", name, f, rel.Version)
			}
		}
	}
}
