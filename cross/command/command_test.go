// SPDX-License-Identifier: Apache-2.0

package command_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/cross/command"
)

// TestMain is the commands that TestMainEndsTheProcess starts, too.
func TestMain(m *testing.M) {
	how, isCommand := os.LookupEnv("COMMAND_TEST")
	if !isCommand {
		os.Exit(m.Run())
	}
	command.Main("make-it", func(context.Context) error {
		switch how {
		case "well":
			return nil
		case "wrong call":
			return fmt.Errorf("of two, %w", command.Usage("usage: make-it NAME"))
		default:
			return errors.New(how)
		}
	})
}

func TestMainEndsTheProcess(t *testing.T) {
	for how, want := range map[string]struct {
		status int
		told   string
	}{
		"well":             {0, ""},
		"nothing is there": {1, "make-it: error: nothing is there\n"},
		"wrong call":       {2, "of two, usage: make-it NAME\n"},
	} {
		t.Run(how, func(t *testing.T) {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), "COMMAND_TEST="+how)
			var told strings.Builder
			cmd.Stderr = &told
			if err := cmd.Run(); cmd.ProcessState == nil {
				t.Fatal(err)
			}
			if status := cmd.ProcessState.ExitCode(); status != want.status || told.String() != want.told {
				t.Errorf("status %d, it says %q; want %+v", status, told.String(), want)
			}
		})
	}
}
