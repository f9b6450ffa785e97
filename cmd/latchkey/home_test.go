// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/seal"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestReserve_never_repeats_a_stamp(t *testing.T) {
	h := home(filepath.Join(t.TempDir(), "latchkey"))
	key, other := seal.Key{1}, seal.Key{2}
	start := uint64(noon.UnixMilli())
	tests := []struct {
		name   string
		key    seal.Key
		now    time.Time
		want   uint64
		behind time.Duration
	}{
		{"first", key, noon, start, 0},
		{"at_the_same_time", key, noon, start + 4, 3 * time.Millisecond},
		{"later", key, noon.Add(time.Hour), start + 3_600_000, 0},
		{"after_the_clock_went_back", key, noon, start + 3_600_004, time.Hour + 3*time.Millisecond},
		{"before_1970", key, time.Unix(-1, 0), start + 3_600_008, time.Duration(start+3_601_007) * time.Millisecond},
		{"of_another_key", other, noon, start, 0},
	}
	for _, test := range tests {
		got, behind, err := h.reserve(test.key, test.now, 4)
		if err != nil || got != test.want {
			t.Errorf("%s: stamp %d, error %v, want %d", test.name, got, err, test.want)
		}
		if behind.Round(time.Millisecond) != test.behind {
			t.Errorf("%s: behind %s, want %s", test.name, behind, test.behind)
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
				first, _, err := h.reserve(seal.Key{1}, noon, 4)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for i := range uint64(4) {
					if seen[first+i] {
						t.Errorf("stamp %d was given twice", first+i)
					}
					seen[first+i] = true
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
	if _, _, err := h.reserve(seal.Key{1}, noon, 1); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "stamp-*"))
	if err != nil || len(paths) != 1 {
		t.Fatalf("files %q, error %v", paths, err)
	}
	for _, text := range []string{"17637", "0001763769600000", "00017637696x0000\n", "999999999999999\n", "001763769600000\n\n"} {
		if err := os.WriteFile(paths[0], []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if stamp, _, err := h.reserve(seal.Key{1}, noon, 1); err == nil {
			t.Errorf("%q gave stamp %d", text, stamp)
		}
	}
	if info, err := os.Stat(paths[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, error %v, want 0600", info.Mode(), err)
	}
}
