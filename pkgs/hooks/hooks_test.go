// SPDX-License-Identifier: Apache-2.0

package hooks_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchkey/latchkey/pkgs/control"
	"github.com/latchkey/latchkey/pkgs/hooks"
)

// run runs scripts, by their names, for an event, and returns what they and Run said.
func run(t *testing.T, ctx context.Context, e control.Event, scripts map[string]string) (said string) {
	t.Helper()
	return runFor(t, ctx, time.Minute, e, scripts)
}

// runFor is run with how long a script may take.
func runFor(t *testing.T, ctx context.Context, longest time.Duration, e control.Event, scripts map[string]string) (said string) {
	t.Helper()
	folder := t.TempDir()
	for name, text := range scripts {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	hooks.Run(ctx, folder, longest, e, out)
	b, err := os.ReadFile(out.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestRun(t *testing.T) {
	until := time.Unix(1795314019, 0)
	opened := control.Event{Kind: "opened", Door: "nas", Client: "phone", Address: "203.0.113.7", Until: &until}

	t.Run("tells_scripts_what_happened_in_the_order_of_their_names", func(t *testing.T) {
		said := run(t, t.Context(), opened, map[string]string{
			"20-second": "echo second $ACTION $DOOR $CLIENT $ADDRESS $UNTIL",
			"10-first":  "echo first; cat",
		})
		if want := "first\nsecond opened nas phone 203.0.113.7 1795314019\n"; said != want {
			t.Errorf("%q, want %q", said, want)
		}
	})
	t.Run("tells_scripts_all_of_an_event", func(t *testing.T) {
		refused := control.Event{Kind: "refused", Client: "phone", Address: "198.51.100.9", Reason: "stale", Detail: `the "clock" of it`, Hidden: 3}
		said := run(t, t.Context(), refused, map[string]string{"1": `echo "$ACTION [$DOOR] $REASON"; echo "$EVENT"`})
		words, event, _ := strings.Cut(said, "\n")
		var got control.Event
		if err := json.Unmarshal([]byte(event), &got); err != nil || got != refused || words != "refused [] stale" {
			t.Errorf("%q, %v", said, err)
		}
	})
	t.Run("goes_on_after_a_script_that_fails", func(t *testing.T) {
		said := run(t, t.Context(), opened, map[string]string{"1": "exit 3", "2": "echo here"})
		if !strings.Contains(said, "exit status 3") || !strings.HasSuffix(said, "here\n") {
			t.Errorf("%q", said)
		}
	})
	t.Run("refuses_a_folder_with_too_many_scripts", func(t *testing.T) {
		scripts := map[string]string{}
		for n := range 65 {
			scripts[fmt.Sprint(n)] = "echo here"
		}
		if said := run(t, t.Context(), opened, scripts); !strings.HasPrefix(said, "hooks: ") || strings.Contains(said, "here") {
			t.Errorf("%q", said)
		}
	})
	t.Run("kills_a_script_that_takes_too_long_and_runs_the_next_one", func(t *testing.T) {
		ctx, stop := context.WithTimeout(t.Context(), 20*time.Second) // for a script that is not killed
		defer stop()
		said := runFor(t, ctx, 2*time.Second, opened, map[string]string{"1": "exec sleep 60", "2": "echo here"})
		if !strings.HasSuffix(said, "/1 for opened nas: killed, because it took longer than 2s\nhere\n") {
			t.Errorf("%q", said)
		}
	})
	t.Run("ends_a_script_and_all_that_it_started_when_the_service_stops", func(t *testing.T) {
		fifo := filepath.Join(t.TempDir(), "child")
		ctx, stop := context.WithCancel(t.Context())
		go func() {
			for { // until the child has told its number
				if b, err := os.ReadFile(fifo); err == nil && strings.HasSuffix(string(b), "\n") {
					stop()
					return
				}
				time.Sleep(time.Millisecond)
			}
		}()
		said := run(t, ctx, opened, map[string]string{"1": "sleep 60 & echo $! >" + fifo + "; wait"})
		if !strings.Contains(said, "the service stops") {
			t.Errorf("%q", said)
		}
		child, _ := os.ReadFile(fifo)
		for deadline := time.Now().Add(10 * time.Second); ; {
			stat, _ := os.ReadFile("/proc/" + strings.TrimSpace(string(child)) + "/stat")
			if len(stat) == 0 || strings.Contains(string(stat), ") Z ") {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the child lives on: %s", stat)
			}
			time.Sleep(time.Millisecond)
		}
	})
}
