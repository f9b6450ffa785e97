// SPDX-License-Identifier: Apache-2.0

package openwrt_test

import (
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// The daemon works with two rights: see needed in cmd/latchkeyd.
func TestCapabilities(t *testing.T) {
	var got map[string][]string
	readJSON(t, filepath.Join(files, "latchkey.capabilities.json"), &got)
	two := []string{"CAP_NET_ADMIN", "CAP_NET_RAW"}
	want := map[string][]string{"bounding": two, "effective": two, "ambient": two, "permitted": two, "inheritable": two}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("capabilities (-want +got):\n%s", diff)
	}
}

// rights are those of one half of a group of rpcd's ACL, by object or configuration.
type rights struct {
	Ubus, UCI map[string][]string
}

// calls returns what the pages call on ubus, by object. What LuCI's own ACL gives to every account of
// its pages is not ours.
func calls(t *testing.T) map[string][]string {
	t.Helper()
	declare := regexp.MustCompile(`rpc\.declare\(\{ object: '([^']*)', method: '([^']*)'`)
	found := map[string][]string{}
	err := filepath.WalkDir("../../luci-app/htdocs/luci-static", func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".js" {
			return err
		}
		text, err := os.ReadFile(name)
		if all := strings.Count(string(text), "rpc.declare("); all != len(declare.FindAllString(string(text), -1)) {
			t.Errorf("%s declares calls in a way that this test does not read", name)
		}
		for _, m := range declare.FindAllStringSubmatch(string(text), -1) {
			if m[1] != "uci" {
				found[m[1]] = append(found[m[1]], m[2])
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestACL(t *testing.T) {
	var groups map[string]struct{ Read, Write rights }
	readJSON(t, "../../luci-app/root/usr/share/rpcd/acl.d/luci-app-latchkey.json", &groups)
	ours := groups["luci-app-latchkey"]
	if len(groups) != 1 {
		t.Errorf("there are other groups: %v", slices.Collect(maps.Keys(groups)))
	}
	t.Run("who_may_look_gets_no_secret_and_changes_nothing", func(t *testing.T) {
		want := rights{Ubus: map[string][]string{"latchkey": {"status", "events", "radar"}}}
		if diff := cmp.Diff(want, ours.Read); diff != "" {
			t.Errorf("rights (-want +got):\n%s", diff)
		}
	})
	t.Run("who_may_write_may_call_what_the_pages_call", func(t *testing.T) {
		want := calls(t)
		got := maps.Clone(ours.Write.Ubus)
		got["latchkey"] = slices.Concat(got["latchkey"], ours.Read.Ubus["latchkey"])
		for _, m := range []map[string][]string{want, got} {
			for object := range m {
				slices.Sort(m[object])
				m[object] = slices.Compact(m[object])
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("calls (-want +got):\n%s", diff)
		}
	})
	t.Run("and_changes_no_other_configuration", func(t *testing.T) {
		read := []string{"read"}
		want := map[string][]string{"latchkey": {"read", "write"}, "firewall": read, "network": read, "dropbear": read, "uhttpd": read, "ddns": read}
		if diff := cmp.Diff(want, ours.Write.UCI); diff != "" {
			t.Errorf("configurations (-want +got):\n%s", diff)
		}
	})
}
