// SPDX-License-Identifier: Apache-2.0

package lab_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.MainHosts(m)) }

// meeting is the variable with the folder where two tests of the process below meet, and how with how it ends.
const (
	meeting = "LATCHKEY_LAB_MEETING"
	how     = "LATCHKEY_LAB_HOW"
)

// Both are there at the same time, and each finds no device but its own on its phone.
func TestOneOfTwoThatMeet(t *testing.T)   { meet(t, "one", "other") }
func TestOtherOfTwoThatMeet(t *testing.T) { meet(t, "other", "one") }

// TestThirdOfTwoThatMeet is for the first lab that has nothing to do.
func TestThirdOfTwoThatMeet(t *testing.T) { lab.Enter(t) }

func meet(t *testing.T, me, you string) {
	lab.Enter(t)
	folder := os.Getenv(meeting)
	if folder == "" {
		return // only for TestSeveralLabsAtOnce
	}
	lab.Run(t, "phone", "ip", "link", "add", "mine", "type", "veth")
	if err := os.WriteFile(filepath.Join(folder, me), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lab.Wait(t, "the other test", func() bool {
		_, err := os.Stat(filepath.Join(folder, you))
		return err == nil
	})
	switch {
	case os.Getenv(how) == "both end":
		os.Exit(3)
	case me != "one":
	case os.Getenv(how) == "fails":
		t.Error("it fails")
	case os.Getenv(how) == "panics":
		panic("it panics")
	case os.Getenv(how) == "ends":
		os.Exit(3)
	case os.Getenv(how) == "hangs":
		select {}
	}
}

func TestSeveralLabsAtOnce(t *testing.T) {
	lab.Enter(t)
	for _, tt := range []struct {
		how  string
		code int
		says []string
	}{
		{"passes", 0, []string{"--- PASS: TestOneOfTwoThatMeet", "--- PASS: TestOtherOfTwoThatMeet", "\nPASS\n"}},
		{"fails", 1, []string{"--- FAIL: TestOneOfTwoThatMeet", "it fails", "--- PASS: TestOtherOfTwoThatMeet", "\nFAIL\n"}},
		{"panics", 2, []string{"it panics", "--- PASS: TestOtherOfTwoThatMeet", "\nFAIL\n"}},
		{"ends", 3, []string{"=== RUN   TestOneOfTwoThatMeet", "--- PASS: TestOtherOfTwoThatMeet", "--- PASS: TestThirdOfTwoThatMeet", "\nFAIL\n"}},
		{"both end", 3, []string{"=== RUN   TestOneOfTwoThatMeet", "panic: lab: 1 tests were not run: TestThirdOfTwoThatMeet\n", "\nFAIL\n"}},
		{"hangs", 2, []string{"panic: test timed out", "\nFAIL\n"}},
	} {
		t.Run(tt.how, func(t *testing.T) {
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command(program, "-test.v", "-test.run", "OfTwoThatMeet$")
			if tt.how == "hangs" {
				cmd.Args = append(cmd.Args, "-test.timeout=5s")
			}
			cmd.Env = append(os.Environ(), "LATCHKEY_LAB=", "LATCHKEY_LABS=2", meeting+"="+t.TempDir(), how+"="+tt.how)
			out, err := cmd.CombinedOutput()
			code := 0
			if exit, failed := errors.AsType[*exec.ExitError](err); failed {
				code = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			if code != tt.code {
				t.Errorf("exit code %d, want %d:\n%s", code, tt.code, out)
			}
			for _, want := range tt.says {
				if strings.Count(string(out), want) != 1 {
					t.Errorf("it does not say %q, once:\n%s", want, out)
				}
			}
		})
	}
}
