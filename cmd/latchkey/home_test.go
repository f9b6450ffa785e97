// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/latchkey/latchkey/pkgs/seal"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestReserve(t *testing.T) {
	h := home(filepath.Join(t.TempDir(), "latchkey"))
	key, other := seal.Key{1}, seal.Key{2}
	start := uint64(noon.UnixMilli())
	const hour = 3_600_000
	tests := []struct {
		name string
		key  seal.Key
		now  time.Time
		want seal.Press
	}{
		{"first", key, noon, seal.Press{Starts: []uint64{start}}},
		{"at_the_same_time", key, noon, seal.Press{Starts: []uint64{start + 104}, Ahead: 104 * time.Millisecond}},
		{"later", key, noon.Add(time.Hour), seal.Press{Starts: []uint64{start + hour}}},
		{"after_the_clock_went_back_also_with_the_present", key, noon.Add(time.Minute),
			seal.Press{Starts: []uint64{start + 60_000, start + hour + 104}, Ahead: 59*time.Minute + 104*time.Millisecond}},
		{"of_another_key", other, noon, seal.Press{Starts: []uint64{start}}},
	}
	for _, test := range tests {
		got, err := h.reserve(test.key, test.now, 4)
		if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", test.name, err, diff)
		}
	}
}

func TestReserve_at_once_gives_each_its_own(t *testing.T) {
	h := home(t.TempDir())
	const callers, each = 8, 20
	var mu sync.Mutex
	seen := map[uint64]bool{}
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for range each {
				press, err := h.reserve(seal.Key{1}, noon, 4)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range uint64(4) {
					if seen[press.Starts[0]+i] {
						t.Errorf("stamp %d was given twice", press.Starts[0]+i)
					}
					seen[press.Starts[0]+i] = true
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(seen) != callers*each*4 {
		t.Errorf("%d stamps, want %d", len(seen), callers*each*4)
	}
}

func TestReserve_refuses_a_damaged_file(t *testing.T) {
	dir := t.TempDir()
	h := home(dir)
	if _, err := h.reserve(seal.Key{1}, noon, 1); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "stamp-*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("files %q, error %v", paths, err)
	}
	good, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	change := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for _, text := range []string{
		"17637", string(good[:len(good)-1]), string(good) + "\n", change(" ", "-"), change("1", "x"), change("\n", " "),
		change("00179", "99999"), change(strings.Repeat("0", 15), "001000000000000"),
	} {
		if err := os.WriteFile(paths[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if press, err := h.reserve(seal.Key{1}, noon, 1); err == nil {
			t.Errorf("%q gave %+v", text, press)
		}
	}
	if info, err := os.Stat(paths[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v, want 0600", info.Mode(), err)
	}
}

// FuzzReply reads what may be the answer of a router's web server to a pick-up.
func FuzzReply(f *testing.F) {
	f.Add(`{"jsonrpc":"2.0","id":1,"result":[0,{"answer":"c2VhbGVk"}]}`)
	f.Add(`{"error":{"code":-32002,"message":"Access denied"}}`)
	f.Add(`{"result":[4]}`)
	f.Add(`[`)
	f.Fuzz(func(t *testing.T, text string) {
		sealed, err := readReply(strings.NewReader(text))
		if (sealed == "") != (err != nil) {
			t.Errorf("%q: %q, %v", text, sealed, err)
		}
	})
}
